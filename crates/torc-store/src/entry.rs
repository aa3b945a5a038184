//! One key with its value: a single allocation, laid out without padding.
//!
//! ```text
//! inline    | flags 1 | access 3 | key len 1-5 | value len 1-2 | [expiry 8] |            | key | value |
//! external  | flags 1 | access 3 | key len 1-5 |               | [expiry 8] | buffer 32  | key |
//!
//! flags     bits 0-3 kind | bits 4-5 form | bit 6 has expiry | bit 7 external
//! ```
//!
//! The form is that of a string ([`StringForm`]) or of a collection ([`CollectionForm`]). A collection in object form
//! has the address of its object as its inline value.
//!
//! Lengths are 7 bits per byte, low first. A key of 16 bytes with a value of 32 takes 54
//! bytes. Entries with a key beyond 512 bytes are always external, always leave room for an
//! expiry, and come from the global allocator, being larger than any slot.

use std::ptr::{self, NonNull};

use crate::UnixMillis;
use crate::large::{BUFFER_BYTES, Buffer};
use crate::object::{CollectionForm, Object};
use crate::text::StringForm;

/// Longest key of an entry that lives in a slot of the heap.
pub(crate) const SLOT_KEY_LEN_MAX: usize = 512;

const FLAG_FORM_SHIFT: u8 = 4;
const FLAG_EXPIRES: u8 = 1 << 6;
const FLAG_EXTERNAL: u8 = 1 << 7;
const LENGTHS_START: usize = 4;
const EXPIRY_BYTES: usize = 8;

/// The small facts about an entry that live in its first four bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Traits {
    pub(crate) kind: u8,
    /// [`StringForm`] or [`CollectionForm`], two bits.
    pub(crate) form: u8,
    pub(crate) access: u32,
}

impl Traits {
    /// The form of a string.
    pub(crate) fn string_form(self) -> StringForm {
        match self.form {
            0 => StringForm::Auto,
            1 => StringForm::Raw,
            _ => StringForm::Embedded,
        }
    }

    /// The form of a collection.
    pub(crate) fn collection_form(self) -> CollectionForm {
        match self.form {
            0 => CollectionForm::Packed,
            1 => CollectionForm::Object,
            _ => CollectionForm::Integers,
        }
    }

    /// Whether the value is an object outside of the entry.
    pub(crate) fn is_object(self) -> bool {
        self.kind != 0 && self.form == CollectionForm::Object as u8
    }
}

/// Where the value of an entry being built comes from.
#[derive(Clone, Copy)]
pub(crate) enum Body<'v> {
    /// Inside the entry: these parts, one behind another.
    Inline([&'v [u8]; 3]),
    /// In a buffer the entry becomes the owner of.
    External(Buffer),
}

impl Body<'_> {
    /// Length of an inline value.
    pub(crate) fn inline_len(&self) -> Option<usize> {
        match self {
            Body::Inline(parts) => Some(parts.iter().map(|part| part.len()).sum()),
            Body::External(_) => None,
        }
    }
}

/// Offsets of an entry's parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Shape {
    expiry_start: usize,
    key_start: usize,
    key_len: usize,
    /// Length of an inline value; 0 when external.
    value_len: usize,
}

impl Shape {
    #[inline]
    fn of(key_len: usize, inline_len: Option<usize>, expires: bool) -> Shape {
        let value_len_bytes = inline_len.map_or(0, length_bytes);
        let expiry_start = LENGTHS_START + length_bytes(key_len) + value_len_bytes;
        let buffer_bytes = if inline_len.is_none() { BUFFER_BYTES } else { 0 };
        let key_start = expiry_start + if expires { EXPIRY_BYTES } else { 0 } + buffer_bytes;
        Shape { expiry_start, key_start, key_len, value_len: inline_len.unwrap_or(0) }
    }

    fn value_start(&self) -> usize {
        self.key_start + self.key_len
    }

    fn total(&self) -> usize {
        self.key_start + self.key_len + self.value_len
    }
}

