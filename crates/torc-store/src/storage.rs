//! Making, changing and freeing entries: the heap for the entries, and the buffers of large
//! values, behind one set of operations.
//!
//! Every change takes an entry and returns the entry that replaces it: the same one where it
//! could be edited in place. The caller owns the table and stores the result there.

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::collections::BTreeMap;
use std::ptr::NonNull;

use crate::elements::Elements;
use crate::entry::{Body, EntryPointer, SLOT_KEY_LEN_MAX, Traits, entry_bytes};
use crate::field_expiry::FieldExpiry;
use crate::heap::SLOT_BYTES_MAX;
use crate::large::{Buffer, LargeSpace};
use crate::object::{CollectionForm, Object};
use crate::{Heap, UnixMillis};

/// All memory of a shard.
#[derive(Debug)]
pub(crate) struct Storage {
    /// That of the shard, except while a table with one of its own is worked on ([`Elements`]).
    pub(crate) heap: Box<Heap>,
    pub(crate) large: LargeSpace,
    /// Hashes with expiring fields.
    pub(crate) field_expiry: FieldExpiry,
    /// Objects that are freed in slices.
    #[allow(clippy::vec_box, reason = "an object is boxed where it lived; its address moves here, not the object")]
    doomed: Vec<Box<Object>>,
    /// Objects that somebody still reads, by their addresses, and whether they were to be freed since.
    kept: BTreeMap<usize, bool>,
}

/// A value that has left its key, to be given to another one.
#[derive(Debug)]
#[must_use = "its memory is freed only by a key that gets it"]
pub(crate) struct Detached {
    value: DetachedValue,
    pub(crate) expire_at: Option<UnixMillis>,
    pub(crate) traits: Traits,
}

#[derive(Debug)]
enum DetachedValue {
    /// A copy of an inline value; of an object its address.
    Inline(Vec<u8>),
    Buffer(Buffer),
}

/// Objects with at most this many elements are freed at once.
const FREED_AT_ONCE_MAX: usize = 128;
/// Most bytes outside of the heap of a value that is freed at once: few elements of a list may be many pages.
const FREED_AT_ONCE_BYTES_MAX: usize = 256 << 10;

/// Zeros to fill gaps of inline values with.
static ZEROS: [u8; SLOT_BYTES_MAX] = [0; SLOT_BYTES_MAX];

