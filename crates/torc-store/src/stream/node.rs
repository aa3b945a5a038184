//! A node: some tens of entries, one behind another in one run of bytes.
//!
//! ```text
//! node    | number of fields | name | name | ..  | entry | entry | ..        the names are those of its first entry
//! entry   | header | [sequence] | value | value | ..                         same names as the node's
//!         | header | [sequence] | number of fields | name | value | ..       names of its own
//! header  milliseconds since the entry before << 3 | sequence given << 2 | names of its own << 1 | deleted
//!
//! numbers are 7 bits per byte, low first
//! string  0..=E7  that many bytes      E8 + 2 / E9 + 4   length in bytes of this width, then the bytes
//!         F0..=F7 an integer of 1 to 8 bytes, little endian, standing for its printed form
//! ```
//!
//! Without a given sequence an entry has the next number of the same millisecond, or 0 in a later one; that is what ids
//! made by the server look like, which so take one byte. A given one is counted from there. There are no back lengths: a walk
//! backwards finds the offsets of a node's entries first. A deleted entry stays, flagged, until more than half are.

use super::id::StreamId;
use crate::pack::Packed;
use crate::text::canonical_integer;

const DELETED: u64 = 1;
const OWN_NAMES: u64 = 1 << 1;
const SEQUENCE: u64 = 1 << 2;
const MS_SHIFT: u32 = 3;

const SHORT_LEN_MAX: usize = 0xE7;
const LEN_2: u8 = 0xE8;
const LEN_4: u8 = 0xE9;
const INTEGER: u8 = 0xF0;
/// Shorter texts gain nothing as integers.
const INTEGER_TEXT_LEN_MIN: usize = 3;
/// Most bytes of an entry besides its strings and their headers.
const ENTRY_OVERHEAD_MAX: usize = 32;
const STRING_OVERHEAD_MAX: usize = 5;

/// Entries with ascending ids; a deleted entry is only flagged, until more than half of the node's are.
#[derive(Clone, Debug, Default)]
pub(crate) struct Node {
    first: StreamId,
    last: StreamId,
    bytes: Vec<u8>,
    entries_at: u32,
    names: u32,
    live: u32,
    /// Deleted and still there, flagged.
    deleted: u32,
    /// Deleted and no longer there.
    compacted: u32,
}

/// The place of an entry in a node, and what its header is counted from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cursor {
    offset: usize,
    ms: u64,
    sequence: u64,
}

/// An entry, to be read.
#[derive(Clone, Copy, Debug)]
pub struct EntryRef<'a> {
    id: StreamId,
    node: &'a Node,
    body: usize,
    own_names: bool,
    deleted: bool,
}

impl Node {
    /// Number of entries that are not deleted.
    pub(crate) fn live(&self) -> usize {
        self.live as usize
    }

    /// Number of entries it was ever given: what its size is limited by.
    pub(crate) fn entries(&self) -> usize {
        (self.live + self.deleted + self.compacted) as usize
    }

    /// Id of the first entry, deleted or not.
    pub(crate) fn first(&self) -> StreamId {
        self.first
    }

    /// Id of the last entry, deleted or not.
    pub(crate) fn last(&self) -> StreamId {
        self.last
    }

    /// Bytes in use.
    pub(crate) fn byte_len(&self) -> usize {
        self.bytes.len()
    }

    /// Bytes outside of the struct.
    pub(crate) fn external_bytes(&self) -> usize {
        self.bytes.capacity()
    }

    /// Whether the header of an entry with this id can be written.
    pub(crate) fn takes(&self, id: StreamId) -> bool {
        self.entries() == 0 || (id.ms - self.last.ms) >> (u64::BITS - MS_SHIFT) == 0
    }

