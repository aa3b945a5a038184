//! The full nodes of a stream, in order: a deque of chunks, each a deque of nodes.
//!
//! ```text
//! chunks   | chunk | chunk | chunk |          found by halving, twice
//! chunk    up to 64 nodes, adjacent in memory
//! ```
//!
//! Nodes are added behind the last and taken out anywhere, never put between others. Taking one out moves the nodes of its
//! chunk only, and growing moves chunks, of which there is one for some 6,400 entries.

use std::collections::VecDeque;

use super::id::StreamId;
use super::node::Node;

const CHUNK_NODES_MAX: usize = 64;

/// See the head of the file.
#[derive(Debug, Default)]
pub(crate) struct Nodes {
    chunks: VecDeque<VecDeque<Node>>,
    len: usize,
    /// Of the nodes, and of the chunks' buffers.
    bytes: usize,
}

/// The place of a node.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Place {
    chunk: usize,
    node: usize,
}

impl Nodes {
    /// Number of nodes.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Bytes of memory outside of the struct.
    pub(crate) fn external_bytes(&self) -> usize {
        self.bytes + self.chunks.capacity() * size_of::<VecDeque<Node>>()
    }

    /// Bytes of the chunks and their deque, counted anew.
    #[cfg(test)]
    pub(crate) fn table_bytes(&self) -> usize {
        let nodes: usize = self.chunks.iter().map(|chunk| chunk.capacity() * size_of::<Node>()).sum();
        nodes + self.chunks.capacity() * size_of::<VecDeque<Node>>()
    }

    /// Adds a node behind all others.
    pub(crate) fn push(&mut self, node: Node) {
        if self.chunks.back().is_none_or(|chunk| chunk.len() == CHUNK_NODES_MAX) {
            self.chunks.push_back(VecDeque::new());
        }
        let chunk = self.chunks.back_mut().expect("there is one with room");
        let before = chunk.capacity();
        self.bytes += node.external_bytes();
        chunk.push_back(node);
        self.bytes += (chunk.capacity() - before) * size_of::<Node>();
        self.len += 1;
    }

    /// The place of the first node.
    pub(crate) fn first(&self) -> Place {
        Place { chunk: 0, node: 0 }
    }

    /// The place behind the last node.
    pub(crate) fn end(&self) -> Place {
        Place { chunk: self.chunks.len(), node: 0 }
    }

    /// The place of the last node; `None` without nodes.
    pub(crate) fn last(&self) -> Option<Place> {
        self.before(self.end())
    }

    /// The node at a place; `None` behind the last.
    pub(crate) fn get(&self, place: Place) -> Option<&Node> {
        self.chunks.get(place.chunk)?.get(place.node)
    }

    /// The place behind this one.
    pub(crate) fn after(&self, place: Place) -> Place {
        let chunk = self.chunks.get(place.chunk).expect("there is a node at the place");
        if place.node + 1 < chunk.len() {
            Place { node: place.node + 1, ..place }
        } else {
            Place { chunk: place.chunk + 1, node: 0 }
        }
    }

    /// The place before this one.
    pub(crate) fn before(&self, place: Place) -> Option<Place> {
        if let Some(node) = place.node.checked_sub(1) {
            return Some(Place { node, ..place });
        }
        let chunk = place.chunk.checked_sub(1)?;
        Some(Place { chunk, node: self.chunks[chunk].len() - 1 })
    }

    /// The first node whose last id is `id` or behind it; the end if there is none.
    pub(crate) fn seek(&self, id: StreamId) -> Place {
        let is_before = |node: &Node| node.last() < id;
        let chunk = self.chunks.partition_point(|chunk| chunk.back().is_some_and(is_before));
        let node = self.chunks.get(chunk).map_or(0, |nodes| nodes.partition_point(is_before));
        Place { chunk, node }
    }

    /// Changes the node at a place, and takes it out if it then has no entries.
    pub(crate) fn edit<T>(&mut self, place: Place, edit: impl FnOnce(&mut Node) -> T) -> T {
        let node = &mut self.chunks[place.chunk][place.node];
        let before = node.external_bytes();
        let result = edit(node);
        self.bytes = self.bytes + node.external_bytes() - before;
        if node.live() == 0 {
            self.remove(place);
        }
        result
    }

    /// Takes the node at a place out.
    pub(crate) fn remove(&mut self, place: Place) -> Node {
        let chunk = &mut self.chunks[place.chunk];
        let node = chunk.remove(place.node).expect("there is a node at the place");
        self.bytes -= node.external_bytes();
        self.len -= 1;
        if chunk.is_empty() {
            self.bytes -= chunk.capacity() * size_of::<Node>();
            self.chunks.remove(place.chunk);
            self.shrink();
        }
        node
    }

    /// Gives the memory of the chunks' deque back when most of it is spare.
    fn shrink(&mut self) {
        if self.chunks.capacity() > 4 * self.chunks.len() + 8 {
            self.chunks.shrink_to(2 * self.chunks.len());
        }
    }
}
