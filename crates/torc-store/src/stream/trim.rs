//! Trimming: taking the oldest entries away, down to a number of entries or up to an id.
//!
//! Approximate trimming takes whole nodes only. What goes is found first, by chunks of nodes and then by nodes, and taken away at once
//! whatever its size ([`References::Keep`]). With [`References::Delete`] the references to it are visited, not the entries; with
//! [`References::Acknowledged`] each entry from the oldest on that a group still needs.

use super::id::StreamId;
use super::{References, Stream};

/// References that are collected at once, to be removed.
const REFERENCES_AT_ONCE: usize = 512;

/// What is to go.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Bound {
    /// Leave this number of entries.
    MaxLen(u64),
    /// Leave entries from this id on.
    MinId(StreamId),
}

/// How a stream is trimmed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Trim {
    /// What is to go.
    pub bound: Bound,
    /// Whole nodes only.
    pub approximate: bool,
    /// Most entries to be taken away; 0: any number.
    pub limit: u64,
    /// What becomes of references to them.
    pub references: References,
}

/// What goes as a whole, from the front on: chunks of nodes, nodes behind these, and the tail.
#[derive(Debug, Default)]
struct Cut {
    chunks: usize,
    nodes: usize,
    tail: bool,
    /// Entries in all of them.
    entries: u64,
    /// Id of the last of these, deleted or not.
    last: StreamId,
}

impl Stream {
    /// Takes the oldest entries away; returns their number.
    pub fn trim(&mut self, trim: Trim) -> u64 {
        let deleted = match trim.references {
            References::Keep => self.trim_nodes(trim),
            References::Delete if self.groups.references() == 0 => self.trim_nodes(trim),
            References::Delete => self.trim_with_references(trim),
            References::Acknowledged if self.groups.is_empty() => self.trim_nodes(trim),
            References::Acknowledged => {
                let up_to = self.groups.done_up_to();
                let cut = self.cut(trim, up_to);
                self.take_away(&cut);
                let deleted = cut.entries + self.trim_first_node(trim, up_to, |_| ());
                self.trim_entries(trim, deleted)
            }
        };
        if deleted > 0 {
            self.find_ends(true, self.len == 0);
        }
        deleted
    }

    /// What goes as a whole and has no entry behind `up_to`.
    fn cut(&self, trim: Trim, up_to: StreamId) -> Cut {
        let mut cut = Cut::default();
        for chunk in self.nodes.chunks() {
            if !self.extend_cut(&mut cut, trim, up_to, chunk.live(), chunk.last()) {
                break;
            }
            cut.chunks += 1;
        }
        let mut place = self.nodes.start_of(cut.chunks);
        while let Some(node) = self.nodes.get(place) {
            if !self.extend_cut(&mut cut, trim, up_to, node.live() as u64, node.last()) {
                return cut;
            }
            cut.nodes += 1;
            place = self.nodes.after(place);
        }
        let (live, last) = (self.tail.live() as u64, self.tail.last());
        cut.tail = live > 0 && self.extend_cut(&mut cut, trim, up_to, live, last);
        cut
    }

    /// Adds the next `live` entries, up to this id, to the cut if they must be trimmed; returns whether it did.
    fn extend_cut(&self, cut: &mut Cut, trim: Trim, up_to: StreamId, live: u64, last: StreamId) -> bool {
        let entries = cut.entries + live;
        let is_wanted = match trim.bound {
            Bound::MaxLen(len) => self.len - entries >= len,
            Bound::MinId(id) => last < id,
        };
        let goes = is_wanted && last <= up_to && (trim.limit == 0 || entries <= trim.limit);
        if goes {
            (cut.entries, cut.last) = (entries, last);
        }
        goes
    }

