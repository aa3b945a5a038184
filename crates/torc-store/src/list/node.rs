//! A node of a list: a buffer with the elements of one [`Run`] in it.
//!
//! ```text
//!             start              end        capacity
//! | room ...... | run of elements | ...... room |
//! ```
//!
//! The first and the last node of a list have room where elements come and go, so that a push moves nothing else. Their
//! buffers double up to the limit for a node. What becomes an inner node gives its room back.
//!
//! A node begins uniform, with strings of one length. When something else comes while it is small, it becomes general;
//! when it is big, it is full for that element, which begins another node.

use super::limits::ListLimits;
use super::run::Run;
use crate::pack::{self, Packed};

/// The two ends of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Where the first element is: LEFT.
    Front,
    /// Where the last element is: RIGHT.
    Back,
}

/// Least capacity of a node that grows.
const CAPACITY_MIN: usize = 512;

/// One buffer of consecutive elements that can grow at both ends.
#[derive(Debug, Default)]
pub(super) struct Node {
    buffer: Box<[u8]>,
    start: u32,
    end: u32,
    len: u32,
    /// 0: general.
    stride: u32,
}

const _: () = assert!(size_of::<Node>() == 32);

impl Node {
    /// A node without room.
    pub(super) fn of_run(run: Run<'_>) -> Node {
        Node {
            buffer: run.bytes().into(),
            start: 0,
            end: narrow(run.bytes().len()),
            len: narrow(run.len()),
            stride: narrow(run.stride()),
        }
    }