/// Bytes an entry needs with its value inside (`inline_len`) or outside (`None`).
pub(crate) fn entry_bytes(key_len: usize, inline_len: Option<usize>, expires: bool) -> usize {
    Shape::of(key_len, inline_len, expires).total()
}

/// The address of a live entry.
///
/// Invariant, established by the one `unsafe` constructor path (`write`, `from_address`): it
/// points to memory written by [`EntryPointer::write`] that stays allocated while the pointer
/// is used. The table holds one per key; whoever frees an entry removes it there first. All
/// of a shard belongs to one thread, and the methods keep no references beyond the borrow of
/// the keyspace from which the pointer was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct EntryPointer(NonNull<u8>);

impl EntryPointer {
    /// Writes an entry at `place`.
    ///
    /// # Safety
    /// `place` has room for [`entry_bytes`] of the arguments and is owned by the caller; key
    /// and body don't overlap it.
    pub(crate) unsafe fn write(
        place: NonNull<u8>,
        key: &[u8],
        body: Body<'_>,
        expire_at: Option<UnixMillis>,
        traits: Traits,
    ) -> EntryPointer {
        let inline_len = body.inline_len();
        let shape = Shape::of(key.len(), inline_len, expire_at.is_some());
        let external = if inline_len.is_none() { FLAG_EXTERNAL } else { 0 };
        let expires = if expire_at.is_some() { FLAG_EXPIRES } else { 0 };
        let flags = traits.kind | traits.form << FLAG_FORM_SHIFT | expires | external;
        let start = place.as_ptr();
        // SAFETY: all parts lie inside [0, total) per `Shape`, which the caller provides.
        unsafe {
            start.cast::<u32>().write_unaligned((u32::from(flags) | traits.access << 8).to_le());
            let after_key_len = write_length(start.add(LENGTHS_START), key.len());
            if let Some(expire_at) = expire_at {
                start.add(shape.expiry_start).cast::<i64>().write_unaligned(expire_at);
            }
            copy(start.add(shape.key_start), key);
            match body {
                Body::Inline(parts) => {
                    write_length(after_key_len, shape.value_len);
                    let mut value = start.add(shape.value_start());
                    for part in parts {
                        copy(value, part);
                        value = value.add(part.len());
                    }
                }
                Body::External(buffer) => {
                    let at = start.add(shape.key_start - BUFFER_BYTES);
                    at.cast::<Buffer>().write_unaligned(buffer);
                }
            }
        }
        EntryPointer(place)
    }

    /// Turns an address out of the table back into a pointer.
    ///
    /// # Safety
    /// `address` is [`EntryPointer::address`] of an entry that is still live.
    #[inline]
    pub(crate) unsafe fn from_address(address: usize) -> EntryPointer {
        let pointer = ptr::with_exposed_provenance_mut(address);
        EntryPointer(NonNull::new(pointer).expect("the table holds no null pointers"))
    }

    /// The address, which has its lowest and its 16 highest bits clear.
    pub(crate) fn address(self) -> usize {
        self.0.as_ptr().expose_provenance()
    }

    /// The allocation itself.
    pub(crate) fn as_non_null(self) -> NonNull<u8> {
        self.0
    }

    /// Asks the CPU to fetch the entry's first lines: all of a small one.
    #[inline]
    pub(crate) fn prefetch(self) {
        crate::group::prefetch(self.0.as_ptr());
        crate::group::prefetch(self.0.as_ptr().wrapping_add(64));
    }

    /// Asks the CPU to fetch the entry's first line alone.
    #[inline]
    pub(crate) fn prefetch_head(self) {
        crate::group::prefetch(self.0.as_ptr());
    }

    /// The key.
    #[inline]
    pub(crate) fn key<'a>(self) -> &'a [u8] {
        let shape = self.shape();
        // SAFETY: the entry is live, and the key lies at this place.
        unsafe { self.bytes(shape.key_start, shape.key_len) }
    }

