//! Big values on their way from one keyspace to another of the same process, in constant time.
//!
//! ```text
//! hand_over  the key is gone; its value is in a DetachedValue        take_over  the value is another key's, in another keyspace
//! dropped    on the way: the value is freed at once
//! ```
//! A detached value owns all that it reaches: boxes and buffers of the global allocator, mappings, and of a table its own heap
//! ([`crate::elements`]). A big table that still lies in the shard's heap moves out of it first: so it has at most the
//! thousands of elements from which on it would have done so by itself. What a shard knows *about* a value stays behind and is
//! made anew where it arrives: the counts of its memory, the record of when a field of a hash expires, watchers and waiters of its key.
//!
//! Both keyspaces must hash alike, since a table is found through the hashes of its elements.

use crate::UnixMillis;
use crate::change::Change;
use crate::elements::Elements;
use crate::entry::Traits;
use crate::keyspace::Keyspace;
use crate::large::Buffer;
use crate::object::Object;
use crate::storage::Storage;
use crate::table::hash_of;
use crate::value::{Entry, Occupied, ValueRef};

/// Lists, streams and what is bytes are copied faster than tables are built: they are big from this part of [`BigFrom::bytes`] on.
///
/// [`BigFrom::bytes`]: crate::BigFrom::bytes
const RUNS_ARE_BIG_FROM: usize = 8;

/// A value that has left its key, with its expiry.
#[derive(Debug)]
pub struct DetachedValue {
    /// `None` when it has arrived.
    value: Option<Value>,
    expire_at: Option<UnixMillis>,
    traits: Traits,
    /// A hash by which two keyspaces find out whether they hash alike.
    seal: u64,
}

#[derive(Debug)]
enum Value {
    Object(Box<Object>),
    Bytes(Buffer),
}

// SAFETY: whatever a detached value points to is reached through it alone, as the head of the file says: `hand_over` takes the value's only owner, its
// entry, out of its keyspace, and sees to it that a table lies in a heap of its own, whose pages hold nothing else. None of it depends on the
// thread: there are no thread-local pools, no reference counts and no cells in a value; the global allocator and mappings may be freed
// by any thread. Pointers in it are only used through `&mut` or `&` of the keyspace that has the value, of which there is one at a time.
unsafe impl Send for DetachedValue {}

impl Value {
    /// Bytes that a keyspace counts as large memory while it has the value.
    fn large_bytes(&self) -> usize {
        match self {
            Value::Object(object) => object.external_bytes() + object.elements().map_or(0, Elements::large_bytes),
            Value::Bytes(buffer) => buffer.resident_bytes(),
        }
    }
}

impl ValueRef<'_> {
    /// Whether [`Keyspace::hand_over`] is the way to another keyspace; smaller values are copied in less time.
    pub fn is_big(&self) -> bool {
        let runs_from = self.lens.big_from.bytes / RUNS_ARE_BIG_FROM;
        match (self.object(), self.entry.buffer()) {
            (Some(object), _) => match object.elements() {
                Some(elements) => elements.is_big(self.lens),
                None => object.external_bytes() >= runs_from,
            },
            (None, Some(buffer)) => buffer.resident_bytes() >= runs_from,
            (None, None) => false,
        }
    }
}

impl Keyspace {
    /// Takes the value of a key that is there and is big; the key is gone. Panics otherwise.
    pub fn hand_over(&mut self, db: u16, key: &[u8], now: UnixMillis) -> DetachedValue {
        let seal = self.seal();
        let Entry::Occupied(mut occupied) = self.entry(db, key, now) else { panic!("the caller has found the key") };
        if occupied.value().object().is_some() {
            occupied.walk_object(|object, workshop| object.become_independent(workshop.storage));
        }
        let Occupied { hash, position, entry, .. } = occupied;
        self.take_at(db, hash, position, entry, |before| Change::MovedOut { before });
        self.save_rest(entry);
        let (expire_at, traits) = (entry.expire_at(), entry.traits());
        let storage = &mut self.storage;
        let value = match (entry.object(), entry.buffer()) {
            (Some(object), _) => {
                // SAFETY: made by `create_object` from a box; the entry, its only owner, is given up.
                let mut object = unsafe { Box::from_raw(object.as_ptr()) };
                if let Object::Hash(hash) = &mut *object {
                    storage.field_expiry.forget(hash);
                    // The number is one of this keyspace.
                    hash.id = 0;
                }
                storage.free_without_object(entry);
                Value::Object(object)
            }
            (None, Some(mut buffer)) => {
                storage.large.make_own(&mut buffer);
                storage.free_shell(entry);
                Value::Bytes(buffer)
            }
            (None, None) => panic!("what lies inside its entry is not big"),
        };
        storage.large.uncount(value.large_bytes());
        DetachedValue { value: Some(value), expire_at, traits, seal }
    }

    /// Gives a key the value of a detached value, with its expiry, whatever it held. Panics if the detached value comes from a keyspace that hashes otherwise.
    pub fn take_over(&mut self, db: u16, key: &[u8], mut detached_value: DetachedValue, now: UnixMillis) {
        assert!(detached_value.seal == self.seal(), "keyspaces of one process hash alike");
        self.remove(db, key, now);
        let value = detached_value.value.take().expect("a detached value arrives once");
        let storage = &mut self.storage;
        let entry = match value {
            Value::Object(object) => {
                storage.large.count(object.elements().map_or(0, Elements::large_bytes));
                storage.create_object(key, object, detached_value.expire_at, detached_value.traits.access)
            }
            Value::Bytes(buffer) => {
                storage.large.count(buffer.resident_bytes());
                storage.create_external(key, buffer, detached_value.expire_at, detached_value.traits)
            }
        };
        let hash = hash_of(&self.lens.hasher, key);
        let position = self.insert_at(db, hash, entry);
        Occupied { keyspace: self, db, hash, position, entry, now }.follow_field_expiry();
        self.note_arrival(db, hash, entry);
    }

    fn seal(&self) -> u64 {
        hash_of(&self.lens.hasher, b"seal").0
    }
}

impl Drop for DetachedValue {
    fn drop(&mut self) {
        let Some(value) = self.value.take() else { return };
        let mut storage = Storage::new();
        storage.large.count(value.large_bytes());
        match value {
            Value::Object(object) => storage.free_object(object),
            Value::Bytes(buffer) => storage.large.free(buffer),
        }
        while storage.free_slice().is_some() {}
    }
}