    /// Chunks are left to the background, so that this takes no longer for millions of entries.
    fn take_away(&mut self, cut: &Cut) {
        if cut.chunks > 0 {
            let front = self.nodes.split_front(cut.chunks);
            let front = match self.nodes_rest() {
                Some(rest) => rest.keep_chunks(front),
                None => front,
            };
            let discarded = self.discarded_mut();
            discarded.len += front.live();
            discarded.nodes.adopt(front);
        }
        for _ in 0..cut.nodes {
            let node = self.nodes.remove(self.nodes.first());
            if let Some(rest) = self.nodes_rest() {
                rest.keep(node);
            }
        }
        if cut.tail {
            self.before_edit(self.nodes.end());
            self.tail.clear();
        }
        self.len -= cut.entries;
    }

    fn trim_nodes(&mut self, trim: Trim) -> u64 {
        let cut = self.cut(trim, StreamId::MAX);
        self.take_away(&cut);
        cut.entries + self.trim_first_node(trim, StreamId::MAX, |_| ())
    }

    /// The groups' references to what goes are looked up, and removed with it. Those to entries that went before stay.
    fn trim_with_references(&mut self, trim: Trim) -> u64 {
        let cut = self.cut(trim, StreamId::MAX);
        for group in 0..self.groups.len() {
            let mut from = Some(StreamId::MIN);
            while let Some(start) = from.filter(|_| cut.entries > 0) {
                let references = self.groups.get(group).pending_range(start, cut.last);
                let ids: Vec<StreamId> = references.map(|(id, _)| id).take(REFERENCES_AT_ONCE).collect();
                from = ids.last().and_then(|last| last.next());
                for id in ids {
                    if self.get(id).is_some() {
                        self.groups.acknowledge(group, id);
                    }
                }
            }
        }
        self.take_away(&cut);
        let mut gone = Vec::new();
        let deleted = self.trim_first_node(trim, StreamId::MAX, |id| gone.push(id));
        gone.into_iter().for_each(|id| _ = self.forget_references(id));
        cut.entries + deleted
    }

    /// The entries of the first node up to `up_to` that are to go, while others of it stay.
    fn trim_first_node(&mut self, trim: Trim, up_to: StreamId, mut note: impl FnMut(StreamId)) -> u64 {
        let mut spare = match trim.bound {
            Bound::MaxLen(len) => self.len.saturating_sub(len),
            Bound::MinId(_) => self.len,
        };
        if trim.approximate || spare == 0 {
            return 0;
        }
        let goes = |id: StreamId| {
            let goes = spare > 0 && id <= up_to && !matches!(trim.bound, Bound::MinId(first) if id >= first);
            if goes {
                spare -= 1;
                note(id);
            }
            goes
        };
        let gone = self.edit_node(self.nodes.first(), |node| node.delete_while(goes)) as u64;
        self.len -= gone;
        gone
    }

    /// Entry by entry, in parts of limited size, since for each the groups must be asked; `deleted` have gone before.
    fn trim_entries(&mut self, trim: Trim, mut deleted: u64) -> u64 {
        let mut from = StreamId::MIN;
        while let Some((live, last)) = self.node_from(from) {
            let kept_len = matches!(trim.bound, Bound::MaxLen(len) if self.len <= len);
            let over_limit = trim.limit > 0 && deleted + live > trim.limit;
            let whole = match trim.bound {
                Bound::MaxLen(len) => self.len - live >= len,
                Bound::MinId(id) => last < id,
            };
            if kept_len || over_limit || (trim.approximate && !whole) {
                break;
            }
            let ids: Vec<StreamId> = self.range(from, last).map(|entry| entry.id()).collect();
            for id in ids {
                let stop = match trim.bound {
                    Bound::MaxLen(len) => self.len <= len,
                    Bound::MinId(first) => id >= first,
                };
                if stop {
                    return deleted;
                }
                if !self.is_referenced(id) {
                    self.delete_entry(id);
                    deleted += 1;
                }
            }
            let Some(next) = last.next() else { break };
            from = next;
        }
        deleted
    }

    /// Number of entries and last id of the node in which the entries from this id on begin.
    fn node_from(&self, from: StreamId) -> Option<(u64, StreamId)> {
        let node = self.nodes.get(self.nodes.seek(from)).unwrap_or(&self.tail);
        (node.live() > 0 && node.last() >= from).then(|| (node.live() as u64, node.last()))
    }
}