    /// Whether the entry's key is `key`.
    #[inline]
    pub(crate) fn has_key(self, key: &[u8]) -> bool {
        self.prefetch();
        self.key() == key
    }

    /// The value's bytes.
    pub(crate) fn value<'a>(self) -> &'a [u8] {
        if let Some(buffer) = self.buffer() {
            // SAFETY: a live entry's buffer holds `len` initialised bytes.
            return unsafe { std::slice::from_raw_parts(buffer.address(), buffer.len()) };
        }
        let shape = self.shape();
        // SAFETY: the entry is live, and the value lies at this place.
        unsafe { self.bytes(shape.value_start(), shape.value_len) }
    }

    /// The value's bytes for an edit that keeps the length.
    ///
    /// # Safety
    /// Nothing else borrows the entry while the slice lives.
    pub(crate) unsafe fn value_mut<'a>(self) -> &'a mut [u8] {
        let value = self.value();
        let (start, len) = (value.as_ptr(), value.len());
        let start = match self.buffer() {
            Some(buffer) => buffer.address(),
            // SAFETY: the inline value lies inside the entry.
            None => unsafe { self.0.as_ptr().add(start.addr() - self.0.as_ptr().addr()) },
        };
        // SAFETY: `len` initialised bytes, to which the caller has the only access.
        unsafe { std::slice::from_raw_parts_mut(start, len) }
    }

    /// Notes in an entry whose value is eight bytes which entry replaces it. It is to be freed soon.
    pub(crate) fn set_replacement(self, replacement: EntryPointer) {
        assert!(self.value().len() == 8 && self.buffer().is_none(), "an address takes the place of the value");
        // SAFETY: nobody reads the value of an entry that is replaced.
        unsafe { self.value_mut() }.copy_from_slice(&(replacement.address() as u64).to_le_bytes());
    }

    /// What was set by [`EntryPointer::set_replacement`]; the entry itself if it lies in no heap, as those are not replaced.
    ///
    /// # Safety
    /// The entry is live, and in no heap or replaced.
    pub(crate) unsafe fn replacement(self) -> EntryPointer {
        if self.key().len() > SLOT_KEY_LEN_MAX {
            return self;
        }
        let address = self.value().try_into().expect("an address is eight bytes");
        // SAFETY: the address of a live entry was put there.
        unsafe { EntryPointer::from_address(u64::from_le_bytes(address) as usize) }
    }

    /// The buffer holding the value, when it isn't inside the entry.
    pub(crate) fn buffer(self) -> Option<Buffer> {
        (self.flags() & FLAG_EXTERNAL != 0).then(|| {
            let at = self.shape().key_start - BUFFER_BYTES;
            // SAFETY: an external entry has its buffer right before its key.
            unsafe { self.0.as_ptr().add(at).cast::<Buffer>().read_unaligned() }
        })
    }

    /// Stores the changed buffer of an external entry back.
    pub(crate) fn set_buffer(self, buffer: Buffer) {
        assert!(self.flags() & FLAG_EXTERNAL != 0, "only external entries have a buffer");
        let at = self.shape().key_start - BUFFER_BYTES;
        // SAFETY: as in `buffer`.
        unsafe { self.0.as_ptr().add(at).cast::<Buffer>().write_unaligned(buffer) };
    }

    /// When the key expires.
    pub(crate) fn expire_at(self) -> Option<UnixMillis> {
        (self.flags() & FLAG_EXPIRES != 0).then(|| {
            let at = self.shape().expiry_start;
            // SAFETY: an entry with the flag has 8 bytes of expiry there.
            unsafe { self.0.as_ptr().add(at).cast::<i64>().read_unaligned() }
        })
    }

    /// Changes the expiry of an entry that has one.
    pub(crate) fn set_expire_at(self, expire_at: UnixMillis) {
        assert!(self.flags() & FLAG_EXPIRES != 0, "there is room only when there was an expiry");
        let at = self.shape().expiry_start;
        // SAFETY: as in `expire_at`.
        unsafe { self.0.as_ptr().add(at).cast::<i64>().write_unaligned(expire_at) };
    }

