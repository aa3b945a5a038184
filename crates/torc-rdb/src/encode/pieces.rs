//! Collections that are written in pieces: the type, the key and the number of elements first, and then the elements in as
//! many calls as the caller likes, into whatever buffers it has by then.
//!
//! ```text
//!   Encoder::begin_hash(1_000_000, None) --> type, key, count;  HashPieces
//!   HashPieces::add(out, name, value, None) * 1_000_000, over many turns
//!   HashPieces::finish()
//! ```
//! Nothing of others may come between the pieces of a value in the file. Layouts are those without packing, which every
//! reader of RDB knows; servers pack small ones again when they load them. Each count must be met: a file with a wrong one is
//! lost, so that is asserted.

use super::Encoder;
use crate::output::{write_number, write_string};
use crate::{VERSION_FIELD_EXPIRY, types};

/// A string whose bytes follow, uncompressed.
#[derive(Debug)]
#[must_use = "a string without its end is no value"]
pub struct StringPieces {
    left: u64,
}

/// A list whose elements follow, head first.
#[derive(Debug)]
#[must_use = "a list without its end is no value"]
pub struct ListPieces {
    left: Left,
}

/// A set whose members follow in any order.
#[derive(Debug)]
#[must_use = "a set without its end is no value"]
pub struct SetPieces {
    left: Left,
}

/// A sorted set whose members follow: highest first is what Redis loads fastest.
#[derive(Debug)]
#[must_use = "a sorted set without its end is no value"]
pub struct SortedSetPieces {
    left: Left,
}

/// A hash whose fields follow in any order.
#[derive(Debug)]
#[must_use = "a hash without its end is no value"]
pub struct HashPieces {
    left: Left,
    /// What the times at which fields expire are relative to; `None`: no field expires.
    earliest: Option<i64>,
}

/// Elements that must still come, and how their strings are written.
#[derive(Debug)]
struct Left {
    elements: u64,
    compress: bool,
}

impl Encoder<'_> {
    /// Begins a string of so many bytes.
    pub fn begin_string(&mut self, len: u64) -> StringPieces {
        self.begin(types::STRING);
        write_number(self.out, len);
        StringPieces { left: len }
    }

    /// Begins a list of so many elements, at least one.
    pub fn begin_list(&mut self, elements: u64) -> ListPieces {
        ListPieces { left: self.begin_elements(types::LIST, elements) }
    }

    /// Begins a set of so many members, at least one.
    pub fn begin_set(&mut self, members: u64) -> SetPieces {
        SetPieces { left: self.begin_elements(types::SET, members) }
    }

    /// Begins a sorted set of so many members, at least one.
    pub fn begin_sorted_set(&mut self, members: u64) -> SortedSetPieces {
        SortedSetPieces { left: self.begin_elements(types::ZSET_2, members) }
    }

    /// Begins a hash of so many fields, at least one. `earliest`: when the first of them expires (Unix milliseconds, above 0),
    /// or any time before; with it the hash is of version 12, as in [`Encoder::hash`].
    pub fn begin_hash(&mut self, fields: u64, earliest: Option<i64>) -> HashPieces {
        let left = match earliest {
            None => self.begin_elements(types::HASH, fields),
            Some(earliest) => {
                self.version = self.version.max(VERSION_FIELD_EXPIRY);
                self.begin(types::HASH_METADATA);
                self.out.extend(earliest.to_le_bytes());
                write_number(self.out, fields);
                Left { elements: fields, compress: self.options.compress }
            }
        };
        HashPieces { left, earliest }
    }

    fn begin_elements(&mut self, kind: u8, elements: u64) -> Left {
        self.begin(kind);
        write_number(self.out, elements);
        Left { elements, compress: self.options.compress }
    }
}

impl Left {
    fn take(&mut self) {
        self.elements = self.elements.checked_sub(1).expect("so many elements were announced");
    }

    fn write(&self, out: &mut Vec<u8>, string: &[u8]) {
        write_string(out, string, self.compress);
    }

    fn finish(&self) {
        assert_eq!(self.elements, 0, "elements that were announced are missing");
    }
}

impl StringPieces {
    /// The next bytes.
    pub fn add(&mut self, out: &mut Vec<u8>, bytes: &[u8]) {
        self.left = self.left.checked_sub(bytes.len() as u64).expect("so many bytes were announced");
        out.extend_from_slice(bytes);
    }

    /// Nothing more comes.
    ///
    /// # Panics
    /// Bytes are missing.
    pub fn finish(self) {
        assert_eq!(self.left, 0, "bytes that were announced are missing");
    }
}

impl ListPieces {
    /// The next element.
    pub fn add(&mut self, out: &mut Vec<u8>, element: &[u8]) {
        self.left.take();
        self.left.write(out, element);
    }

    /// Nothing more comes.
    ///
    /// # Panics
    /// Elements are missing.
    pub fn finish(self) {
        self.left.finish();
    }
}

impl SetPieces {
    /// The next member.
    pub fn add(&mut self, out: &mut Vec<u8>, member: &[u8]) {
        self.left.take();
        self.left.write(out, member);
    }

    /// Nothing more comes.
    ///
    /// # Panics
    /// Members are missing.
    pub fn finish(self) {
        self.left.finish();
    }
}

impl SortedSetPieces {
    /// The next member and its score, which is a number.
    pub fn add(&mut self, out: &mut Vec<u8>, member: &[u8], score: f64) {
        assert!(!score.is_nan(), "a score is a number");
        self.left.take();
        self.left.write(out, member);
        out.extend(score.to_le_bytes());
    }

    /// Nothing more comes.
    ///
    /// # Panics
    /// Members are missing.
    pub fn finish(self) {
        self.left.finish();
    }
}

impl HashPieces {
    /// The next field, its value and when it expires: never in a hash that was begun without the earliest of such times, and
    /// not before that.
    pub fn add(&mut self, out: &mut Vec<u8>, name: &[u8], value: &[u8], expire_at: Option<i64>) {
        self.left.take();
        match (self.earliest, expire_at) {
            (None, None) => {}
            (Some(_), None) => write_number(out, 0),
            (Some(earliest), Some(at)) if at >= earliest => write_number(out, at.abs_diff(earliest) + 1),
            _ => panic!("a field expires before the earliest that was announced"),
        }
        self.left.write(out, name);
        self.left.write(out, value);
    }

    /// Nothing more comes.
    ///
    /// # Panics
    /// Fields are missing.
    pub fn finish(self) {
        self.left.finish();
    }
}
