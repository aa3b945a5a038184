//! The nodes of a stream as they were at the cut, while entries come and go.
//!
//! ```text
//!   nodes at the cut   | saved | trimmed: taken over | as it is | changed: a copy | as it is |     new ones
//!                              ^ done                                                        ^ end
//! ```
//! Nodes are added behind all others, changed and taken out anywhere, and never put between. So a node of the cut is known by the id of its
//! first entry, and what is trimmed by the chunk stays in order before what is there. A node is copied before its first change only, and
//! one that goes as a whole is not copied.
//!
//! Ids may come again: when the last entries are gone, XSETID sets the last id back. Then `end` goes back too, since nothing is left behind it.

use std::collections::BTreeMap;

use super::super::id::StreamId;
use super::super::node::Node;
use super::super::nodes::Nodes;

/// Which nodes are not saved.
#[derive(Debug)]
pub(in crate::stream) struct NodesRest {
    /// How many those are.
    left: usize,
    /// The last entry of those that are saved, deleted or not.
    done: StreamId,
    /// A node that begins behind it is new.
    end: StreamId,
    /// Nodes that have changed, as they were, by their first entry.
    changed: BTreeMap<StreamId, Node>,
    changed_bytes: usize,
    /// Nodes of the cut that were trimmed by the chunk. What of them has changed before is in `changed` too.
    trimmed: Nodes,
}

impl NodesRest {
    /// So many nodes, which is all that there are, with entries up to this id.
    pub fn of(nodes: usize, end: StreamId) -> NodesRest {
        NodesRest {
            left: nodes,
            done: StreamId::MIN,
            end,
            changed: BTreeMap::new(),
            changed_bytes: 0,
            trimmed: Nodes::default(),
        }
    }

    /// Number of nodes that are not saved.
    pub fn left(&self) -> usize {
        self.left
    }

    /// The last id of the stream is this one now.
    pub fn follow_last_id(&mut self, last_id: StreamId) {
        self.end = self.end.min(last_id);
    }

    /// A node is about to change.
    pub fn before(&mut self, node: &Node) {
        if self.awaits(node) {
            self.set_aside(node.clone());
        }
    }

    /// A node has been taken out, unchanged.
    pub fn keep(&mut self, node: Node) {
        if self.awaits(&node) {
            self.set_aside(node);
        }
    }

    /// Chunks have been taken out, from the front on. Gives back those that are not needed.
    pub fn keep_chunks(&mut self, mut front: Nodes) -> Nodes {
        if self.left == 0 {
            return front;
        }
        let saved = front.chunks().take_while(|chunk| chunk.last() <= self.done).count();
        let mut unneeded = front.split_front(saved);
        let kept = front.chunks().take_while(|chunk| chunk.first() <= self.end).count();
        let mut kept = front.split_front(kept);
        // The last chunk may end in new ones.
        while let Some(last) = kept.last().filter(|&last| kept.get(last).is_some_and(|node| node.first() > self.end)) {
            kept.remove(last);
        }
        self.trimmed.adopt(kept);
        unneeded.adopt(front);
        unneeded
    }

    /// Whether a node that is there is one of the cut, and is as it was and not saved.
    fn awaits(&self, node: &Node) -> bool {
        let first = node.first();
        if self.left == 0 || node.live() == 0 || first <= self.done || first > self.end {
            return false;
        }
        let before = self.changed.range(..=first).next_back();
        before.is_none_or(|(_, changed)| changed.last() < first)
    }

    fn set_aside(&mut self, node: Node) {
        self.changed_bytes += bytes_of(&node);
        self.changed.insert(node.first(), node);
    }

    /// Saves the next node of those that are left, of which there must be one. Those that are there: `nodes`, and behind them `tail`.
    pub fn save_next(&mut self, nodes: &Nodes, tail: &Node, save: impl FnOnce(&Node)) {
        self.left -= 1;
        let changed = self.changed.first_key_value().map(|(&first, _)| first);
        let is_next = |node: &Node| changed.is_none_or(|changed| node.first() < changed);
        while let Some(node) = self.trimmed.get(self.trimmed.first()).filter(|node| is_next(node)) {
            let (is_left, last) = (node.first() > self.done, node.last());
            let node = self.trimmed.remove(self.trimmed.first());
            if is_left {
                self.done = last;
                return save(&node);
            }
        }
        if self.trimmed.len() == 0
            && let Some(node) = self.next_of(nodes, tail).filter(|node| is_next(node))
        {
            self.done = node.last();
            return save(node);
        }
        let (_, node) = self.changed.pop_first().expect("nodes of the cut are there or set aside");
        self.changed_bytes -= bytes_of(&node);
        self.done = node.last();
        save(&node);
    }

    /// The first node of those that are there that is one of the cut and not saved; it may have changed since.
    fn next_of<'a>(&self, nodes: &'a Nodes, tail: &'a Node) -> Option<&'a Node> {
        let mut place = nodes.seek(self.done.next()?);
        while let Some(node) = nodes.get(place) {
            if node.first() > self.done {
                return Some(node).filter(|node| node.first() <= self.end);
            }
            place = nodes.after(place);
        }
        Some(tail).filter(|tail| tail.live() > 0 && tail.first() > self.done && tail.first() <= self.end)
    }

    /// Bytes of memory outside of the struct.
    pub fn bytes(&self) -> usize {
        self.changed_bytes + self.trimmed.external_bytes()
    }

    /// Frees so many nodes. True: nothing is left.
    pub fn dismantle(&mut self, nodes: usize) -> bool {
        for _ in 0..nodes {
            if let Some(last) = self.trimmed.last() {
                self.trimmed.remove(last);
            } else if let Some((_, node)) = self.changed.pop_first() {
                self.changed_bytes -= bytes_of(&node);
            } else {
                self.trimmed = Nodes::default();
                return true;
            }
        }
        false
    }
}

/// Bytes of a node that is set aside. Nodes of such a map are two thirds full.
fn bytes_of(node: &Node) -> usize {
    node.external_bytes() + size_of::<(StreamId, Node)>() * 3 / 2
}
