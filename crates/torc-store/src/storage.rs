//! Making, changing and freeing entries: the heap for the entries, and the buffers of large
//! values, behind one set of operations.
//!
//! Every change takes an entry and returns the entry that replaces it: the same one where it
//! could be edited in place. The caller owns the table and stores the result there.

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::ptr::NonNull;

use crate::UnixMillis;
use crate::entry::{Body, EntryPointer, SLOT_KEY_LEN_MAX, Traits, entry_bytes};
use crate::heap::{Heap, SLOT_BYTES_MAX};
use crate::large::LargeSpace;

/// All memory of a shard.
#[derive(Debug)]
pub(crate) struct Storage {
    pub(crate) heap: Heap,
    pub(crate) large: LargeSpace,
}

impl Storage {
    /// No memory yet.
    pub(crate) fn new() -> Storage {
        Storage { heap: Heap::new(), large: LargeSpace::default() }
    }

    /// A new entry.
    pub(crate) fn create(
        &mut self,
        key: &[u8],
        value: &[u8],
        expire_at: Option<UnixMillis>,
        traits: Traits,
    ) -> EntryPointer {
        let body = self.body(key.len(), expire_at.is_some(), value, 0, &[]);
        self.build(key, body, expire_at, traits)
    }

    /// Frees an entry and its value; a value of a mebibyte or more later, in slices.
    pub(crate) fn free(&mut self, entry: EntryPointer) {
        if let Some(buffer) = entry.buffer() {
            self.large.free(buffer);
        }
        self.free_shell(entry);
    }

    /// Replaces value, expiry and traits.
    pub(crate) fn replace(
        &mut self,
        entry: EntryPointer,
        value: &[u8],
        expire_at: Option<UnixMillis>,
        traits: Traits,
    ) -> EntryPointer {
        let key_len = entry.key().len();
        let had_expiry = entry.expire_at().is_some();
        if had_expiry == expire_at.is_some() {
            let inline = fits_inline(key_len, value.len(), had_expiry);
            let overwritten = match entry.buffer() {
                None => inline && entry.overwrite_inline(value, shell_bytes(entry)),
                Some(_) if inline => false,
                Some(mut buffer) => {
                    self.large.set(&mut buffer, value);
                    entry.set_buffer(buffer);
                    true
                }
            };
            if overwritten {
                if let Some(expire_at) = expire_at {
                    entry.set_expire_at(expire_at);
                }
                entry.set_traits(traits);
                return entry;
            }
        }
        let body = self.body(key_len, expire_at.is_some(), value, 0, &[]);
        let new = self.build(entry.key(), body, expire_at, traits);
        self.free(entry);
        new
    }

    /// Changes or removes the expiry.
    pub(crate) fn set_expire_at(&mut self, entry: EntryPointer, expire_at: Option<UnixMillis>) -> EntryPointer {
        match (entry.expire_at(), expire_at) {
            (None, None) => return entry,
            (Some(_), Some(expire_at)) => {
                entry.set_expire_at(expire_at);
                return entry;
            }
            _ => {}
        }
        let (key, traits) = (entry.key(), entry.traits());
        if let Some(buffer) = entry.buffer() {
            let new = self.build(key, Body::External(buffer), expire_at, traits);
            self.free_shell(entry);
            return new;
        }
        let body = self.body(key.len(), expire_at.is_some(), entry.value(), 0, &[]);
        let new = self.build(key, body, expire_at, traits);
        self.free(entry);
        new
    }

    /// Writes `data` at `offset`, extending the value with zeros as needed.
    pub(crate) fn write_at(&mut self, entry: EntryPointer, offset: usize, data: &[u8], traits: Traits) -> EntryPointer {
        if let Some(mut buffer) = entry.buffer() {
            self.large.write(&mut buffer, offset, data);
            entry.set_buffer(buffer);
            entry.set_traits(traits);
            return entry;
        }
        let old = entry.value();
        let end = offset.checked_add(data.len()).expect("lengths are limited far below usize::MAX");
        if end <= old.len() {
            entry.set_traits(traits);
            // SAFETY: `old` isn't used any more, and the storage is borrowed mutably.
            let bytes = unsafe { entry.value_mut() };
            bytes[offset..end].copy_from_slice(data);
            return entry;
        }
        let expire_at = entry.expire_at();
        let head = &old[..offset.min(old.len())];
        let zeros = offset.saturating_sub(old.len());
        let body = self.body(entry.key().len(), expire_at.is_some(), head, zeros, data);
        let new = self.build(entry.key(), body, expire_at, traits);
        self.free(entry);
        new
    }

    /// Puts the value inside the entry if that fits a slot, else into a buffer.
    fn body<'v>(&mut self, key_len: usize, expires: bool, head: &'v [u8], zeros: usize, tail: &'v [u8]) -> Body<'v> {
        if fits_inline(key_len, head.len() + zeros + tail.len(), expires) {
            Body::Inline { head, zeros, tail }
        } else {
            Body::External(self.large.build(head, zeros, tail))
        }
    }

    fn build(&mut self, key: &[u8], body: Body<'_>, expire_at: Option<UnixMillis>, traits: Traits) -> EntryPointer {
        let place = if key.len() > SLOT_KEY_LEN_MAX {
            self.allocate_huge(key.len())
        } else {
            self.heap.allocate(entry_bytes(key.len(), body.inline_len(), expire_at.is_some()))
        };
        // SAFETY: the place was made for just this entry, and is new, so that nothing overlaps.
        unsafe { EntryPointer::write(place, key, body, expire_at, traits) }
    }

    fn allocate_huge(&mut self, key_len: usize) -> NonNull<u8> {
        let layout = huge_layout(key_len);
        self.large.count(layout.size());
        // SAFETY: the size isn't zero.
        let place = unsafe { alloc(layout) };
        NonNull::new(place).unwrap_or_else(|| handle_alloc_error(layout))
    }

    /// Frees the entry without its buffer.
    fn free_shell(&mut self, entry: EntryPointer) {
        let key_len = entry.key().len();
        if key_len > SLOT_KEY_LEN_MAX {
            let layout = huge_layout(key_len);
            self.large.uncount(layout.size());
            // SAFETY: allocated by `allocate_huge` with this layout; the caller is its owner.
            unsafe { dealloc(entry.as_non_null().as_ptr(), layout) };
        } else {
            // SAFETY: allocated by `build` from this heap; the caller is its owner.
            unsafe { self.heap.free(entry.as_non_null()) };
        }
    }
}

/// Memory of an entry without its buffer.
pub(crate) fn shell_bytes(entry: EntryPointer) -> usize {
    let key_len = entry.key().len();
    if key_len > SLOT_KEY_LEN_MAX {
        huge_layout(key_len).size()
    } else {
        // SAFETY: entries with such keys are live slots of a heap.
        unsafe { Heap::slot_bytes(entry.as_non_null()) }
    }
}

fn fits_inline(key_len: usize, value_len: usize, expires: bool) -> bool {
    key_len <= SLOT_KEY_LEN_MAX && entry_bytes(key_len, Some(value_len), expires) <= SLOT_BYTES_MAX
}

fn huge_layout(key_len: usize) -> Layout {
    Layout::from_size_align(entry_bytes(key_len, None, true), 8).expect("keys are limited far below isize::MAX")
}
