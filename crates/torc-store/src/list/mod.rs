//! Lists: strings in an order, long ones as a deque of nodes.
//!
//! ```text
//! face     ListRef, ListMut: a list whatever its form      limits   how big a node may become
//! list     List: first node | inner nodes | last node      walk     from run to run
//! spine    the inner nodes, in chunks that count           node     one buffer with elements
//! run      how elements lie in memory
//!
//!   push, pop -> | .. first |  | inner | inner | inner |  | last .. | <- push, pop
//! ```
//!
//! While there are inner nodes, neither the first nor the last node is empty; so the elements at the ends are always in them,
//! or in the other of the two. Inner nodes have no room. A short list is a pack inside its entry.

mod face;
mod limits;
mod node;
mod run;
mod spine;
#[cfg(test)]
mod tests;
mod walk;

pub use face::{ListMut, ListRef, build_list, create_list, create_list_object};
pub use limits::ListLimits;
pub use node::End;
pub use run::{Elements as RunElements, Run};
pub use walk::Runs;

use node::Node;
use spine::{At, Spine};

use crate::pack::Packed;

/// A list in object form.
#[derive(Debug, Default)]
pub struct List {
    first: Node,
    inner: Spine,
    last: Node,
    len: usize,
}

/// Where a node is.
#[derive(Clone, Copy, Debug)]
enum Place {
    First,
    Inner(At),
    Last,
}

impl List {
    /// Number of elements.
    #[inline]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Adds an element at an end.
    #[inline]
    pub fn push(&mut self, end: End, element: Packed<'_>, limits: ListLimits) {
        self.len += 1;
        if !self.end_mut(end).push(end, element, limits) {
            self.push_to_new(end, element, limits);
        }
    }

    #[cold]
    fn push_to_new(&mut self, end: End, element: Packed<'_>, limits: ListLimits) {
        let mut full = std::mem::take(self.end_mut(end));
        full.shrink();
        let other = self.end_mut(end.other());
        if other.is_empty() {
            *other = full;
        } else {
            self.inner.push(end, full);
        }
        let pushed = self.end_mut(end).push(end, element, limits);
        assert!(pushed, "an empty node takes any element");
    }

    /// Takes the element at an end out, after `visit` has seen it. Panics if there is none.
    #[inline]
    pub fn pop<T>(&mut self, end: End, visit: impl FnOnce(Packed<'_>) -> T) -> T {
        let node = self.outermost_mut(end);
        let result = node.pop(end, visit);
        let is_empty = node.is_empty();
        self.len -= 1;
        if is_empty {
            self.settle();
        }
        result
    }

    /// Drops `count` elements at an end, at most all; nodes and chunks that held no others go to `gone`, to be freed in
    /// slices.
    pub(crate) fn drop_elements(&mut self, end: End, count: usize, gone: &mut List) {
        assert!(count <= self.len, "there are only {} elements", self.len);
        let mut left = count;
        while left > 0 {
            let node = self.outermost_mut(end);
            let here = node.len().min(left);
            if here == node.len() {
                let node = std::mem::take(node);
                gone.inner.push(end.other(), node);
                gone.len += here;
            } else {
                node.drop_elements(end, here);
            }
            left -= here;
            loop {
                let moved = self.inner.move_chunk(end, left, &mut gone.inner);
                left -= moved;
                gone.len += moved;
                if moved == 0 {
                    break;
                }
            }
            self.settle();
        }
        self.len -= count;
        gone.settle();
    }

    /// Of the `count` outermost elements at an end, how many [`List::drop_elements`] gives to another list.
    pub(crate) fn whole_nodes(&self, end: End, count: usize) -> usize {
        let (near, far) = match end {
            End::Front => (self.first.len(), self.last.len()),
            End::Back => (self.last.len(), self.first.len()),
        };
        if count < near {
            return 0;
        }
        let inner = self.inner.whole_nodes(end, count - near);
        let is_all = near + inner + far == self.len && count == self.len;
        near + inner + if is_all { far } else { 0 }
    }

    /// `count` elements from `start` on, run by run. Panics if there are not so many.
    pub(crate) fn runs(&self, start: usize, count: usize) -> Runs<'_> {
        Runs::of_list(self, start, count)
    }