    #[inline]
    pub(super) fn run(&self) -> Run<'_> {
        Run::new(&self.buffer[self.start as usize..self.end as usize], self.stride as usize, self.len())
    }

    /// Number of elements.
    #[inline]
    pub(super) fn len(&self) -> usize {
        self.len as usize
    }

    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Bytes of its memory.
    #[inline]
    pub(super) fn capacity(&self) -> usize {
        self.buffer.len()
    }

    /// Bytes of its elements.
    #[inline]
    fn used(&self) -> usize {
        (self.end - self.start) as usize
    }

    /// Adds an element at an end. False: it is full for this element.
    #[inline]
    pub(super) fn push(&mut self, end: End, element: Packed<'_>, limits: ListLimits) -> bool {
        if self.is_empty() {
            self.begin(element);
        }
        let Some(size) = self.size_of(element) else {
            return self.generalize(element, limits) && self.push(end, element, limits);
        };
        if !self.is_empty() && !limits.allow(self.used() + size, self.len() + 1) {
            return false;
        }
        if !self.make_room(end, size, limits) {
            return false;
        }
        let size = size as u32;
        let at = match end {
            End::Front => {
                self.start -= size;
                self.start
            }
            End::Back => {
                self.end += size;
                self.end - size
            }
        };
        write(&mut self.buffer[at as usize..(at + size) as usize], self.stride as usize, element);
        self.len += 1;
        true
    }

    /// Takes the element at an end out, after `visit` has seen it. Panics if there is none.
    #[inline]
    pub(super) fn pop<T>(&mut self, end: End, visit: impl FnOnce(Packed<'_>) -> T) -> T {
        assert!(!self.is_empty(), "an empty node has nothing to pop");
        let run = self.run();
        let (result, size) = match end {
            End::Front => {
                let (element, next) = run.read(0);
                (visit(element), next)
            }
            End::Back => {
                let at = run.previous(run.bytes().len());
                (visit(run.read(at).0), run.bytes().len() - at)
            }
        };
        match end {
            End::Front => self.start += size as u32,
            End::Back => self.end -= size as u32,
        }
        self.len -= 1;
        result
    }

    /// Drops `count` elements at an end, at most all.
    pub(super) fn drop_elements(&mut self, end: End, count: usize) {
        let run = self.run();
        match end {
            End::Front => self.start += run.offset_of(count) as u32,
            End::Back => self.end = self.start + run.offset_of(run.len() - count) as u32,
        }
        self.len -= narrow(count);
    }

    /// Gives room back where that is worth a copy.
    pub(super) fn shrink(&mut self) {
        if self.capacity() - self.used() > self.capacity() / 8 {
            *self = Node::of_run(self.run());
        }
    }

    /// Replaces `removed` elements (0 or 1) from `index` on by this one. False: the node would become too big, or is of
    /// another layout; nothing was done.
    pub(super) fn splice(&mut self, index: usize, removed: usize, element: Packed<'_>, limits: ListLimits) -> bool {
        let run = self.run();
        if run.len() == removed {
            *self = Node::of_one(element);
            return true;
        }
        let len = run.len() - removed + 1;
        let Some(size) = self.size_of(element) else {
            let bytes = run.packed_len() + element.packed_len();
            if !limits.allow(bytes, len) {
                return false;
            }
            self.become_general();
            return self.splice(index, removed, element, limits);
        };
        let at = run.offset_of(index);
        let rest = if removed > 0 { run.read(at).1 } else { at };
        let bytes = run.bytes().len() - (rest - at) + size;
        if rest - at == size {
            let at = self.start as usize + at;
            write(&mut self.buffer[at..at + size], self.stride as usize, element);
            return true;
        }
        if !limits.allow(bytes, len) {
            return false;
        }
        let mut buffer = Vec::with_capacity(bytes);
        buffer.extend_from_slice(&run.bytes()[..at]);
        buffer.resize(at + size, 0);
        write(&mut buffer[at..], self.stride as usize, element);
        buffer.extend_from_slice(&run.bytes()[rest..]);
        let stride = self.stride;
        *self = Node { buffer: buffer.into(), start: 0, end: narrow(bytes), len: narrow(len), stride };
        true
    }

    /// Removes the elements equal to `wanted`, at most `max` of them, the first or the last ones. Returns their number.
    pub(super) fn remove_equal(&mut self, wanted: Packed<'_>, max: usize, from: End) -> usize {
        let run = self.run();
        if !run.may_hold(wanted) {
            return 0;
        }
        let found = run.iter().filter(|element| *element == wanted).count();
        let removed = found.min(max);
        if removed == 0 {
            return 0;
        }
        let mut kept = if from == End::Back { found - removed } else { 0 };
        let (start, total) = (self.start as usize, run.bytes().len());
        let (mut read, mut write, mut left) = (0, 0, removed);
        while read < total {
            let (element, next) = self.run_to(start, total).read(read);
            if left > 0 && element == wanted && kept == 0 {
                left -= 1;
            } else {
                kept -= usize::from(kept > 0 && element == wanted);
                self.buffer.copy_within(start + read..start + next, start + write);
                write += next - read;
            }
            read = next;
        }
        self.end = narrow(start + write);
        self.len -= narrow(removed);
        removed
    }

    /// Appends the elements of another node. False: they do not fit, or are laid out otherwise.
    pub(super) fn append(&mut self, other: &Node, limits: ListLimits) -> bool {
        let same = self.stride == other.stride;
        if !same || !limits.allow(self.used() + other.used(), self.len() + other.len()) {
            return false;
        }
        let bytes = [self.run().bytes(), other.run().bytes()].concat();
        *self = Node::of_run(Run::new(&bytes, self.stride as usize, self.len() + other.len()));
        true
    }

    /// A node of one element, without room.
    pub(super) fn of_one(element: Packed<'_>) -> Node {
        let mut node = Node::default();
        node.begin(element);
        let size = node.size_of(element).expect("the layout is made for it");
        node.buffer = vec![0; size].into();
        write(&mut node.buffer, node.stride as usize, element);
        (node.end, node.len) = (narrow(size), 1);
        node
    }

    fn run_to(&self, start: usize, total: usize) -> Run<'_> {
        Run::new(&self.buffer[start..start + total], self.stride as usize, 0)
    }

    /// The layout for a first element.
    fn begin(&mut self, element: Packed<'_>) {
        (self.start, self.end) = (0, 0);
        self.stride = match element {
            Packed::Bytes(bytes) => narrow(bytes.len()),
            Packed::Integer(_) => 0,
        };
    }

    /// Bytes of an element in this layout; `None`: it has no place in it.
    #[inline]
    fn size_of(&self, element: Packed<'_>) -> Option<usize> {
        match (self.stride as usize, element) {
            (0, _) => Some(element.packed_len()),
            (stride, Packed::Bytes(bytes)) if bytes.len() == stride => Some(stride),
            _ => None,
        }
    }

    /// Makes a uniform node that is small general, for the sake of this element. False: it is too big.
    #[cold]
    fn generalize(&mut self, element: Packed<'_>, limits: ListLimits) -> bool {
        let fits = limits.allow(self.run().packed_len() + element.packed_len(), self.len() + 1);
        let small = self.run().packed_len() <= limits.bytes / 2;
        if fits && small {
            self.become_general();
        }
        fits && small
    }

    fn become_general(&mut self) {
        let mut bytes = Vec::with_capacity(self.run().packed_len());
        for element in self.run().iter() {
            pack::push(&mut bytes, element);
        }
        *self = Node { end: narrow(bytes.len()), buffer: bytes.into(), start: 0, len: self.len, stride: 0 };
    }

    /// Makes room for `size` bytes at an end. Returns false when the node has its most bytes: the caller begins another.
    #[inline]
    fn make_room(&mut self, end: End, size: usize, limits: ListLimits) -> bool {
        let room = match end {
            End::Front => self.start as usize,
            End::Back => self.capacity() - self.end as usize,
        };
        room >= size || self.make_room_slowly(end, size, limits)
    }

    #[cold]
    fn make_room_slowly(&mut self, end: End, size: usize, limits: ListLimits) -> bool {
        let (used, capacity) = (self.used(), self.capacity());
        let (start, stop) = (self.start as usize, self.end as usize);
        let free = capacity - used;
        // A move is paid for by the room it makes.
        if free >= size && free >= used / 4 {
            let to = if end == End::Front { free } else { 0 };
            self.buffer.copy_within(start..stop, to);
            (self.start, self.end) = (narrow(to), narrow(to + used));
            return true;
        }
        let needed = used + size;
        if capacity >= limits.bytes && !self.is_empty() {
            return false;
        }
        let new_capacity = (2 * needed).clamp(CAPACITY_MIN, limits.bytes).max(needed);
        let mut buffer = vec![0; new_capacity].into_boxed_slice();
        let to = if end == End::Front { new_capacity - used } else { 0 };
        buffer[to..to + used].copy_from_slice(&self.buffer[start..stop]);
        (self.start, self.end) = (narrow(to), narrow(to + used));
        self.buffer = buffer;
        true
    }
}

/// Writes an element over as many bytes as it takes in this layout.
#[inline]
fn write(to: &mut [u8], stride: usize, element: Packed<'_>) {
    match (stride, element) {
        (0, _) => pack::write(to, element),
        (_, Packed::Bytes(bytes)) => to.copy_from_slice(bytes),
        (_, Packed::Integer(_)) => unreachable!("integers are in general nodes"),
    }
}

#[inline]
fn narrow(size: usize) -> u32 {
    u32::try_from(size).expect("elements come in requests of less than 4 GiB")
}

impl End {
    /// The opposite end.
    #[inline]
    pub fn other(self) -> End {
        match self {
            End::Front => End::Back,
            End::Back => End::Front,
        }
    }
}