    /// Kind, form and access field.
    pub(crate) fn traits(self) -> Traits {
        let word = self.first_word();
        Traits { kind: word as u8 & 15, form: word as u8 >> FLAG_FORM_SHIFT & 3, access: word >> 8 }
    }

    /// Changes kind, form and access field.
    pub(crate) fn set_traits(self, traits: Traits) {
        let kept = self.flags() & (FLAG_EXPIRES | FLAG_EXTERNAL);
        let flags = traits.kind | traits.form << FLAG_FORM_SHIFT | kept;
        let word = u32::from(flags) | traits.access << 8;
        // SAFETY: the first four bytes of a live entry.
        unsafe { self.0.as_ptr().cast::<u32>().write_unaligned(word.to_le()) };
    }

    /// Overwrites the inline value if an entry of the new shape has all its parts where this
    /// one has them, needs at most `slot_bytes`, and leaves less than a fifth of them unused.
    pub(crate) fn overwrite_inline(self, value: &[u8], slot_bytes: usize) -> bool {
        let old = self.shape();
        if self.flags() & FLAG_EXTERNAL != 0 || length_bytes(value.len()) != length_bytes(old.value_len) {
            return false;
        }
        let total = old.value_start() + value.len();
        if total > slot_bytes || slot_bytes - total > slot_bytes / 5 {
            return false;
        }
        // SAFETY: the slot has `slot_bytes`, so that the value fits behind the key; its length
        // takes as many bytes as the old one.
        unsafe {
            let start = self.0.as_ptr();
            write_length(start.add(LENGTHS_START + length_bytes(old.key_len)), value.len());
            copy(start.add(old.value_start()), value);
        }
        true
    }

    /// Replaces `removed` bytes of the inline value from `at` on by `parts`, where the lengths stay in as many bytes and
    /// the slot of `slot_bytes` neither overflows nor becomes emptier than [`EntryPointer::overwrite_inline`] allows.
    /// False: nothing was done.
    pub(crate) fn splice_inline(self, at: usize, removed: usize, parts: [&[u8]; 2], slot_bytes: usize) -> bool {
        let old = self.shape();
        let added = parts[0].len() + parts[1].len();
        let value_len = old.value_len - removed + added;
        if self.flags() & FLAG_EXTERNAL != 0 || length_bytes(value_len) != length_bytes(old.value_len) {
            return false;
        }
        let total = old.value_start() + value_len;
        if total > slot_bytes || slot_bytes - total > slot_bytes / 5 {
            return false;
        }
        let rest = at + removed;
        assert!(rest <= old.value_len, "what is replaced lies inside the value");
        // SAFETY: the slot has `slot_bytes`, so that old and new value fit behind the key; `parts` are not part of the
        // entry, since the caller holds its only mutable handle.
        unsafe {
            let start = self.0.as_ptr();
            let value = start.add(old.value_start());
            ptr::copy(value.add(rest), value.add(at + added), old.value_len - rest);
            copy(value.add(at), parts[0]);
            copy(value.add(at + parts[0].len()), parts[1]);
            write_length(start.add(LENGTHS_START + length_bytes(old.key_len)), value_len);
        }
        true
    }

    /// The object that is the value; `None` when the value is bytes.
    pub(crate) fn object(self) -> Option<NonNull<Object>> {
        self.traits().is_object().then(|| {
            let address = self.value().try_into().expect("an object's address is eight bytes");
            let pointer = ptr::with_exposed_provenance_mut(usize::from_le_bytes(address));
            NonNull::new(pointer).expect("a box is not null")
        })
    }

    fn first_word(self) -> u32 {
        // SAFETY: every entry has at least four initialised bytes.
        u32::from_le(unsafe { self.0.as_ptr().cast::<u32>().read_unaligned() })
    }