    /// Adds an entry behind all others. The first gives the node its names.
    pub(crate) fn append<'e, I>(&mut self, id: StreamId, pairs: I)
    where
        I: Iterator<Item = (&'e [u8], &'e [u8])> + Clone,
    {
        let (count, len) = pairs.clone().fold((0, 0), |(count, len), (name, value)| {
            (count + 1, len + name.len() + value.len() + 2 * STRING_OVERHEAD_MAX)
        });
        let is_first = self.entries() == 0;
        self.bytes.reserve(len + ENTRY_OVERHEAD_MAX);
        if is_first {
            self.begin(id, count, pairs.clone().map(|(name, _)| name));
        }
        assert!(is_first || id > self.last, "entries are appended in order");
        let own_names = !is_first && !self.has_names(count, pairs.clone().map(|(name, _)| name));
        let ms = id.ms - self.last.ms;
        let expected = match ms {
            _ if is_first => id.seq,
            0 => self.last.seq + 1,
            _ => 0,
        };
        let sequence = id.seq != expected;
        let flags = if own_names { OWN_NAMES } else { 0 } | if sequence { SEQUENCE } else { 0 };
        push_number(&mut self.bytes, ms << MS_SHIFT | flags);
        if sequence {
            push_number(&mut self.bytes, id.seq - expected);
        }
        if own_names {
            push_number(&mut self.bytes, count);
        }
        for (name, value) in pairs {
            if own_names {
                push_bytes(&mut self.bytes, name);
            }
            push_value(&mut self.bytes, value);
        }
        self.last = id;
        self.live += 1;
    }

    fn begin<'e>(&mut self, id: StreamId, count: u64, names: impl Iterator<Item = &'e [u8]>) {
        self.bytes.clear();
        push_number(&mut self.bytes, count);
        names.for_each(|name| push_bytes(&mut self.bytes, name));
        (self.first, self.last) = (id, id);
        self.names = u32::try_from(count).expect("a request has fewer arguments");
        self.entries_at = u32::try_from(self.bytes.len()).expect("an entry is smaller than 1 GiB");
    }

    fn has_names<'e>(&self, count: u64, mut names: impl Iterator<Item = &'e [u8]>) -> bool {
        let mut offset = self.names_at();
        count == u64::from(self.names)
            && names.all(|name| {
                let (known, next) = read_string(&self.bytes, offset);
                offset = next;
                known == Packed::Bytes(name)
            })
    }

    /// Offset of the first name.
    fn names_at(&self) -> usize {
        read_number(&self.bytes, 0).1
    }

    /// Where its entries begin.
    pub(crate) fn start(&self) -> Cursor {
        Cursor { offset: self.entries_at as usize, ms: self.first.ms, sequence: self.first.seq }
    }

    /// The entry at the cursor, which goes on to the next; deleted ones too.
    #[inline]
    pub(crate) fn advance(&self, cursor: &mut Cursor) -> Option<EntryRef<'_>> {
        if cursor.offset >= self.bytes.len() {
            return None;
        }
        let (header, mut body) = read_number(&self.bytes, cursor.offset);
        let ms = header >> MS_SHIFT;
        let mut id = StreamId::new(cursor.ms + ms, if ms == 0 { cursor.sequence } else { 0 });
        if header & SEQUENCE != 0 {
            let (given, next) = read_number(&self.bytes, body);
            id.seq += given;
            body = next;
        }
        let own_names = header & OWN_NAMES != 0;
        let entry = EntryRef { id, node: self, body, own_names, deleted: header & DELETED != 0 };
        // The last number of a millisecond has none behind it, so that what it wraps to is never used.
        *cursor = Cursor { offset: entry.end(), ms: id.ms, sequence: id.seq.wrapping_add(1) };
        Some(entry)
    }

    /// The next entry at the cursor that is not deleted.
    #[inline]
    pub(crate) fn advance_live(&self, cursor: &mut Cursor) -> Option<EntryRef<'_>> {
        loop {
            let entry = self.advance(cursor)?;
            if !entry.deleted {
                return Some(entry);
            }
        }
    }

    /// The entry with this id, and where it stands, if it is there and not deleted.
    pub(crate) fn find(&self, id: StreamId) -> Option<(usize, EntryRef<'_>)> {
        let mut cursor = self.start();
        loop {
            let at = cursor.offset;
            let entry = self.advance(&mut cursor)?;
            if entry.id >= id {
                return (entry.id == id && !entry.deleted).then_some((at, entry));
            }
        }
    }

    /// Flags the entry at an offset that [`Node::find`] gave as deleted; with many of them the node is rewritten.
    pub(crate) fn delete(&mut self, offset: usize) {
        self.flag(offset);
        self.compact_if_worthwhile();
    }

    /// Deletes entries from the front while `wanted` says so; returns their number.
    pub(crate) fn delete_while(&mut self, mut wanted: impl FnMut(StreamId) -> bool) -> usize {
        let (mut cursor, mut deleted) = (self.start(), 0);
        loop {
            let at = cursor.offset;
            let Some(entry) = self.advance(&mut cursor) else { break };
            let (id, was_deleted) = (entry.id, entry.deleted);
            if was_deleted {
                continue;
            }
            if !wanted(id) {
                break;
            }
            self.flag(at);
            deleted += 1;
        }
        self.compact_if_worthwhile();
        deleted
    }

    /// Takes out the deleted entries behind the last one that is not.
    pub(crate) fn cut_deleted_end(&mut self) {
        let (mut cursor, mut end, mut behind) = (self.start(), None, 0);
        while let Some(entry) = self.advance(&mut cursor) {
            (end, behind) = if entry.deleted { (end, behind + 1) } else { (Some((entry.id, cursor.offset)), 0) };
        }
        if let Some((last, offset)) = end {
            self.last = last;
            self.bytes.truncate(offset);
            self.deleted -= behind;
            self.compacted += behind;
        }
    }

    fn flag(&mut self, offset: usize) {
        assert!(u64::from(self.bytes[offset]) & DELETED == 0, "an entry is deleted once");
        self.bytes[offset] |= DELETED as u8;
        self.live -= 1;
        self.deleted += 1;
    }

    fn compact_if_worthwhile(&mut self) {
        if self.deleted > self.live && self.live > 0 {
            let mut fresh = Node { bytes: Vec::with_capacity(self.bytes.len() / 2), ..Node::default() };
            let mut cursor = self.start();
            while let Some(entry) = self.advance_live(&mut cursor) {
                if !fresh.takes(entry.id) {
                    // What is deleted bridges a gap that no header can say.
                    return;
                }
                fresh.append_copy(&entry);
            }
            fresh.compacted = self.compacted + self.deleted;
            *self = fresh;
            self.shrink();
        }
    }

    /// Adds a copy of an entry of another node.
    pub(crate) fn append_copy(&mut self, entry: &EntryRef<'_>) {
        let strings: Vec<(Packed<'_>, Packed<'_>)> = entry.pairs().collect();
        let mut buffer = Vec::with_capacity(strings.len());
        for (name, value) in strings {
            buffer.push((name.to_vec(), value.to_vec()));
        }
        self.append(entry.id, buffer.iter().map(|(name, value)| (name.as_slice(), value.as_slice())));
    }

    /// Gives spare memory back. A copy, since allocators keep a block of which less than half is spare.
    pub(crate) fn shrink(&mut self) {
        if self.bytes.capacity() > self.bytes.len() {
            self.bytes = self.bytes.as_slice().to_vec();
        }
    }

    /// Takes all entries away into a node of exact size; the buffer stays for the next ones.
    pub(crate) fn seal(&mut self) -> Node {
        let sealed = Node { bytes: self.bytes.as_slice().to_vec(), ..*self };
        self.clear();
        sealed
    }

    /// Forgets all entries; the buffer stays.
    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        let bytes = std::mem::take(&mut self.bytes);
        *self = Node { bytes, ..Node::default() };
    }
}

