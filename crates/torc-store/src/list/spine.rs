//! The inner nodes of a list, in order: chunks of up to 128 nodes, each with the number of its elements.
//!
//! ```text
//! chunks   | 9,000 elements | 65,536 elements | 512 elements |
//!               |                  |                 |
//!            nodes..            nodes..           nodes..
//! ```
//!
//! Both levels are deques, so nodes come and go at both ends in constant time. An element is found by counts, chunk after
//! chunk from the nearer end; a node in the middle comes or goes by moving at most a chunk's descriptors and half of the
//! chunks'. So all of it stays far below a millisecond for any number of nodes that fits memory.

use std::collections::VecDeque;

use super::limits::ListLimits;
use super::node::{End, Node};
use crate::pack::Packed;

/// Most nodes of a chunk.
const CHUNK_NODES_MAX: usize = 128;

#[derive(Debug, Default)]
struct Chunk {
    nodes: VecDeque<Node>,
    elements: usize,
}

/// Finds the node that holds the element of an index, and keeps the number of elements.
#[derive(Debug, Default)]
pub(super) struct Spine {
    chunks: VecDeque<Chunk>,
    /// Memory of the nodes' buffers and descriptors, without that of `chunks`.
    chunk_bytes: usize,
}

/// Where a node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct At {
    pub(super) chunk: usize,
    pub(super) node: usize,
}

impl Chunk {
    /// Memory of descriptors and buffers.
    fn bytes(&self) -> usize {
        let buffers: usize = self.nodes.iter().map(Node::capacity).sum();
        self.nodes.capacity() * size_of::<Node>() + buffers
    }

    /// Removes elements equal to `wanted`, see [`Node::remove_equal`].
    fn remove_equal(&mut self, wanted: Packed<'_>, max: usize, from: End, limits: ListLimits) -> usize {
        let mut removed = 0;
        let mut visit = |node: &mut Node| {
            if removed < max {
                removed += node.remove_equal(wanted, max - removed, from);
            }
        };
        match from {
            End::Front => self.nodes.iter_mut().for_each(&mut visit),
            End::Back => self.nodes.iter_mut().rev().for_each(&mut visit),
        }
        if removed > 0 {
            self.elements -= removed;
            self.tidy(limits);
        }
        removed
    }

    /// Drops empty nodes, joins small neighbours, gives room back.
    fn tidy(&mut self, limits: ListLimits) {
        let mut tidied: VecDeque<Node> = VecDeque::with_capacity(self.nodes.len());
        for mut node in self.nodes.drain(..).filter(|node| !node.is_empty()) {
            let joined = tidied.back_mut().is_some_and(|last| last.append(&node, limits));
            if !joined {
                node.shrink();
                tidied.push_back(node);
            }
        }
        tidied.shrink_to_fit();
        self.nodes = tidied;
    }
}