    /// The element with this index. Panics if there is none.
    pub fn get(&self, index: usize) -> Packed<'_> {
        let (place, index) = self.locate(index);
        self.node(place).run().get(index)
    }

    /// Replaces the element with this index. Panics if there is none.
    pub fn set(&mut self, index: usize, element: Packed<'_>, limits: ListLimits) {
        let (place, index) = self.locate(index);
        self.splice(place, index, 1, element, limits);
    }

    /// Puts an element before the one with this index, or behind the last.
    pub fn insert(&mut self, index: usize, element: Packed<'_>, limits: ListLimits) {
        if index == 0 {
            return self.push(End::Front, element, limits);
        }
        if index == self.len {
            return self.push(End::Back, element, limits);
        }
        let (place, index) = self.locate(index);
        self.splice(place, index, 0, element, limits);
        self.len += 1;
    }

    /// Removes the elements equal to `wanted`, at most `max` of them, the first or the last ones. Returns their number.
    pub fn remove_equal(&mut self, wanted: Packed<'_>, max: usize, from: End, limits: ListLimits) -> usize {
        let mut removed = self.end_mut(from).remove_equal(wanted, max, from);
        if removed < max {
            removed += self.inner.remove_equal(wanted, max - removed, from, limits);
        }
        if removed < max {
            removed += self.end_mut(from.other()).remove_equal(wanted, max - removed, from);
        }
        self.len -= removed;
        self.settle();
        removed
    }

    /// Whether it has become so small, but not empty, that it is to be a pack again.
    #[inline]
    pub(crate) fn is_small(&self, limits: ListLimits) -> bool {
        self.inner.is_empty() && self.is_small_without_inner(limits)
    }

    fn is_small_without_inner(&self, limits: ListLimits) -> bool {
        let bytes = self.first.run().packed_len() + self.last.run().packed_len();
        self.len > 0 && limits.want_pack(bytes, self.len)
    }

    /// Bytes of memory besides the struct itself.
    #[inline]
    pub(crate) fn external_bytes(&self) -> usize {
        self.first.capacity() + self.inner.bytes() + self.last.capacity()
    }

    /// Frees a slice of it. True: nothing is left.
    pub(crate) fn dismantle(&mut self) -> bool {
        let mut freed_bytes = 0;
        for _ in 0..NODES_FREED_AT_ONCE {
            let Some(node) = self.inner.pop(End::Back) else { break };
            freed_bytes += node.capacity();
            if freed_bytes > BYTES_FREED_AT_ONCE {
                return false;
            }
        }
        if !self.inner.is_empty() {
            return false;
        }
        // The outer ones last, one at a time: either may be a single element of any size.
        let last = std::mem::take(&mut self.last);
        if last.capacity() > BYTES_FREED_AT_ONCE {
            return false;
        }
        *self = List::default();
        true
    }

    /// Puts `element` in the place of `removed` elements (0 or 1) of a node, which is split where it cannot take it.
    fn splice(&mut self, place: Place, index: usize, removed: usize, element: Packed<'_>, limits: ListLimits) {
        let done = match place {
            Place::First => self.first.splice(index, removed, element, limits),
            Place::Last => self.last.splice(index, removed, element, limits),
            Place::Inner(at) => self.inner.edit(at, |node| node.splice(index, removed, element, limits)),
        };
        if done {
            return;
        }
        let run = self.node(place).run();
        let mut before = Node::of_run(run.part(0..index));
        let mut behind = Node::of_run(run.part(index + removed..run.len()));
        let mut between = Node::default();
        let placed = (!before.is_empty() && before.push(End::Back, element, limits))
            || (!behind.is_empty() && behind.push(End::Front, element, limits));
        if !placed {
            between = Node::of_one(element);
        }
        let mut parts = [before, between, behind].into_iter().filter(|node| !node.is_empty());
        match place {
            Place::Inner(at) => self.inner.replace(at, parts.map(shrunk).collect::<Vec<_>>().into_iter()),
            Place::First => {
                self.first = parts.next().expect("an element was put in");
                parts.rev().for_each(|node| self.inner.push(End::Front, shrunk(node)));
            }
            Place::Last => {
                self.last = parts.next_back().expect("an element was put in");
                parts.for_each(|node| self.inner.push(End::Back, shrunk(node)));
            }
        }
        self.settle();
    }

    /// Fills an end that has become empty from the inner nodes.
    #[cold]
    fn settle(&mut self) {
        for end in [End::Front, End::Back] {
            if !self.end_mut(end).is_empty() {
                continue;
            }
            if let Some(node) = self.inner.pop(end) {
                *self.end_mut(end) = node;
            } else if self.end_mut(end).capacity() > EMPTY_CAPACITY_MAX {
                *self.end_mut(end) = Node::default();
            }
        }
    }

    #[inline]
    fn end_mut(&mut self, end: End) -> &mut Node {
        match end {
            End::Front => &mut self.first,
            End::Back => &mut self.last,
        }
    }

    /// The node with the element at an end.
    #[inline]
    fn outermost_mut(&mut self, end: End) -> &mut Node {
        let end = if self.end_mut(end).is_empty() { end.other() } else { end };
        self.end_mut(end)
    }

    fn locate(&self, index: usize) -> (Place, usize) {
        assert!(index < self.len, "the list has {} elements", self.len);
        let (first, last) = (self.first.len(), self.last.len());
        if index < first {
            return (Place::First, index);
        }
        if index >= self.len - last {
            return (Place::Last, index - (self.len - last));
        }
        let (at, index) = self.inner.locate(index - first, self.len - first - last);
        (Place::Inner(at), index)
    }

    /// Panics unless all counts and the arrangement of nodes are right.
    #[cfg(test)]
    fn check(&self) {
        let inner = self.inner.check();
        assert_eq!(self.len, self.first.len() + inner + self.last.len());
        assert!(inner == 0 || !self.first.is_empty() && !self.last.is_empty());
    }

    fn node(&self, place: Place) -> &Node {
        match place {
            Place::First => &self.first,
            Place::Last => &self.last,
            Place::Inner(at) => self.inner.get(at),
        }
    }

    /// The outermost place, whose node may be empty.
    fn end_place(end: End) -> Place {
        if end == End::Front { Place::First } else { Place::Last }
    }

    /// The place beside this one, in the direction of an end.
    fn beside(&self, place: Place, toward: End) -> Option<Place> {
        let inner = match (place, toward) {
            (Place::First, End::Front) | (Place::Last, End::Back) => return None,
            (Place::First, End::Back) | (Place::Last, End::Front) => self.inner.end_at(toward.other()),
            (Place::Inner(at), _) => self.inner.beside(at, toward),
        };
        Some(inner.map_or(List::end_place(toward), Place::Inner))
    }
}

/// Most bytes of a buffer that an empty node keeps.
const EMPTY_CAPACITY_MAX: usize = 8 << 10;
/// Nodes that a slice of freeing takes.
const NODES_FREED_AT_ONCE: usize = 64;
/// It ends earlier when it has freed more bytes than these.
const BYTES_FREED_AT_ONCE: usize = 1 << 20;

fn shrunk(mut node: Node) -> Node {
    node.shrink();
    node
}