impl<'a> EntryRef<'a> {
    /// Milliseconds and sequence number; ascending within a stream.
    #[inline]
    pub fn id(&self) -> StreamId {
        self.id
    }

    /// Number of its fields.
    #[inline]
    pub fn len(&self) -> usize {
        if self.own_names { read_number(&self.node.bytes, self.body).0 as usize } else { self.node.names as usize }
    }

    /// Never: an entry has a field.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Names and values of its fields.
    #[inline]
    pub fn pairs(&self) -> Pairs<'a> {
        let (bytes, own_names) = (self.node.bytes.as_slice(), self.own_names);
        if own_names {
            let (left, at) = read_number(bytes, self.body);
            Pairs { bytes, left: left as usize, names_at: at, values_at: at, own_names }
        } else {
            let names_at = self.node.names_at();
            Pairs { bytes, left: self.node.names as usize, names_at, values_at: self.body, own_names }
        }
    }

    /// Offset behind it.
    #[inline]
    fn end(&self) -> usize {
        let bytes = &self.node.bytes;
        let (strings, at) = if self.own_names {
            let (count, at) = read_number(bytes, self.body);
            (2 * count as usize, at)
        } else {
            (self.node.names as usize, self.body)
        };
        (0..strings).fold(at, |at, _| skip_string(bytes, at))
    }
}

