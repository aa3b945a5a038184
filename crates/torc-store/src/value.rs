//! Handles to keys: to read one ([`ValueRef`]), and to change one after a single lookup
//! ([`Entry`]).

use bytes::Bytes;

use crate::UnixMillis;
use crate::access;
use crate::change::{Change, Part, Place, StreamPart};
use crate::entry::{EntryPointer, Traits};
use crate::keyspace::Keyspace;
use crate::list::List;
use crate::loans::LENT_BYTES_MIN;
use crate::object::{CollectionForm, Object};
use crate::pack;
use crate::segment::{Hash, Position};
use crate::storage::shell_bytes;
use crate::stream::Stream;
use crate::text::{StringForm, encoding_of};
use crate::workshop::{Lens, Workshop};

/// Share of the table in the memory of a key, in bytes.
pub(crate) const TABLE_SHARE_BYTES: usize = 11;

/// What a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// A string of bytes.
    String = 0,
    /// A list of strings.
    List = 1,
    /// A set of strings.
    Set = 2,
    /// A set of strings in the order of their scores.
    SortedSet = 3,
    /// A map of strings.
    Hash = 4,
    /// A log of entries with ids.
    Stream = 6,
}

impl Kind {
    /// What the value of an entry is.
    #[inline]
    pub(crate) fn of(entry: EntryPointer) -> Kind {
        match entry.traits().kind {
            0 => Kind::String,
            1 => Kind::List,
            2 => Kind::Set,
            3 => Kind::SortedSet,
            4 => Kind::Hash,
            6 => Kind::Stream,
            other => unreachable!("no entry of kind {other} is ever made"),
        }
    }

    /// The name the TYPE command uses.
    pub fn name(self) -> &'static str {
        match self {
            Kind::String => "string",
            Kind::List => "list",
            Kind::Set => "set",
            Kind::SortedSet => "zset",
            Kind::Hash => "hash",
            Kind::Stream => "stream",
        }
    }
}