    #[inline]
    fn flags(self) -> u8 {
        // SAFETY: as above.
        unsafe { *self.0.as_ptr() }
    }

    #[inline]
    fn shape(self) -> Shape {
        let flags = self.flags();
        // SAFETY: the lengths of a live entry start there.
        unsafe {
            let (key_len, next) = read_length(self.0.as_ptr().add(LENGTHS_START));
            let external = flags & FLAG_EXTERNAL != 0;
            let inline_len = if external { None } else { Some(read_length(next).0) };
            Shape::of(key_len, inline_len, flags & FLAG_EXPIRES != 0)
        }
    }

    /// # Safety
    /// The range lies inside the live entry.
    #[inline]
    unsafe fn bytes<'a>(self, start: usize, len: usize) -> &'a [u8] {
        // SAFETY: as the caller promises.
        unsafe { std::slice::from_raw_parts(self.0.as_ptr().add(start), len) }
    }
}

/// # Safety
/// `to` has room for the bytes, which don't overlap it.
unsafe fn copy(to: *mut u8, bytes: &[u8]) {
    // SAFETY: as the caller promises.
    unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), to, bytes.len()) };
}

/// Bytes a length takes.
#[inline]
fn length_bytes(len: usize) -> usize {
    match len {
        0..0x80 => 1,
        0x80..0x4000 => 2,
        0x4000..0x20_0000 => 3,
        0x20_0000..0x1000_0000 => 4,
        _ => 5,
    }
}

/// # Safety
/// `at` has room for the length. Returns the place behind it.
unsafe fn write_length(mut at: *mut u8, mut len: usize) -> *mut u8 {
    // SAFETY: as many bytes as `length_bytes` says.
    unsafe {
        while len >= 0x80 {
            at.write(len as u8 | 0x80);
            at = at.add(1);
            len >>= 7;
        }
        at.write(len as u8);
        at.add(1)
    }
}

/// # Safety
/// `at` was written by [`write_length`]. Returns the place behind it too.
#[inline]
unsafe fn read_length(mut at: *const u8) -> (usize, *const u8) {
    // SAFETY: the last byte of a length has its high bit clear, so that reading stops there.
    unsafe {
        let mut byte = at.read();
        let mut len = usize::from(byte & 0x7F);
        let mut shift = 7;
        while byte & 0x80 != 0 {
            at = at.add(1);
            byte = at.read();
            len |= usize::from(byte & 0x7F) << shift;
            shift += 7;
        }
        (len, at.add(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round_trip(key: &[u8], value: &[u8], expire_at: Option<i64>) {
        let mut room = vec![0u8; entry_bytes(key.len(), Some(value.len()), expire_at.is_some())];
        let place = NonNull::new(room.as_mut_ptr()).expect("a Vec's pointer isn't null");
        let traits = Traits { kind: 0, form: StringForm::Raw as u8, access: 0xAB_CDEF };
        let (head, tail) = value.split_at(value.len() / 2);
        let body = Body::Inline([head, &[], tail]);
        // SAFETY: `room` has exactly the bytes needed.
        let entry = unsafe { EntryPointer::write(place, key, body, expire_at, traits) };
        assert_eq!(entry.key(), key);
        assert_eq!(entry.value(), value);
        assert_eq!(entry.expire_at(), expire_at);
        assert_eq!(entry.traits(), traits);
        assert!(entry.buffer().is_none());
    }

    #[test]
    fn what_is_written_is_read() {
        for key_len in [0, 1, 16, 127, 128, 512] {
            for value_len in [0, 1, 32, 127, 128, 400] {
                for expire_at in [None, Some(-1), Some(i64::MAX)] {
                    round_trip(&vec![7; key_len], &vec![9; value_len], expire_at);
                }
            }
        }
    }

    #[test]
    fn a_typical_entry_takes_54_bytes() {
        assert_eq!(entry_bytes(16, Some(32), false), 54);
        assert_eq!(entry_bytes(16, Some(32), true), 62);
    }
}