impl Spine {
    /// Whether there are no nodes.
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.chunks.is_empty()
    }

    /// Memory of all of it.
    pub(super) fn bytes(&self) -> usize {
        self.chunk_bytes + self.chunks.capacity() * size_of::<Chunk>()
    }

    /// Adds a node at an end.
    pub(super) fn push(&mut self, end: End, node: Node) {
        let chunk = match end {
            End::Front => self.chunks.front(),
            End::Back => self.chunks.back(),
        };
        if chunk.is_none_or(|chunk| chunk.nodes.len() == CHUNK_NODES_MAX) {
            match end {
                End::Front => self.chunks.push_front(Chunk::default()),
                End::Back => self.chunks.push_back(Chunk::default()),
            }
        }
        let chunk = self.end_mut(end).expect("made just now");
        let before = chunk.nodes.capacity();
        chunk.elements += node.len();
        let added = node.capacity();
        match end {
            End::Front => chunk.nodes.push_front(node),
            End::Back => chunk.nodes.push_back(node),
        }
        let grown = (chunk.nodes.capacity() - before) * size_of::<Node>();
        self.chunk_bytes += added + grown;
    }

    /// Takes a node from an end.
    pub(super) fn pop(&mut self, end: End) -> Option<Node> {
        let chunk = self.end_mut(end)?;
        let node = match end {
            End::Front => chunk.nodes.pop_front(),
            End::Back => chunk.nodes.pop_back(),
        };
        let node = node.expect("no chunk is empty");
        chunk.elements -= node.len();
        let (is_empty, descriptors) = (chunk.nodes.is_empty(), chunk.nodes.capacity() * size_of::<Node>());
        self.chunk_bytes -= node.capacity();
        if is_empty {
            self.chunk_bytes -= descriptors;
            self.pop_chunk(end);
        }
        Some(node)
    }

    /// Moves the whole chunk at an end to the other end of another spine, if it has at most `elements_max` elements; returns their number.
    pub(super) fn move_chunk(&mut self, end: End, elements_max: usize, to: &mut Spine) -> usize {
        let chunk = self.end_mut(end);
        let Some(elements) = chunk.map(|chunk| chunk.elements).filter(|&elements| elements <= elements_max) else {
            return 0;
        };
        let chunk = self.pop_chunk(end);
        let bytes = chunk.bytes();
        self.chunk_bytes -= bytes;
        to.chunk_bytes += bytes;
        match end {
            End::Front => to.chunks.push_back(chunk),
            End::Back => to.chunks.push_front(chunk),
        }
        elements
    }

    /// Of the `count` outermost elements at an end, how many are in nodes that have no others.
    pub(super) fn whole_nodes(&self, end: End, count: usize) -> usize {
        fn take<'a, T: 'a>(
            end: End,
            all: impl DoubleEndedIterator<Item = &'a T>,
            most: usize,
            len: impl Fn(&T) -> usize,
        ) -> (usize, Option<&'a T>) {
            let (mut taken, mut all) = (0, all);
            loop {
                match if end == End::Front { all.next() } else { all.next_back() } {
                    Some(next) if taken + len(next) <= most => taken += len(next),
                    next => return (taken, next),
                }
            }
        }
        let (taken, next) = take(end, self.chunks.iter(), count, |chunk| chunk.elements);
        taken + next.map_or(0, |chunk| take(end, chunk.nodes.iter(), count - taken, Node::len).0)
    }

    /// Where the element with this index is, and its index in its node; `len` is the number of all elements here.
    pub(super) fn locate(&self, index: usize, len: usize) -> (At, usize) {
        assert!(index < len, "the element is one of the inner ones");
        let (chunk, mut rest) = if index < len / 2 {
            let mut rest = index;
            let past = |chunk: &&Chunk| {
                let past = rest >= chunk.elements;
                rest -= if past { chunk.elements } else { 0 };
                past
            };
            (self.chunks.iter().take_while(past).count(), rest)
        } else {
            let (mut chunk, mut start) = (self.chunks.len(), len);
            while start > index {
                chunk -= 1;
                start -= self.chunks[chunk].elements;
            }
            (chunk, index - start)
        };
        let mut node = 0;
        for candidate in &self.chunks[chunk].nodes {
            if rest < candidate.len() {
                break;
            }
            rest -= candidate.len();
            node += 1;
        }
        (At { chunk, node }, rest)
    }

    pub(super) fn get(&self, at: At) -> &Node {
        &self.chunks[at.chunk].nodes[at.node]
    }

    /// The first or the last node's place.
    pub(super) fn end_at(&self, end: End) -> Option<At> {
        let chunk = match end {
            End::Front => 0,
            End::Back => self.chunks.len().checked_sub(1)?,
        };
        let nodes = &self.chunks.get(chunk)?.nodes;
        Some(At { chunk, node: if end == End::Front { 0 } else { nodes.len() - 1 } })
    }

    /// The place of the node beside this one, in the direction of an end.
    pub(super) fn beside(&self, at: At, toward: End) -> Option<At> {
        match toward {
            End::Back if at.node + 1 < self.chunks[at.chunk].nodes.len() => Some(At { node: at.node + 1, ..at }),
            End::Back => (at.chunk + 1 < self.chunks.len()).then_some(At { chunk: at.chunk + 1, node: 0 }),
            End::Front if at.node > 0 => Some(At { node: at.node - 1, ..at }),
            End::Front => {
                let chunk = at.chunk.checked_sub(1)?;
                Some(At { chunk, node: self.chunks[chunk].nodes.len() - 1 })
            }
        }
    }

    /// Changes a node, which does not become empty by it.
    pub(super) fn edit<T>(&mut self, at: At, change: impl FnOnce(&mut Node) -> T) -> T {
        let chunk = &mut self.chunks[at.chunk];
        let node = &mut chunk.nodes[at.node];
        let (len, capacity) = (node.len(), node.capacity());
        let result = change(node);
        assert!(!node.is_empty(), "no inner node is empty");
        chunk.elements = chunk.elements + node.len() - len;
        self.chunk_bytes = self.chunk_bytes + node.capacity() - capacity;
        result
    }

    /// Puts these nodes, none of them empty, in the place of one.
    pub(super) fn replace(&mut self, at: At, nodes: impl DoubleEndedIterator<Item = Node>) {
        let chunk = &mut self.chunks[at.chunk];
        self.chunk_bytes -= chunk.bytes();
        let old = chunk.nodes.remove(at.node).expect("the node is there");
        chunk.elements -= old.len();
        for node in nodes.rev() {
            chunk.elements += node.len();
            chunk.nodes.insert(at.node, node);
        }
        self.chunk_bytes += chunk.bytes();
        if chunk.nodes.len() > CHUNK_NODES_MAX {
            self.split_chunk(at.chunk);
        }
    }

    /// Removes elements equal to `wanted`, at most `max` of them, the first or the last ones. Returns their number.
    pub(super) fn remove_equal(&mut self, wanted: Packed<'_>, max: usize, from: End, limits: ListLimits) -> usize {
        let mut removed = 0;
        let mut visit = |chunk: &mut Chunk, bytes: &mut usize| {
            if removed < max {
                let before = chunk.bytes();
                removed += chunk.remove_equal(wanted, max - removed, from, limits);
                *bytes = *bytes - before + chunk.bytes();
            }
        };
        let bytes = &mut self.chunk_bytes;
        match from {
            End::Front => self.chunks.iter_mut().for_each(|chunk| visit(chunk, bytes)),
            End::Back => self.chunks.iter_mut().rev().for_each(|chunk| visit(chunk, bytes)),
        }
        if removed > 0 {
            // An empty chunk has no memory any more: `tidy` has shrunk it.
            self.chunks.retain(|chunk| !chunk.nodes.is_empty());
        }
        removed
    }

    /// Panics unless all counts are what they count; returns the number of elements.
    #[cfg(test)]
    pub(super) fn check(&self) -> usize {
        let bytes: usize = self.chunks.iter().map(Chunk::bytes).sum();
        assert_eq!(self.chunk_bytes, bytes);
        for chunk in &self.chunks {
            assert!(!chunk.nodes.is_empty() && chunk.nodes.len() <= CHUNK_NODES_MAX);
            assert!(chunk.nodes.iter().all(|node| !node.is_empty()));
            assert_eq!(chunk.elements, chunk.nodes.iter().map(Node::len).sum::<usize>());
        }
        self.chunks.iter().map(|chunk| chunk.elements).sum()
    }

    fn end_mut(&mut self, end: End) -> Option<&mut Chunk> {
        match end {
            End::Front => self.chunks.front_mut(),
            End::Back => self.chunks.back_mut(),
        }
    }

    fn pop_chunk(&mut self, end: End) -> Chunk {
        let chunk = match end {
            End::Front => self.chunks.pop_front(),
            End::Back => self.chunks.pop_back(),
        };
        if self.chunks.len() < self.chunks.capacity() / 4 {
            self.chunks.shrink_to(self.chunks.capacity() / 2);
        }
        chunk.expect("the caller has seen it")
    }

    fn split_chunk(&mut self, index: usize) {
        let chunk = &mut self.chunks[index];
        let before = chunk.bytes();
        let nodes = chunk.nodes.split_off(chunk.nodes.len() / 2);
        chunk.nodes.shrink_to_fit();
        let elements = nodes.iter().map(Node::len).sum();
        chunk.elements -= elements;
        let second = Chunk { nodes, elements };
        self.chunk_bytes = self.chunk_bytes - before + chunk.bytes() + second.bytes();
        self.chunks.insert(index + 1, second);
    }
}