/// How a collection is kept, to be read.
#[derive(Clone, Copy, Debug)]
pub enum Content<'a> {
    /// A [`crate::pack`].
    Packed(&'a [u8]),
    /// Sorted integers of one width.
    Integers(&'a [u8]),
    /// An object of its own.
    Object(&'a Object),
}

/// A key with its value, to be read.
#[derive(Clone, Copy, Debug)]
pub struct ValueRef<'a> {
    pub(crate) entry: EntryPointer,
    pub(crate) lens: &'a Lens,
}

impl<'a> ValueRef<'a> {
    /// The key.
    pub fn key(&self) -> &'a [u8] {
        self.entry.key()
    }

    /// What the value is.
    pub fn kind(&self) -> Kind {
        Kind::of(self.entry)
    }

    /// The bytes of a string; `None` for anything else.
    #[inline]
    pub fn as_string(&self) -> Option<&'a [u8]> {
        (self.kind() == Kind::String).then(|| self.entry.value())
    }

    /// The bytes of a long string, lent: they stay as they are and where they are until the last of them is dropped, on whatever
    /// thread, whatever becomes of the key. `None` for a string that is copied in less time, and for anything else.
    pub fn lend(&self) -> Option<Bytes> {
        let buffer = self.entry.buffer().filter(|buffer| buffer.len() >= LENT_BYTES_MIN)?;
        (self.kind() == Kind::String).then(|| self.lens.loans.lend(buffer))
    }

    /// How a collection is kept. Panics for a string.
    #[inline]
    pub fn content(&self) -> Content<'a> {
        let traits = self.entry.traits();
        assert!(traits.kind != Kind::String as u8, "a string is bytes");
        match traits.collection_form() {
            CollectionForm::Packed => Content::Packed(self.entry.value()),
            CollectionForm::Integers => Content::Integers(self.entry.value()),
            CollectionForm::Object => Content::Object(self.object().expect("the form says so")),
        }
    }

    /// The value as an object, if it is one.
    #[inline]
    pub(crate) fn object(&self) -> Option<&'a Object> {
        // SAFETY: a live entry's object is live, and the handle borrows the keyspace, so that nobody changes it.
        self.entry.object().map(|object| unsafe { object.as_ref() })
    }

    /// The value as a stream, if it is one.
    #[inline]
    pub fn as_stream(&self) -> Option<&'a Stream> {
        match self.object() {
            Some(Object::Stream(stream)) => Some(stream),
            _ => None,
        }
    }

    /// How elements are hashed.
    pub fn lens(&self) -> &'a Lens {
        self.lens
    }

    /// When the key expires; it is gone after that millisecond.
    pub fn expire_at(&self) -> Option<UnixMillis> {
        self.entry.expire_at()
    }

    /// The encoding Redis would have chosen, for OBJECT ENCODING.
    pub fn encoding(&self) -> &'static str {
        match (self.kind(), self.entry.traits().collection_form()) {
            (Kind::String, _) => encoding_of(self.entry.value(), self.form()),
            (Kind::Stream, _) => "stream",
            (_, CollectionForm::Packed) => "listpack",
            (_, CollectionForm::Integers) => "intset",
            (Kind::List, CollectionForm::Object) => "quicklist",
            (Kind::SortedSet, CollectionForm::Object) => "skiplist",
            (Kind::Hash, CollectionForm::Object) if self.is_small_hash() => "listpackex",
            (Kind::Set | Kind::Hash, CollectionForm::Object) => "hashtable",
        }
    }

    fn is_small_hash(&self) -> bool {
        matches!(self.object(), Some(Object::Hash(hash)) if hash.is_small())
    }

    /// How a string was made, which decides the encoding that is shown.
    pub fn form(&self) -> StringForm {
        self.entry.traits().string_form()
    }

    /// Seconds since the last access. Only meaningful under [`AccessClock::Lru`].
    pub fn idle_seconds(&self, now: UnixMillis) -> u64 {
        access::idle_seconds(self.entry.traits().access, now)
    }

    /// The decayed access counter. Only meaningful under [`AccessClock::Lfu`].
    pub fn frequency(&self, now: UnixMillis) -> u8 {
        self.lens.clock.frequency(self.entry.traits().access, now)
    }

    /// Memory of the key, its value and its share of the table.
    pub fn memory_bytes(&self) -> usize {
        let buffer_bytes = self.entry.buffer().map_or(0, |buffer| buffer.resident_bytes());
        let object_bytes = self.object().map_or(0, Object::memory_bytes);
        shell_bytes(self.entry) + buffer_bytes + object_bytes + TABLE_SHARE_BYTES
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

    /// Makes the value this string, keeping the expiry: a change of a string that is there, whatever else was there is replaced.
    pub fn set_string(&mut self, value: &[u8], form: StringForm) {
        let before = Kind::of(self.entry);
        self.put_string(value, self.entry.expire_at(), form);
        match before {
            Kind::String => self.note_change(),
            _ => self.after(Change::Replaced { before, after: Kind::String }),
        }
    }

    /// Makes the value this string and the expiry this one, as SET does.
    pub fn replace(&mut self, value: &[u8], expire_at: Option<UnixMillis>, form: StringForm) {
        let before = Kind::of(self.entry);
        self.put_string(value, expire_at, form);
        self.after(Change::Replaced { before, after: Kind::String });
    }

    // In line: INCR and SET have little else to do.
    #[inline(always)]
    fn put_string(&mut self, value: &[u8], expire_at: Option<UnixMillis>, form: StringForm) {
        let clock = self.keyspace.lens.clock;
        // A key keeps its popularity when it gets another value.
        let access = if clock.counts() { self.entry.traits().access } else { clock.initial(self.now) };
        let traits = Traits { kind: Kind::String as u8, form: form as u8, access };
        self.before(Place::Key);
        let old_expire_at = self.entry.expire_at();
        let new = self.keyspace.storage.replace(self.entry, value, expire_at, traits);
        self.replace_entry(old_expire_at, new);
    }

    /// Makes the value a collection in these bytes (a [`crate::pack`], or integers), whatever it was before.
    pub fn replace_packed(&mut self, kind: Kind, form: CollectionForm, bytes: &[u8], expire_at: Option<UnixMillis>) {
        let before = Kind::of(self.entry);
        self.put_packed(kind, form, bytes, expire_at);
        self.after(Change::Replaced { before, after: kind });
    }

    /// The same value in another form, which is no change yet.
    pub(crate) fn convert_packed(&mut self, form: CollectionForm, bytes: &[u8]) {
        self.put_packed(Kind::of(self.entry), form, bytes, self.entry.expire_at());
    }

    fn put_packed(&mut self, kind: Kind, form: CollectionForm, bytes: &[u8], expire_at: Option<UnixMillis>) {
        assert!(kind != Kind::String && form != CollectionForm::Object, "bytes make packs and integers");
        let traits = Traits { kind: kind as u8, form: form as u8, access: self.entry.traits().access };
        self.before(Place::Key);
        let old_expire_at = self.entry.expire_at();
        let new = self.keyspace.storage.replace(self.entry, bytes, expire_at, traits);
        self.replace_entry(old_expire_at, new);
    }

    /// Makes the value this object, whatever it was before.
    pub fn replace_object(&mut self, object: Object, expire_at: Option<UnixMillis>) {
        let (before, after) = (Kind::of(self.entry), object.kind());
        self.put_object(object, expire_at);
        self.after(Change::Replaced { before, after });
    }

    /// The same value in object form, which is no change yet.
    pub(crate) fn convert_object(&mut self, object: Object) {
        assert!(object.kind() == Kind::of(self.entry), "a value takes another form, not another kind");
        self.put_object(object, self.entry.expire_at());
    }

    fn put_object(&mut self, object: Object, expire_at: Option<UnixMillis>) {
        self.before(Place::Key);
        let (old, old_expire_at) = (self.entry, self.entry.expire_at());
        let access = old.traits().access;
        let new = self.keyspace.storage.create_object(old.key(), Box::new(object), expire_at, access);
        self.keyspace.storage.free(old);
        self.replace_entry(old_expire_at, new);
        self.follow_field_expiry();
    }

    /// Replaces `removed` bytes of a value in packed or integer form by `parts`, from `at` on.
    pub fn splice(&mut self, at: usize, removed: usize, parts: [&[u8]; 2]) {
        self.splice_quietly(at, removed, parts);
        self.note_change();
    }

    fn splice_quietly(&mut self, at: usize, removed: usize, parts: [&[u8]; 2]) {
        assert!(!self.entry.traits().is_object(), "an object has no bytes");
        self.before(Place::Key);
        let old_expire_at = self.entry.expire_at();
        let new = self.keyspace.storage.splice(self.entry, at, removed, parts);
        self.replace_entry(old_expire_at, new);
    }

    /// Replaces `removed` bytes of a packed value by what `write` appends to a buffer, from `at` on, and makes its count
    /// `count`.
    pub fn edit_pack(&mut self, at: usize, removed: usize, count: usize, write: impl FnOnce(&mut Vec<u8>)) {
        let mut scratch = std::mem::take(&mut self.keyspace.scratch);
        scratch.clear();
        write(&mut scratch);
        self.splice_quietly(at, removed, [&scratch, &[]]);
        // SAFETY: `self` borrows the keyspace mutably, and the slice ends with the statement.
        pack::set_count(unsafe { self.entry.value_mut() }, count);
        self.keyspace.keep_scratch(scratch);
        self.note_change();
    }

    /// The bytes of a value in packed or integer form, to be edited without changing their number.
    pub fn packed_mut(&mut self) -> &mut [u8] {
        assert!(!self.entry.traits().is_object(), "an object has no bytes");
        self.before(Place::Key);
        self.note_change();
        // SAFETY: `self` borrows the keyspace mutably and is itself borrowed while the slice lives.
        unsafe { self.entry.value_mut() }
    }

    /// Changes a part of a value in object form; it counts as a change of the key. Panics if it is no object.
    #[inline]
    pub(crate) fn edit_object<T>(
        &mut self,
        part: Part<'_>,
        edit: impl FnOnce(&mut Object, &mut Workshop<'_>) -> T,
    ) -> T {
        let result = self.use_object(part, edit);
        self.note_change();
        result
    }

    /// Works on a part of a value in object form; it is a change of the key if [`Occupied::note_change`] says so. That fields of a hash
    /// have expired is told of in any case. Panics if it is no object.
    #[inline]
    pub(crate) fn use_object<T>(
        &mut self,
        part: Part<'_>,
        work: impl FnOnce(&mut Object, &mut Workshop<'_>) -> T,
    ) -> T {
        self.before(Place::Part(part));
        self.walk_object(work)
    }

    /// Works on a value in object form without changing any of its elements. Panics if it is no object.
    #[inline]
    pub(crate) fn walk_object<T>(&mut self, work: impl FnOnce(&mut Object, &mut Workshop<'_>) -> T) -> T {
        let mut object = self.entry.object().expect("the value is an object");
        // SAFETY: a live entry's object is live; it lies outside of the keyspace's own memory, so that the workshop does
        // not overlap it, and `self`, the only handle, is borrowed mutably.
        let object = unsafe { object.as_mut() };
        let before = object.external_bytes();
        let result = work(object, &mut self.keyspace.workshop());
        let after = object.external_bytes();
        self.keyspace.storage.large.recount(before, after);
        if let Object::Hash(hash) = object {
            self.keyspace.storage.field_expiry.follow(hash, self.db, self.hash);
            if let Some(change) = self.keyspace.changes.take_fields_expired() {
                self.after(change);
            }
        }
        result
    }

    /// Whether keys are being saved.
    #[inline]
    pub(crate) fn is_saving(&self) -> bool {
        self.keyspace.is_saving()
    }

    /// Elements have gone from a list in object form.
    #[inline]
    pub(crate) fn keep_gone(&mut self, gone: List) {
        self.keyspace.keep_gone(self.entry, gone);
    }

    /// Members of a sorted set in object form have gone, and these are their entries.
    pub(crate) fn keep_gone_members(&mut self, gone: Vec<EntryPointer>) {
        let unneeded = self.keyspace.keep_gone_members(self.entry, gone);
        self.walk_object(|object, workshop| match object {
            Object::SortedSet(set) => set.free_all(workshop.storage, unneeded.into_iter()),
            _ => unreachable!("only those of a sorted set are kept"),
        });
    }

    /// Takes note of when fields of a hash expire that has come under this key.
    pub(crate) fn follow_field_expiry(&mut self) {
        if self.entry.traits().is_object() {
            self.walk_object(|_, _| ());
        }
    }

    /// Moves the note of when fields expire to this key, for a hash that came from another.
    pub(crate) fn relocate_field_expiry(&mut self) {
        let (db, key_hash) = (self.db, self.hash);
        if self.value().kind() == Kind::Hash && self.entry.traits().is_object() {
            self.walk_object(|object, workshop| {
                if let Object::Hash(hash) = object {
                    workshop.storage.field_expiry.relocate(hash, db, key_hash);
                }
            });
        }
    }

    /// Changes a part of a stream. Panics if the value is none.
    #[inline]
    pub fn edit_stream<T>(&mut self, part: StreamPart, edit: impl FnOnce(&mut Stream) -> T) -> T {
        let result = self.use_stream(part, edit);
        self.note_change();
        result
    }

    /// Works on a part of a stream; it is a change of the key if [`Occupied::note_change`] says so. Panics if the value is none.
    #[inline]
    pub fn use_stream<T>(&mut self, part: StreamPart, work: impl FnOnce(&mut Stream) -> T) -> T {
        self.use_object(Part::Stream(part), |object, workshop| {
            let Object::Stream(stream) = object else { panic!("commands check the type first") };
            let result = work(stream);
            if let Some(discarded) = stream.take_discarded() {
                workshop.free(Object::Stream(*discarded));
            }
            result
        })
    }

    /// The value has changed: tells those who watch the key, wakes those who wait for it, and records a [`Change::Modified`]. To be called
    /// after a quiet work on it that turned out to change something.
    #[inline]
    pub fn note_change(&mut self) {
        self.after(Change::Modified { kind: Kind::of(self.entry) });
    }

    /// Adds to the number of changes that the running command makes ([`Keyspace::count_changes`]).
    #[inline]
    pub fn count_changes(&mut self, changes: usize) {
        self.keyspace.count_changes(changes);
    }

    /// Gives a string the form of one that was edited (`raw`). This counts as no change, for watchers neither. Panics if the value
    /// isn't a string.
    pub fn make_raw(&mut self) {
        assert!(self.value().kind() == Kind::String, "commands check the type first");
        self.before(Place::Key);
        self.entry.set_traits(Traits { form: StringForm::Raw as u8, ..self.entry.traits() });
    }

    /// Makes a string longer with zeros, up to `len` bytes, without noting a change; the caller calls [`Occupied::note_change`]. Returns
    /// the bytes, to be edited without changing their number. Panics if the value isn't a string.
    pub fn grow_quietly(&mut self, len: usize) -> &mut [u8] {
        self.make_raw();
        let old_len = self.entry.value().len();
        if len > old_len {
            let old_expire_at = self.entry.expire_at();
            let new = self.keyspace.storage.write_at(self.entry, len - 1, &[0], self.entry.traits());
            self.replace_entry(old_expire_at, new);
        }
        self.keyspace.storage.make_own(self.entry);
        // SAFETY: `self` borrows the keyspace mutably and is itself borrowed while the slice lives; a lent value was replaced.
        unsafe { self.entry.value_mut() }
    }

    /// Lists the key as changed for its waiters; for its watchers nothing has changed.
    pub fn wake_waiters(&mut self) {
        self.keyspace.changes.wake(self.db, self.hash);
    }

    /// Makes a new object, for [`Occupied::replace_object`].
    pub fn workshop(&mut self) -> Workshop<'_> {
        self.keyspace.workshop()
    }

    /// Changes or removes the expiry.
    pub fn set_expire_at(&mut self, expire_at: Option<UnixMillis>) {
        self.before(Place::Key);
        let old_expire_at = self.entry.expire_at();
        let new = self.keyspace.storage.set_expire_at(self.entry, expire_at);
        self.replace_entry(old_expire_at, new);
        self.after(Change::ExpiryChanged { kind: Kind::of(new) });
    }

    /// Appends to a string and returns its new length. Panics if the value isn't a string.
    pub fn append(&mut self, data: &[u8]) -> usize {
        self.write_at(self.entry.value().len(), data)
    }

    /// Writes into a string at `offset`, filling a gap with zeros, and returns its new length.
    /// Panics if the value isn't a string.
    pub fn write_at(&mut self, offset: usize, data: &[u8]) -> usize {
        assert!(self.value().kind() == Kind::String, "commands check the type first");
        self.before(Place::Key);
        let old_expire_at = self.entry.expire_at();
        let traits = Traits { form: StringForm::Raw as u8, ..self.entry.traits() };
        let new = self.keyspace.storage.write_at(self.entry, offset, data, traits);
        self.replace_entry(old_expire_at, new);
        self.note_change();
        self.entry.value().len()
    }

    /// The bytes of a string, to be edited without changing their number; `None` for anything
    /// else. The form stays what it was.
    pub fn bytes_mut(&mut self) -> Option<&mut [u8]> {
        if self.value().kind() != Kind::String {
            return None;
        }
        self.before(Place::Key);
        self.note_change();
        self.keyspace.storage.make_own(self.entry);
        // SAFETY: `self` borrows the keyspace mutably and is itself borrowed while the slice lives; a lent value was replaced.
        Some(unsafe { self.entry.value_mut() })
    }

    /// Notes an access.
    pub fn touch(&mut self, now: UnixMillis) {
        self.keyspace.touch(self.entry, now);
    }

    /// Makes the key look unused for so long (RESTORE's IDLETIME).
    pub fn set_idle_seconds(&mut self, idle_seconds: u64) {
        self.set_access(access::idle_since(idle_seconds, self.keyspace.lens.clock.time(self.now)));
    }

    /// Sets the access counter (RESTORE's FREQ).
    pub fn set_frequency(&mut self, frequency: u8) {
        self.set_access(access::with_frequency(frequency, self.keyspace.lens.clock.time(self.now)));
    }

    /// Removes the key.
    pub fn remove(self) {
        self.keyspace.remove_at(self.db, self.hash, self.position, self.entry);
    }

    fn set_access(&mut self, access: u32) {
        self.entry.set_traits(Traits { access, ..self.entry.traits() });
    }

    /// The key is about to change.
    #[inline]
    fn before(&mut self, place: Place<'_>) {
        self.keyspace.before_change(self.db, self.hash, self.entry, place);
    }

    /// The key has changed.
    #[inline]
    fn after(&mut self, change: Change) {
        let Keyspace { changes, lens, .. } = &mut *self.keyspace;
        changes.after_change(lens, self.db, Some(self.hash), self.entry, change);
    }

    #[inline(always)]
    fn replace_entry(&mut self, old_expire_at: Option<UnixMillis>, new: EntryPointer) {
        self.entry = new;
        let database = self.keyspace.databases[self.db as usize].as_deref_mut();
        let database = database.expect("the key's database is there");
        database.replace(self.hash, self.position, old_expire_at, new);
    }
}

/// Zeros that a string is made with at once.
const ZEROS_MAX: usize = 64;

/// A key that isn't there.
#[derive(Debug)]
pub struct Vacant<'a> {
    pub(crate) keyspace: &'a mut Keyspace,
    pub(crate) db: u16,
    pub(crate) hash: Hash,
    pub(crate) key: &'a [u8],
    pub(crate) now: UnixMillis,
}

impl<'a> Vacant<'a> {
    /// Adds the key with a string as its value.
    pub fn insert_string(self, value: &[u8], expire_at: Option<UnixMillis>, form: StringForm) {
        let access = self.keyspace.lens.clock.initial(self.now);
        let traits = Traits { kind: Kind::String as u8, form: form as u8, access };
        let entry = self.keyspace.storage.create(self.key, value, expire_at, traits);
        self.occupied(entry);
    }

    /// Adds the key with a string of `len` zeros as its value, ready to be edited, without noting a change; the caller calls
    /// [`Occupied::note_change`].
    pub fn insert_zeros_quietly(self, len: usize) -> Occupied<'a> {
        let access = self.keyspace.lens.clock.initial(self.now);
        let traits = Traits { kind: Kind::String as u8, form: StringForm::Raw as u8, access };
        let entry = self.keyspace.storage.create(self.key, &[0; ZEROS_MAX][..len.min(ZEROS_MAX)], None, traits);
        let Vacant { keyspace, db, hash, now, .. } = self;
        let position = keyspace.insert_at(db, hash, entry);
        keyspace.changes.after_quiet_change(db, entry, Change::Created { after: Kind::String });
        let mut occupied = Occupied { keyspace, db, hash, position, entry, now };
        // The zeros beyond those are made in place, and are not resident while nothing is written there.
        occupied.grow_quietly(len);
        occupied
    }

    /// Adds the key with a collection in these bytes (a [`crate::pack`], or integers).
    pub fn insert_packed(
        self,
        kind: Kind,
        form: CollectionForm,
        bytes: &[u8],
        expire_at: Option<UnixMillis>,
    ) -> Occupied<'a> {
        assert!(kind != Kind::String && form != CollectionForm::Object, "bytes make packs and integers");
        let access = self.keyspace.lens.clock.initial(self.now);
        let traits = Traits { kind: kind as u8, form: form as u8, access };
        let entry = self.keyspace.storage.create(self.key, bytes, expire_at, traits);
        self.occupied(entry)
    }

    /// Adds the key with an object as its value.
    pub fn insert_object(self, object: Object, expire_at: Option<UnixMillis>) -> Occupied<'a> {
        let access = self.keyspace.lens.clock.initial(self.now);
        let entry = self.keyspace.storage.create_object(self.key, Box::new(object), expire_at, access);
        let mut occupied = self.occupied(entry);
        occupied.follow_field_expiry();
        occupied
    }

    /// Makes a new object, for [`Vacant::insert_object`].
    pub fn workshop(&mut self) -> Workshop<'_> {
        self.keyspace.workshop()
    }

    fn occupied(self, entry: EntryPointer) -> Occupied<'a> {
        let Vacant { keyspace, db, hash, now, .. } = self;
        let position = keyspace.insert_at(db, hash, entry);
        let mut occupied = Occupied { keyspace, db, hash, position, entry, now };
        occupied.after(Change::Created { after: Kind::of(entry) });
        occupied
    }
}
