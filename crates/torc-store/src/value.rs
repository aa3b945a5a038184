//! Handles to keys: to read one ([`ValueRef`]), and to change one after a single lookup
//! ([`Entry`]).

use crate::UnixMillis;
use crate::access::{self, AccessClock};
use crate::entry::{EntryPointer, Traits};
use crate::keyspace::Keyspace;
use crate::segment::{Hash, Position};
use crate::storage::shell_bytes;
use crate::text::{StringForm, encoding_of};

/// Share of the table in the memory of a key, in bytes.
const TABLE_SHARE_BYTES: usize = 11;

/// What a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// A string of bytes.
    String = 0,
}

impl Kind {
    /// The name the TYPE command uses.
    pub fn name(self) -> &'static str {
        match self {
            Kind::String => "string",
        }
    }
}

/// A key with its value, to be read.
#[derive(Clone, Copy, Debug)]
pub struct ValueRef<'a> {
    pub(crate) entry: EntryPointer,
    pub(crate) clock: &'a AccessClock,
}

impl<'a> ValueRef<'a> {
    /// The key.
    pub fn key(&self) -> &'a [u8] {
        self.entry.key()
    }

    /// What the value is.
    pub fn kind(&self) -> Kind {
        match self.entry.traits().kind {
            0 => Kind::String,
            other => unreachable!("no entry of kind {other} is ever made"),
        }
    }

    /// The bytes of a string; `None` for anything else.
    #[inline]
    pub fn as_string(&self) -> Option<&'a [u8]> {
        (self.kind() == Kind::String).then(|| self.entry.value())
    }

    /// When the key expires; it is gone after that millisecond.
    pub fn expire_at(&self) -> Option<UnixMillis> {
        self.entry.expire_at()
    }

    /// The encoding Redis would have chosen, for OBJECT ENCODING.
    pub fn encoding(&self) -> &'static str {
        encoding_of(self.entry.value(), self.entry.traits().form)
    }

    /// How the value was made, which decides the encoding that is shown.
    pub fn form(&self) -> StringForm {
        self.entry.traits().form
    }

    /// Seconds since the last access. Only meaningful under [`AccessClock::Lru`].
    pub fn idle_seconds(&self, now: UnixMillis) -> u64 {
        access::idle_seconds(self.entry.traits().access, now)
    }

    /// The decayed access counter. Only meaningful under [`AccessClock::Lfu`].
    pub fn frequency(&self, now: UnixMillis) -> u8 {
        self.clock.frequency(self.entry.traits().access, now)
    }

    /// Memory of the key, its value and its share of the table.
    pub fn memory_bytes(&self) -> usize {
        let buffer_bytes = self.entry.buffer().map_or(0, |buffer| buffer.resident_bytes());
        shell_bytes(self.entry) + buffer_bytes + TABLE_SHARE_BYTES
    }
}

/// The result of looking a key up in order to change it.
#[derive(Debug)]
pub enum Entry<'a> {
    /// The key is there.
    Occupied(Occupied<'a>),
    /// The key isn't there.
    Vacant(Vacant<'a>),
}

/// A key that is there.
#[derive(Debug)]
pub struct Occupied<'a> {
    pub(crate) keyspace: &'a mut Keyspace,
    pub(crate) db: u16,
    pub(crate) hash: Hash,
    pub(crate) position: Position,
    pub(crate) entry: EntryPointer,
    pub(crate) now: UnixMillis,
}

