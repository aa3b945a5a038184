//! The full nodes of a stream, in order: a deque of chunks, each a deque of nodes.
//!
//! ```text
//! chunks   | chunk | chunk | chunk |          found by halving, twice
//! chunk    up to 64 nodes, adjacent in memory; how many entries and bytes these are
//! ```
//!
//! Nodes are added behind the last and taken out anywhere, never put between others. Taking one out moves the nodes of its
//! chunk only, and growing moves chunks, of which there is one for some 6,400 entries. The oldest are taken away by the chunk,
//! without a look at their nodes.

use std::collections::VecDeque;

use super::id::StreamId;
use super::node::Node;

const CHUNK_NODES_MAX: usize = 64;

/// Finds the full node that holds an id, and drops nodes at the front when the stream is trimmed.
#[derive(Debug, Default)]
pub(crate) struct Nodes {
    chunks: VecDeque<Chunk>,
    len: usize,
    /// Of the nodes, and of the chunks' buffers.
    bytes: usize,
}

/// Nodes that are adjacent.
#[derive(Debug, Default)]
pub(crate) struct Chunk {
    nodes: VecDeque<Node>,
    /// Id of the last entry, deleted or not.
    last: StreamId,
    /// Entries in them that are not deleted.
    live: u64,
    /// Of the nodes, and of the deque's buffer.
    bytes: usize,
}

impl Chunk {
    /// Number of nodes.
    pub(crate) fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Number of entries that are not deleted.
    pub(crate) fn live(&self) -> u64 {
        self.live
    }

    /// Nodes were changed or taken out.
    fn follow_last(&mut self) {
        self.last = self.nodes.back().map_or(StreamId::MIN, Node::last);
    }

    /// Id of its first entry, deleted or not.
    pub(crate) fn first(&self) -> StreamId {
        self.nodes.front().map_or(StreamId::MIN, Node::first)
    }

    /// Id of its last entry, deleted or not.
    pub(crate) fn last(&self) -> StreamId {
        self.last
    }
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
        self.bytes + self.chunks.capacity() * size_of::<Chunk>()
    }

    /// Bytes of the chunks and their deque, counted anew.
    #[cfg(test)]
    pub(crate) fn table_bytes(&self) -> usize {
        let nodes: usize = self.chunks.iter().map(|chunk| chunk.nodes.capacity() * size_of::<Node>()).sum();
        nodes + self.chunks.capacity() * size_of::<Chunk>()
    }

    /// Adds a node behind all others.
    pub(crate) fn push(&mut self, node: Node) {
        if self.chunks.back().is_none_or(|chunk| chunk.len() == CHUNK_NODES_MAX) {
            self.chunks.push_back(Chunk::default());
        }
        let chunk = self.chunks.back_mut().expect("there is one with room");
        let (before, node_bytes) = (chunk.nodes.capacity(), node.external_bytes());
        chunk.live += node.live() as u64;
        chunk.last = node.last();
        chunk.nodes.push_back(node);
        let added = node_bytes + (chunk.nodes.capacity() - before) * size_of::<Node>();
        chunk.bytes += added;
        self.bytes += added;
        self.len += 1;
    }

    /// Number of entries that are not deleted.
    pub(crate) fn live(&self) -> u64 {
        self.chunks.iter().map(Chunk::live).sum()
    }

    /// The chunks, first to last.
    pub(crate) fn chunks(&self) -> impl Iterator<Item = &Chunk> {
        self.chunks.iter()
    }

    /// The place of the first node of a chunk.
    pub(crate) fn start_of(&self, chunk: usize) -> Place {
        Place { chunk, node: 0 }
    }

    /// Splits `chunks` chunks off the front. The work is adding up their entries and moving the other chunks.
    pub(crate) fn split_front(&mut self, chunks: usize) -> Nodes {
        let rest = self.chunks.split_off(chunks);
        let mut front = Nodes { chunks: std::mem::replace(&mut self.chunks, rest), len: 0, bytes: 0 };
        for chunk in &front.chunks {
            front.len += chunk.len();
            front.bytes += chunk.bytes;
        }
        self.len -= front.len;
        self.bytes -= front.bytes;
        front
    }

    /// Adds another deque's nodes behind these, whatever their ids.
    pub(crate) fn adopt(&mut self, mut other: Nodes) {
        self.len += other.len;
        self.bytes += other.bytes;
        if self.chunks.is_empty() {
            self.chunks = other.chunks;
        } else {
            self.chunks.append(&mut other.chunks);
        }
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
        self.chunks.get(place.chunk)?.nodes.get(place.node)
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
        let chunk = self.chunks.partition_point(|chunk| chunk.last < id);
        let node = self.chunks.get(chunk).map_or(0, |chunk| chunk.nodes.partition_point(|node| node.last() < id));
        Place { chunk, node }
    }

    /// Changes the node at a place, and takes it out if it then has no entries.
    pub(crate) fn edit<T>(&mut self, place: Place, edit: impl FnOnce(&mut Node) -> T) -> T {
        let chunk = &mut self.chunks[place.chunk];
        let node = &mut chunk.nodes[place.node];
        let (bytes, live) = (node.external_bytes(), node.live() as u64);
        let result = edit(node);
        chunk.live = chunk.live + node.live() as u64 - live;
        chunk.bytes = chunk.bytes + node.external_bytes() - bytes;
        self.bytes = self.bytes + node.external_bytes() - bytes;
        let is_empty = node.live() == 0;
        chunk.follow_last();
        if is_empty {
            self.remove(place);
        }
        result
    }

    /// Takes the node at a place out.
    pub(crate) fn remove(&mut self, place: Place) -> Node {
        let chunk = &mut self.chunks[place.chunk];
        let node = chunk.nodes.remove(place.node).expect("there is a node at the place");
        chunk.live -= node.live() as u64;
        chunk.follow_last();
        chunk.bytes -= node.external_bytes();
        self.bytes -= node.external_bytes();
        self.len -= 1;
        if chunk.nodes.is_empty() {
            self.bytes -= chunk.bytes;
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
