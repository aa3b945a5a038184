//! Trimming: taking the oldest entries away, down to a number of entries or up to an id.
//!
//! Approximate trimming takes whole nodes only. What the groups' references have to say is asked per entry, so that with
//! [`References::Keep`] alone whole nodes go at once.

use super::id::StreamId;
use super::{NODES_FREED_AT_ONCE_MAX, References, Stream};

/// What is to go.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Bound {
    /// Leave so many entries.
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

impl Stream {
    /// Takes the oldest entries away; gives their number.
    pub fn trim(&mut self, trim: Trim) -> u64 {
        let deleted = match trim.references {
            References::Keep => self.trim_nodes(trim),
            _ => self.trim_entries(trim),
        };
        if deleted > 0 {
            self.find_ends(true, self.len == 0);
        }
        deleted
    }

    /// Whether all of a node with so many entries and this last id is to go.
    fn goes_whole(&self, bound: Bound, live: u64, last: StreamId) -> bool {
        match bound {
            Bound::MaxLen(len) => self.len - live >= len,
            Bound::MinId(id) => last < id,
        }
    }

    fn trim_nodes(&mut self, trim: Trim) -> u64 {
        let (mut deleted, mut nodes) = (0, 0);
        while self.len > 0 {
            if let Bound::MaxLen(len) = trim.bound
                && self.len <= len
            {
                break;
            }
            let place = self.nodes.first();
            let node = self.nodes.get(place).unwrap_or(&self.tail);
            let (live, last) = (node.live() as u64, node.last());
            if trim.limit > 0 && deleted + live > trim.limit {
                break;
            }
            if self.goes_whole(trim.bound, live, last) {
                nodes += 1;
                if self.nodes.len() > 0 {
                    let node = self.nodes.remove(place);
                    if nodes > NODES_FREED_AT_ONCE_MAX {
                        self.discard_node(node);
                    }
                } else {
                    self.tail.clear();
                }
                self.len -= live;
                deleted += live;
                continue;
            }
            if trim.approximate {
                break;
            }
            let mut spare = match trim.bound {
                Bound::MaxLen(len) => self.len - len,
                Bound::MinId(_) => u64::MAX,
            };
            let goes = |id: StreamId| {
                let goes = spare > 0 && !matches!(trim.bound, Bound::MinId(first) if id >= first);
                spare -= u64::from(goes);
                goes
            };
            let gone = self.edit_node(place, |node| node.delete_while(goes)) as u64;
            self.len -= gone;
            deleted += gone;
            break;
        }
        deleted
    }

    /// Entry by entry, in parts of limited size, since each must ask the groups.
    fn trim_entries(&mut self, trim: Trim) -> u64 {
        let (mut deleted, mut from) = (0, StreamId::MIN);
        while let Some((live, last)) = self.node_from(from) {
            let kept_len = matches!(trim.bound, Bound::MaxLen(len) if self.len <= len);
            let over_limit = trim.limit > 0 && deleted + live > trim.limit;
            let whole = self.goes_whole(trim.bound, live, last);
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
                if trim.references == References::Acknowledged && self.is_referenced(id) {
                    continue;
                }
                if trim.references == References::Delete {
                    self.forget_references(id);
                }
                self.delete_entry(id);
                deleted += 1;
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