impl Occupied<'_> {
    /// The key and its value.
    pub fn value(&self) -> ValueRef<'_> {
        self.keyspace.value(self.entry)
    }

    /// Makes the value this string, keeping the expiry.
    pub fn set_string(&mut self, value: &[u8], form: StringForm) {
        self.replace(value, self.entry.expire_at(), form);
    }

    /// Makes the value this string and the expiry this one, as SET does.
    pub fn replace(&mut self, value: &[u8], expire_at: Option<UnixMillis>, form: StringForm) {
        let access = match self.keyspace.clock {
            AccessClock::Lru => self.keyspace.clock.initial(self.now),
            // A key keeps its popularity when it gets another value.
            AccessClock::Lfu { .. } => self.entry.traits().access,
        };
        let traits = Traits { kind: Kind::String as u8, form, access };
        let old_expire_at = self.entry.expire_at();
        let new = self.keyspace.storage.replace(self.entry, value, expire_at, traits);
        self.commit(old_expire_at, new);
    }

    /// Changes or removes the expiry.
    pub fn set_expire_at(&mut self, expire_at: Option<UnixMillis>) {
        let old_expire_at = self.entry.expire_at();
        let new = self.keyspace.storage.set_expire_at(self.entry, expire_at);
        self.commit(old_expire_at, new);
    }

    /// Appends to a string and returns its new length. Panics if the value isn't a string.
    pub fn append(&mut self, data: &[u8]) -> usize {
        self.write_at(self.entry.value().len(), data)
    }

    /// Writes into a string at `offset`, filling a gap with zeros, and returns its new length.
    /// Panics if the value isn't a string.
    pub fn write_at(&mut self, offset: usize, data: &[u8]) -> usize {
        assert!(self.value().kind() == Kind::String, "commands check the type first");
        let old_expire_at = self.entry.expire_at();
        let traits = Traits { form: StringForm::Raw, ..self.entry.traits() };
        let new = self.keyspace.storage.write_at(self.entry, offset, data, traits);
        self.commit(old_expire_at, new);
        self.entry.value().len()
    }

    /// The bytes of a string, to be edited without changing their number; `None` for anything
    /// else. The form stays what it was.
    pub fn bytes_mut(&mut self) -> Option<&mut [u8]> {
        if self.value().kind() != Kind::String {
            return None;
        }
        self.keyspace.observed.note(self.db, self.hash);
        // SAFETY: `self` borrows the keyspace mutably and is itself borrowed while the slice
        // lives.
        Some(unsafe { self.entry.value_mut() })
    }

    /// Notes an access.
    pub fn touch(&mut self, now: UnixMillis) {
        self.keyspace.touch(self.entry, now);
    }

    /// Makes the key look unused for so long (RESTORE's IDLETIME).
    pub fn set_idle_seconds(&mut self, idle_seconds: u64) {
        self.set_access(access::idle_since(idle_seconds, self.now));
    }

    /// Sets the access counter (RESTORE's FREQ).
    pub fn set_frequency(&mut self, frequency: u8) {
        self.set_access(access::with_frequency(frequency, self.now));
    }

    /// Removes the key.
    pub fn remove(self) {
        self.keyspace.remove_at(self.db, self.hash, self.position);
    }

    fn set_access(&mut self, access: u32) {
        self.entry.set_traits(Traits { access, ..self.entry.traits() });
    }

    fn commit(&mut self, old_expire_at: Option<UnixMillis>, new: EntryPointer) {
        self.entry = new;
        self.keyspace.observed.note(self.db, self.hash);
        let database = self.keyspace.databases[self.db as usize].as_deref_mut();
        let database = database.expect("the key's database is there");
        database.replace(self.hash, self.position, old_expire_at, new);
    }
}

/// A key that isn't there.
#[derive(Debug)]
pub struct Vacant<'a> {
    pub(crate) keyspace: &'a mut Keyspace,
    pub(crate) db: u16,
    pub(crate) hash: Hash,
    pub(crate) key: &'a [u8],
    pub(crate) now: UnixMillis,
}

impl Vacant<'_> {
    /// Adds the key with a string as its value.
    pub fn insert_string(self, value: &[u8], expire_at: Option<UnixMillis>, form: StringForm) {
        let access = self.keyspace.clock.initial(self.now);
        let traits = Traits { kind: Kind::String as u8, form, access };
        let entry = self.keyspace.storage.create(self.key, value, expire_at, traits);
        self.keyspace.insert_at(self.db, self.hash, entry);
    }
}
