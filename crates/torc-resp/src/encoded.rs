//! An encoded reply that is to become a part of another one, wherever its bytes lie: in one piece, or in a chain.
//!
//! In a chain, the head of each value lies in one piece, since it is written at once; only the payload of a long string may be apart.

use std::borrow::Cow;
use std::ops::Range;

use crate::output::OutputBuffer;
use crate::reader::{self, Head};
use crate::reply::Reply;

/// Bytes that encode a value, or several one behind another.
#[derive(Clone, Debug)]
pub enum Encoded<'a> {
    /// In one piece.
    Slice(&'a [u8]),
    /// This range of a chain.
    Chain(&'a OutputBuffer, Range<usize>),
}

impl<'a> Encoded<'a> {
    /// All of a buffer.
    pub fn all(buffer: &'a OutputBuffer) -> Self {
        buffer.as_slice().map_or_else(|| Encoded::Chain(buffer, 0..buffer.len()), Encoded::Slice)
    }

    /// Number of bytes.
    pub fn len(&self) -> usize {
        match self {
            Encoded::Slice(bytes) => bytes.len(),
            Encoded::Chain(_, range) => range.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The bytes, copied if they do not lie in one piece.
    pub fn to_cow(&self) -> Cow<'a, [u8]> {
        match self {
            Encoded::Slice(bytes) => Cow::Borrowed(bytes),
            Encoded::Chain(buffer, range) => buffer.range(range.clone()),
        }
    }

    /// Appends the bytes to a reply; what is long is shared.
    pub fn write(&self, reply: &mut Reply<'_>) {
        match self {
            Encoded::Slice(bytes) => reply.raw(bytes),
            Encoded::Chain(buffer, range) => reply.buffer().append_range(buffer, range.clone()),
        }
    }

    /// The elements of an array, set, push or map; see [`reader::Elements`]. `None` when it is none of them, or a null one, or cut.
    pub fn elements(&self) -> Option<impl ExactSizeIterator<Item = Encoded<'a>> + Clone + use<'a>> {
        let head = self.head()?;
        if !matches!(self.at(0)?, b'*' | b'~' | b'>' | b'%') || self.at(1)? == b'-' {
            return None;
        }
        let rest = self.part(head.end..self.len());
        Some(Elements { rest, remaining: usize::try_from(head.children).ok()? })
    }

    /// Takes the first value off; panics when there is none.
    pub fn split_first(&mut self) -> Encoded<'a> {
        let len = match self {
            Encoded::Slice(bytes) => reader::reply_len(bytes).and_then(Result::ok),
            Encoded::Chain(buffer, range) => value_len(buffer, range.start),
        };
        let len = len.filter(|&len| len <= self.len()).expect("a value is there as a whole");
        let first = self.part(0..len);
        *self = self.part(len..self.len());
        first
    }

    /// The content of a string; panics for every other value.
    pub fn bulk(&self) -> Encoded<'a> {
        let head = self.head().expect("a string has a head");
        assert!(self.at(0) == Some(b'$') && head.end == self.len(), "a string, and nothing behind it");
        let line = self.part(0..self.len().min(32)).to_cow();
        let line_len = line.iter().position(|&byte| byte == b'\n').expect("the head is a line") + 1;
        self.part(line_len..self.len() - 2)
    }

    fn part(&self, part: Range<usize>) -> Encoded<'a> {
        match self {
            Encoded::Slice(bytes) => Encoded::Slice(&bytes[part]),
            Encoded::Chain(buffer, range) => Encoded::Chain(buffer, range.start + part.start..range.start + part.end),
        }
    }

    fn head(&self) -> Option<Head> {
        match self {
            Encoded::Slice(bytes) => Head::read(bytes, 0)?.ok(),
            Encoded::Chain(buffer, range) => Head::read(buffer.piece_at(range.start)?, 0)?.ok(),
        }
    }

    fn at(&self, position: usize) -> Option<u8> {
        match self {
            Encoded::Slice(bytes) => bytes.get(position).copied(),
            Encoded::Chain(buffer, range) => buffer.piece_at(range.start)?.get(position).copied(),
        }
    }
}

#[derive(Clone)]
struct Elements<'a> {
    rest: Encoded<'a>,
    remaining: usize,
}

impl<'a> Iterator for Elements<'a> {
    type Item = Encoded<'a>;

    fn next(&mut self) -> Option<Encoded<'a>> {
        self.remaining = self.remaining.checked_sub(1)?;
        Some(self.rest.split_first())
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.remaining, Some(self.remaining))
    }
}

impl ExactSizeIterator for Elements<'_> {}

/// The length of the value that begins at an offset of a chain; `None` when it is no whole value.
fn value_len(buffer: &OutputBuffer, start: usize) -> Option<usize> {
    let (mut pending, mut position) = (1_u64, start);
    while pending > 0 {
        let head = Head::read(buffer.piece_at(position)?, 0)?.ok()?;
        position += head.end;
        pending = pending.checked_add(head.children)? - 1;
    }
    Some(position - start)
}