impl Storage {
    /// No memory yet.
    pub(crate) fn new() -> Storage {
        Storage {
            heap: Box::new(Heap::new()),
            large: LargeSpace::default(),
            field_expiry: FieldExpiry::default(),
            doomed: Vec::new(),
            kept: BTreeMap::new(),
        }
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

    /// A new entry whose value is an object.
    pub(crate) fn create_object(
        &mut self,
        key: &[u8],
        object: Box<Object>,
        expire_at: Option<UnixMillis>,
        access: u32,
    ) -> EntryPointer {
        self.large.count(object.external_bytes());
        let traits = Traits { kind: object.kind() as u8, form: CollectionForm::Object as u8, access };
        let address = Box::into_raw(object).expose_provenance().to_le_bytes();
        let body = self.body(key.len(), expire_at.is_some(), &address, 0, &[]);
        self.build(key, body, expire_at, traits)
    }

    /// A new entry whose value is in a buffer, which is counted already.
    pub(crate) fn create_external(
        &mut self,
        key: &[u8],
        buffer: Buffer,
        expire_at: Option<UnixMillis>,
        traits: Traits,
    ) -> EntryPointer {
        self.build(key, Body::External(buffer), expire_at, traits)
    }

    /// Frees an entry and its value; a value of a mebibyte or more, or of many elements, later, in slices.
    pub(crate) fn free(&mut self, entry: EntryPointer) {
        if let Some(object) = entry.object() {
            // SAFETY: made by `create_object` from a box; the entry, its only owner, is given up.
            self.free_object(unsafe { Box::from_raw(object.as_ptr()) });
        }
        self.free_without_object(entry);
    }

    /// Frees an object, at once if it is small.
    pub(crate) fn free_object(&mut self, mut object: Box<Object>) {
        if let Object::Hash(hash) = &mut *object {
            self.field_expiry.forget(hash);
        }
        if !self.kept.is_empty()
            && let Some(is_given_up) = self.kept.get_mut(&(&raw const *object).addr())
        {
            *is_given_up = true;
            // `let_go` makes it a box again: nobody may have one while others read.
            let _ = Box::into_raw(object).expose_provenance();
            return;
        }
        if object.len() > FREED_AT_ONCE_MAX || object.external_bytes() > FREED_AT_ONCE_BYTES_MAX {
            self.doomed.push(object);
            return;
        }
        while !object.dismantle(self) {}
    }

    /// Frees an object that is no key's value and was not counted yet.
    pub(crate) fn free_more(&mut self, object: Object) {
        self.large.count(object.external_bytes());
        self.free_object(Box::new(object));
    }

    /// An object is not freed before [`Storage::let_go`], whatever becomes of its key. It must not leave the storage either.
    pub(crate) fn keep(&mut self, object: NonNull<Object>) {
        let before = self.kept.insert(object.addr().get(), false);
        assert!(before.is_none(), "one keeps an object");
    }

    /// Frees an object that was kept, if it was to be freed since.
    pub(crate) fn let_go(&mut self, object: NonNull<Object>) {
        if self.kept.remove(&object.addr().get()).expect("it is kept") {
            // SAFETY: `free_object` has given up its box, and who kept it gives it up now.
            self.free_object(unsafe { Box::from_raw(object.as_ptr()) });
        }
    }

    /// Objects that wait to be freed.
    pub(crate) fn doomed_len(&self) -> usize {
        self.doomed.len()
    }

    /// Frees a slice of an object that waits for it. Whether that was the rest of it, and how many elements of a table were in it; `None`
    /// when none waits.
    pub(crate) fn free_slice(&mut self) -> Option<(bool, usize)> {
        let mut object = self.doomed.pop()?;
        let elements = |object: &Object| object.elements().map_or(0, Elements::len);
        let before = elements(&object);
        let done = object.dismantle(self);
        let freed = before - elements(&object);
        if !done {
            self.doomed.push(object);
        }
        Some((done, freed))
    }

    /// Frees an entry and what it holds, but no object.
    pub(crate) fn free_without_object(&mut self, entry: EntryPointer) {
        if let Some(buffer) = entry.buffer() {
            self.large.free(buffer);
        }
        self.free_shell(entry);
    }

    /// Makes sure that a value which is bytes is in nobody else's hands, to be edited in place.
    #[inline]
    pub(crate) fn make_own(&mut self, entry: EntryPointer) {
        if let Some(mut buffer) = entry.buffer() {
            self.large.make_own(&mut buffer);
            entry.set_buffer(buffer);
        }
    }

    /// Frees an entry without its value, which is kept.
    pub(crate) fn detach(&mut self, entry: EntryPointer) -> Detached {
        let value = match entry.buffer() {
            Some(buffer) => DetachedValue::Buffer(buffer),
            None => DetachedValue::Inline(entry.value().to_vec()),
        };
        let detached = Detached { value, expire_at: entry.expire_at(), traits: entry.traits() };
        self.free_shell(entry);
        detached
    }

    /// A new entry with a value that another one had.
    pub(crate) fn attach(&mut self, key: &[u8], detached: Detached) -> EntryPointer {
        let Detached { value, expire_at, traits } = detached;
        match value {
            DetachedValue::Buffer(buffer) => self.build(key, Body::External(buffer), expire_at, traits),
            DetachedValue::Inline(bytes) => {
                let body = self.body(key.len(), expire_at.is_some(), &bytes, 0, &[]);
                self.build(key, body, expire_at, traits)
            }
        }
    }

    /// A copy of an entry in the heap of now; value or object belong to it from now on. `None`: the entry lies in no heap.
    pub(crate) fn renew(&mut self, entry: EntryPointer) -> Option<EntryPointer> {
        let key = entry.key();
        if key.len() > SLOT_KEY_LEN_MAX {
            return None;
        }
        let body = match entry.buffer() {
            Some(buffer) => Body::External(buffer),
            None => Body::Inline([entry.value(), &[], &[]]),
        };
        Some(self.build(key, body, entry.expire_at(), entry.traits()))
    }

    /// Replaces `removed` bytes of a value that is bytes by `parts`, from `at` on.
    pub(crate) fn splice(&mut self, entry: EntryPointer, at: usize, removed: usize, parts: [&[u8]; 2]) -> EntryPointer {
        let key_len = entry.key().len();
        let expire_at = entry.expire_at();
        let len = entry.value().len() - removed + parts[0].len() + parts[1].len();
        match entry.buffer() {
            Some(mut buffer) if !fits_inline(key_len, len + len / 4, expire_at.is_some()) => {
                self.large.splice(&mut buffer, at, removed, parts);
                entry.set_buffer(buffer);
                return entry;
            }
            None if entry.splice_inline(at, removed, parts, shell_bytes(entry)) => return entry,
            _ => {}
        }
        let old = entry.value();
        let [head, tail] = [&old[..at], &old[at + removed..]];
        let new = if fits_inline(key_len, len, expire_at.is_some()) {
            // An entry has room for three parts, and there may be four.
            let middle = [parts[0], parts[1]].concat();
            self.build(entry.key(), Body::Inline([head, &middle, tail]), expire_at, entry.traits())
        } else {
            let mut buffer = self.large.build(head, 0, parts[0]);
            let end = buffer.len();
            self.large.splice(&mut buffer, end, 0, [parts[1], tail]);
            self.build(entry.key(), Body::External(buffer), expire_at, entry.traits())
        };
        self.free_without_object(entry);
        new
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
        if had_expiry == expire_at.is_some() && !entry.traits().is_object() {
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
        // An object belongs to the new entry now.
        self.free_without_object(entry);
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
            Body::Inline([head, &ZEROS[..zeros], tail])
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
    pub(crate) fn free_shell(&mut self, entry: EntryPointer) {
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

/// Bytes of an entry outside of all heaps: its buffer, and itself if its key is long.
pub(crate) fn large_bytes(entry: EntryPointer) -> usize {
    let key_len = entry.key().len();
    let shell = if key_len > SLOT_KEY_LEN_MAX { huge_layout(key_len).size() } else { 0 };
    shell + entry.buffer().map_or(0, |buffer| buffer.resident_bytes())
}

fn fits_inline(key_len: usize, value_len: usize, expires: bool) -> bool {
    key_len <= SLOT_KEY_LEN_MAX && entry_bytes(key_len, Some(value_len), expires) <= SLOT_BYTES_MAX
}

fn huge_layout(key_len: usize) -> Layout {
    Layout::from_size_align(entry_bytes(key_len, None, true), 8).expect("keys are limited far below isize::MAX")
}