/// Names and values of an entry.
#[derive(Clone, Debug)]
pub struct Pairs<'a> {
    bytes: &'a [u8],
    left: usize,
    names_at: usize,
    values_at: usize,
    own_names: bool,
}

impl<'a> Iterator for Pairs<'a> {
    type Item = (Packed<'a>, Packed<'a>);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let (name, after_name) = read_string(self.bytes, self.names_at);
        let value_at = if self.own_names { after_name } else { self.values_at };
        let (value, after_value) = read_string(self.bytes, value_at);
        self.names_at = if self.own_names { after_value } else { after_name };
        self.values_at = after_value;
        Some((name, value))
    }
}

fn push_number(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

#[inline]
fn read_number(bytes: &[u8], at: usize) -> (u64, usize) {
    let first = bytes[at];
    if first < 0x80 {
        return (u64::from(first), at + 1);
    }
    let (mut number, mut shift, mut at) = (u64::from(first & 0x7F), 7, at + 1);
    loop {
        let byte = bytes[at];
        number |= u64::from(byte & 0x7F) << shift;
        (shift, at) = (shift + 7, at + 1);
        if byte < 0x80 {
            return (number, at);
        }
    }
}

fn push_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    match bytes.len() {
        len @ 0..=SHORT_LEN_MAX => out.push(len as u8),
        len if len <= usize::from(u16::MAX) => {
            out.push(LEN_2);
            out.extend_from_slice(&(len as u16).to_le_bytes());
        }
        len => {
            out.push(LEN_4);
            let len = u32::try_from(len).expect("an entry is smaller than 1 GiB");
            out.extend_from_slice(&len.to_le_bytes());
        }
    }
    out.extend_from_slice(bytes);
}

#[inline]
fn push_value(out: &mut Vec<u8>, bytes: &[u8]) {
    let integer = if bytes.len() >= INTEGER_TEXT_LEN_MIN { canonical_integer(bytes) } else { None };
    let Some(integer) = integer else { return push_bytes(out, bytes) };
    // The sign needs a bit of the highest byte.
    let bits = u64::BITS - (integer ^ (integer >> 63)).leading_zeros() + 1;
    let width = (bits as usize).div_ceil(8);
    out.push(INTEGER + width as u8 - 1);
    out.extend_from_slice(&integer.to_le_bytes()[..width]);
}

#[inline]
fn read_string(bytes: &[u8], at: usize) -> (Packed<'_>, usize) {
    let first = bytes[at];
    if usize::from(first) <= SHORT_LEN_MAX {
        let end = at + 1 + usize::from(first);
        return (Packed::Bytes(&bytes[at + 1..end]), end);
    }
    if first >= INTEGER {
        let width = usize::from(first - INTEGER) + 1;
        let data = &bytes[at + 1..at + 1 + width];
        let mut wide = [if data[width - 1] & 0x80 != 0 { 0xFF } else { 0 }; 8];
        wide[..width].copy_from_slice(data);
        return (Packed::Integer(i64::from_le_bytes(wide)), at + 1 + width);
    }
    let (len, start) = long_len(bytes, at, first);
    (Packed::Bytes(&bytes[start..start + len]), start + len)
}

#[inline]
fn skip_string(bytes: &[u8], at: usize) -> usize {
    let first = bytes[at];
    if usize::from(first) <= SHORT_LEN_MAX {
        at + 1 + usize::from(first)
    } else if first >= INTEGER {
        at + 2 + usize::from(first - INTEGER)
    } else {
        let (len, start) = long_len(bytes, at, first);
        start + len
    }
}

fn long_len(bytes: &[u8], at: usize, first: u8) -> (usize, usize) {
    if first == LEN_2 {
        (usize::from(u16::from_le_bytes([bytes[at + 1], bytes[at + 2]])), at + 3)
    } else {
        assert!(first == LEN_4, "no string begins with {first:#x}");
        let len = bytes[at + 1..at + 5].try_into().expect("four bytes");
        (u32::from_le_bytes(len) as usize, at + 5)
    }
}
