//! Consecutive elements as they lie in memory, to be read: the content of a node, of a pack, or a part of either.
//!
//! ```text
//! uniform   | 16 bytes | 16 bytes | 16 bytes |        strings of one length, which is the stride; none is empty
//! general   | head data back | head data back |       as in a pack, see `crate::pack`; the stride is 0
//! ```
//!
//! A uniform run has no bytes but those of its elements, and its n-th element is found without looking at the others.

use std::ops::Range;

use crate::pack::{self, Pack, Packed};

/// Borrowed consecutive elements; copying it copies no element.
#[derive(Clone, Copy, Debug)]
pub struct Run<'a> {
    bytes: &'a [u8],
    stride: usize,
    len: usize,
}

/// A step through a run.
#[derive(Clone, Copy, Debug)]
pub struct Elements<'a> {
    bytes: &'a [u8],
    stride: usize,
    offset: usize,
}

/// A step through a run from its end.
#[derive(Clone, Copy, Debug)]
pub struct ElementsBack<'a> {
    bytes: &'a [u8],
    stride: usize,
    end: usize,
}

impl<'a> Run<'a> {
    /// No elements.
    pub(super) const EMPTY: Run<'static> = Run { bytes: &[], stride: 0, len: 0 };

    pub(super) fn new(bytes: &'a [u8], stride: usize, len: usize) -> Run<'a> {
        Run { bytes, stride, len }
    }

    pub(super) fn of_pack(pack: Pack<'a>) -> Run<'a> {
        Run { bytes: pack.body(), stride: 0, len: pack.len() }
    }

    /// Number of elements.
    pub fn len(self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(self) -> bool {
        self.len == 0
    }

    /// If all elements are strings of one length, that length; [`Run::bytes`] then are the strings one after another.
    pub fn uniform_len(self) -> Option<usize> {
        (self.stride > 0).then_some(self.stride)
    }

    /// The bytes of all elements.
    pub fn bytes(self) -> &'a [u8] {
        self.bytes
    }

    pub(super) fn stride(self) -> usize {
        self.stride
    }

    /// Offset of the element with this index, which may be the count.
    pub(super) fn offset_of(self, index: usize) -> usize {
        assert!(index <= self.len, "the run has {} elements", self.len);
        if self.stride > 0 {
            return index * self.stride;
        }
        if index <= self.len / 2 {
            (0..index).fold(0, |offset, _| pack::read(self.bytes, offset).1)
        } else {
            (index..self.len).fold(self.bytes.len(), |offset, _| pack::previous(self.bytes, offset))
        }
    }

    /// The elements with these indexes.
    pub(super) fn part(self, indexes: Range<usize>) -> Run<'a> {
        if indexes == (0..self.len) {
            return self;
        }
        let start = self.offset_of(indexes.start);
        let end = if indexes.len() < self.len - indexes.end {
            (0..indexes.len()).fold(start, |offset, _| self.read(offset).1)
        } else {
            self.offset_of(indexes.end)
        };
        Run { bytes: &self.bytes[start..end], stride: self.stride, len: indexes.len() }
    }

    /// The element at an offset, and the offset behind it.
    #[inline]
    pub(super) fn read(self, offset: usize) -> (Packed<'a>, usize) {
        read(self.bytes, self.stride, offset)
    }

    /// Offset of the element before this offset.
    #[inline]
    pub(super) fn previous(self, offset: usize) -> usize {
        if self.stride > 0 { offset - self.stride } else { pack::previous(self.bytes, offset) }
    }

    /// The element with this index.
    pub(super) fn get(self, index: usize) -> Packed<'a> {
        assert!(index < self.len, "the run has {} elements", self.len);
        self.read(self.offset_of(index)).0
    }

    /// Whether an element can be in it at all, by the layout.
    pub(super) fn may_hold(self, wanted: Packed<'_>) -> bool {
        self.stride == 0 || matches!(wanted, Packed::Bytes(bytes) if bytes.len() == self.stride)
    }

    /// The elements from the first on.
    #[inline]
    pub fn iter(self) -> Elements<'a> {
        Elements { bytes: self.bytes, stride: self.stride, offset: 0 }
    }

    /// The elements from the last on.
    #[inline]
    pub(super) fn iter_back(self) -> ElementsBack<'a> {
        ElementsBack { bytes: self.bytes, stride: self.stride, end: self.bytes.len() }
    }

    /// Bytes the elements take in a pack.
    pub(super) fn packed_len(self) -> usize {
        match self.stride {
            0 => self.bytes.len(),
            stride => Packed::Bytes(&self.bytes[..stride.min(self.bytes.len())]).packed_len() * self.len,
        }
    }
}

#[inline]
fn read(bytes: &[u8], stride: usize, offset: usize) -> (Packed<'_>, usize) {
    match stride {
        0 => pack::read(bytes, offset),
        stride => (Packed::Bytes(&bytes[offset..offset + stride]), offset + stride),
    }
}

impl<'a> Iterator for Elements<'a> {
    type Item = Packed<'a>;

    #[inline]
    fn next(&mut self) -> Option<Packed<'a>> {
        if self.offset >= self.bytes.len() {
            return None;
        }
        let (element, next) = read(self.bytes, self.stride, self.offset);
        self.offset = next;
        Some(element)
    }
}

impl<'a> Iterator for ElementsBack<'a> {
    type Item = Packed<'a>;

    #[inline]
    fn next(&mut self) -> Option<Packed<'a>> {
        if self.end == 0 {
            return None;
        }
        let run = Run { bytes: self.bytes, stride: self.stride, len: 0 };
        self.end = run.previous(self.end);
        Some(run.read(self.end).0)
    }
}
