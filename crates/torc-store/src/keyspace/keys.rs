//! One key: it is looked up, read, changed, moved, removed; and the ways to come by keys without a name.
//!
//! ```text
//!   read, peek, contains       --+
//!   entry, remove, relocate    --+--> lookup --> expired? removed, or only hidden while a transaction may still read it
//!   tidy_entry                 --+
//!   prefetch                   the same way a while before, for the CPU's cache alone
//!   scan, for_each, random     keys as they come
//! ```
//! What puts an entry into its table or takes it out is here too, and tells of it ([`crate::change`]).

use super::{Keyspace, split_borrow};
use crate::UnixMillis;
use crate::change::{Change, Place};
use crate::database::is_expired;
use crate::entry::EntryPointer;
use crate::segment::{Hash, Home, Position, mix};
use crate::table::{Table, hash_of};
use crate::value::{Entry, Kind, Occupied, Vacant, ValueRef};

/// Expired keys `random` removes before it gives up.
const RANDOM_TRIES_MAX: usize = 1000;

/// Most elements that [`Keyspace::prefetch_elements`] looks at.
pub const LOOK_AHEAD_MAX: usize = 16;

/// What a key is looked up for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// An expired key may have to stay for others.
    Read,
    /// An expired key can be removed: the caller holds it exclusively.
    Write,
}

/// A key, or a name in a table of elements, whose part of the table is on its way into the cache.
#[derive(Clone, Copy, Debug, Default)]
pub struct Prefetched<'k>(Option<Home<'k>>);

impl<'k> Prefetched<'k> {
    #[inline]
    pub(crate) fn of(table: &'k Table, hash: Hash) -> Prefetched<'k> {
        Prefetched(table.prefetch(hash))
    }

    /// Asks the CPU to fetch the entry that the lookup will most likely end at, once the part of the table has had time
    /// to arrive.
    #[inline]
    pub fn fetch_entry(self) {
        if let Some(entry) = self.likely_entry() {
            entry.prefetch();
        }
    }

    #[inline]
    fn likely_entry(self) -> Option<EntryPointer> {
        Some(self.0?.likely_slot()?.entry())
    }
}

/// The hash of a key, for whoever looks at the same key several times.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KeyHash(Hash);

/// Many keys, one after another: a lookup in steps, each of which asks for the memory that the next one needs.
impl Keyspace {
    /// The hash of a key.
    #[inline]
    pub fn hash(&self, key: &[u8]) -> KeyHash {
        KeyHash(hash_of(&self.lens.hasher, key))
    }

    /// First: where in the table the key is, is fetched.
    #[inline]
    pub fn prefetch_segment(&self, db: u16, hash: KeyHash) {
        if let Some(table) = self.table(db) {
            table.prefetch_header(hash.0);
        }
    }

    /// Then that part of the table.
    #[inline]
    pub fn prefetch_group(&self, db: u16, hash: KeyHash) {
        if let Some(table) = self.table(db) {
            let _ = table.prefetch(hash.0);
        }
    }

    /// At last as [`Keyspace::entry`] does, with the hash of that key.
    pub fn entry_hashed<'a>(&'a mut self, db: u16, key: &'a [u8], hash: KeyHash, now: UnixMillis) -> Entry<'a> {
        debug_assert_eq!(hash, self.hash(key));
        match self.lookup_hashed(db, key, hash.0, now, Purpose::Write) {
            Some((position, entry)) => {
                Entry::Occupied(Occupied { keyspace: self, db, hash: hash.0, position, entry, now })
            }
            None => Entry::Vacant(Vacant { keyspace: self, db, hash: hash.0, key, now }),
        }
    }

    /// A database is being filled, and will have about so many keys: it grows straight to what those need. `None`: no
    /// longer. A number that is too high costs no more memory than half-empty tables.
    pub fn expect_keys(&mut self, db: u16, keys: Option<u64>) {
        if keys.is_some() {
            self.databases[db as usize].get_or_insert_default();
        }
        if let Some(database) = self.databases[db as usize].as_deref_mut() {
            database.expect(keys);
        }
    }
}

/// A key by its name.
impl Keyspace {
    /// Reads a key for a command; one that has expired counts as absent and is removed.
    /// `touch` notes the access in the entry.
    pub fn read(&mut self, db: u16, key: &[u8], now: UnixMillis, touch: bool) -> Option<ValueRef<'_>> {
        let (_, found) = self.lookup(db, key, now, Purpose::Read);
        let (_, entry) = found?;
        if touch {
            self.touch(entry, now);
        }
        Some(self.value(entry))
    }

    /// Reads a key beside others, for commands that look at several values at once: no access is noted and nothing removed; one that
    /// has expired counts as absent.
    pub fn peek(&self, db: u16, key: &[u8], now: UnixMillis) -> Option<ValueRef<'_>> {
        let (_, slot) = self.table(db)?.find(hash_of(&self.lens.hasher, key), key)?;
        let entry = slot.entry();
        if is_expired(entry.expire_at(), now) {
            self.note_hidden(entry);
            return None;
        }
        Some(self.value(entry))
    }

    /// Looks a key up in order to change it: one probe, whatever is done then.
    #[inline]
    pub fn entry<'a>(&'a mut self, db: u16, key: &'a [u8], now: UnixMillis) -> Entry<'a> {
        let hash = self.hash(key);
        self.entry_hashed(db, key, hash, now)
    }

    /// Looks a key up for a command that reads it and may tidy up meanwhile, without a change that a client could see.
    pub fn tidy_entry<'a>(&'a mut self, db: u16, key: &[u8], now: UnixMillis) -> Option<Occupied<'a>> {
        let (hash, found) = self.lookup(db, key, now, Purpose::Read);
        let (position, entry) = found?;
        Some(Occupied { keyspace: self, db, hash, position, entry, now })
    }

    /// Removes a key. Whether it was there.
    pub fn remove(&mut self, db: u16, key: &[u8], now: UnixMillis) -> bool {
        let (hash, found) = self.lookup(db, key, now, Purpose::Write);
        found.inspect(|&(position, entry)| self.remove_at(db, hash, position, entry)).is_some()
    }

    /// Removes a key whose value goes on under another one, as a copy that was made before. Whether it was there.
    pub fn move_out(&mut self, db: u16, key: &[u8], now: UnixMillis) -> bool {
        let (hash, found) = self.lookup(db, key, now, Purpose::Write);
        let Some((position, entry)) = found else { return false };
        self.take_at(db, hash, position, entry, |before| Change::MovedOut { before });
        self.storage.free(entry);
        true
    }

    /// Gives the value of a key, with its expiry, to another name or database, in constant time; what the other name
    /// held is gone. Panics if the key is not there.
    pub fn relocate(&mut self, from: (u16, &[u8]), to: (u16, &[u8]), now: UnixMillis) {
        self.remove(to.0, to.1, now);
        let (hash, found) = self.lookup(from.0, from.1, now, Purpose::Write);
        let (position, entry) = found.expect("the caller has found the key");
        self.take_at(from.0, hash, position, entry, |before| Change::MovedOut { before });
        let detached = self.storage.detach(entry);
        let entry = self.storage.attach(to.1, detached);
        let hash = hash_of(&self.lens.hasher, to.1);
        let position = self.insert_at(to.0, hash, entry);
        Occupied { keyspace: self, db: to.0, hash, position, entry, now }.relocate_field_expiry();
        self.note_arrival(to.0, hash, entry);
    }

    /// Whether a key is there. Doesn't count as an access.
    pub fn contains(&mut self, db: u16, key: &[u8], now: UnixMillis) -> bool {
        self.lookup(db, key, now, Purpose::Read).1.is_some()
    }

    /// Asks the CPU to fetch the part of the table that a lookup of the key will need.
    #[inline]
    pub fn prefetch(&self, db: u16, key: &[u8]) -> Prefetched<'_> {
        let Some(table) = self.table(db) else { return Prefetched::default() };
        Prefetched::of(table, hash_of(&self.lens.hasher, key))
    }

    /// Asks the CPU to fetch elements of big collections: each with the key of its collection, whose entry has had time to
    /// arrive. Small collections have nothing to fetch. At most [`LOOK_AHEAD_MAX`] are looked at.
    pub fn prefetch_elements<'k>(&'k self, wanted: impl Iterator<Item = (Prefetched<'k>, &'k [u8])>) {
        let mut ahead = [Prefetched::default(); LOOK_AHEAD_MAX];
        for ((key, name), place) in wanted.zip(&mut ahead) {
            let entry = key.likely_entry();
            let Some(elements) = entry.and_then(|entry| self.value(entry).object()?.elements()) else { continue };
            *place = elements.prefetch(&self.lens, name);
        }
        ahead.into_iter().for_each(Prefetched::fetch_entry);
    }

    #[inline]
    pub(super) fn lookup(
        &mut self,
        db: u16,
        key: &[u8],
        now: UnixMillis,
        purpose: Purpose,
    ) -> (Hash, Option<(Position, EntryPointer)>) {
        let hash = hash_of(&self.lens.hasher, key);
        (hash, self.lookup_hashed(db, key, hash, now, purpose))
    }

    #[inline]
    fn lookup_hashed(
        &mut self,
        db: u16,
        key: &[u8],
        hash: Hash,
        now: UnixMillis,
        purpose: Purpose,
    ) -> Option<(Position, EntryPointer)> {
        let (position, slot) = self.table(db)?.find(hash, key)?;
        let entry = slot.entry();
        if slot.expires() && is_expired(entry.expire_at(), now) {
            if purpose == Purpose::Write || !self.note_hidden(entry) {
                self.expire_at(db, hash, position, entry);
            }
            return None;
        }
        Some((position, entry))
    }

    /// Whether a key that has expired is one that must stay, only hidden; then that it was met is noted.
    pub(super) fn note_hidden(&self, entry: EntryPointer) -> bool {
        let is_hidden = !is_expired(entry.expire_at(), self.expiry_floor);
        if is_hidden {
            self.met_hidden.set(true);
        }
        is_hidden
    }
}

/// Keys as they come.
impl Keyspace {
    /// Visits about `count` keys from `cursor` on, 0 at first, and returns the cursor to go on
    /// with, 0 at the end. A key that is there from the first call to the last is visited at
    /// least once, whatever else happens to the database between the calls. Cursors are below
    /// 2^43; any other number ends the scan. Expired keys are removed, not visited.
    pub fn scan(
        &mut self,
        db: u16,
        cursor: u64,
        count: usize,
        now: UnixMillis,
        visit: &mut dyn FnMut(ValueRef<'_>),
    ) -> u64 {
        let floor = self.expiry_floor;
        let (mut expired, mut has_hidden) = (Vec::new(), false);
        let Some((database, mut tools, changes)) = split_borrow(self, db) else { return 0 };
        let lens = tools.lens;
        let next = database.scan(&mut tools, cursor, count.max(1), |slot| {
            let entry = slot.entry();
            let hidden = slot.expires() && is_expired(entry.expire_at(), now);
            let gone = hidden && is_expired(entry.expire_at(), floor);
            if gone {
                changes.before_change(lens, db, entry, Place::Key);
                expired.push(entry);
            } else if hidden {
                has_hidden = true;
            } else {
                visit(ValueRef { entry, lens });
            }
            gone
        });
        if has_hidden {
            self.met_hidden.set(true);
        }
        expired.into_iter().for_each(|entry| self.end_expired(db, None, entry));
        next
    }

    /// Visits all keys of a database that haven't expired.
    pub fn for_each(&self, db: u16, now: UnixMillis, visit: &mut dyn FnMut(ValueRef<'_>)) {
        let Some(table) = self.table(db) else { return };
        table.for_each(|slot| {
            let entry = slot.entry();
            if slot.expires() && is_expired(entry.expire_at(), now) {
                self.note_hidden(entry);
            } else {
                visit(self.value(entry));
            }
        });
    }

    /// A key chosen by the number `random`, each about equally likely. Expired keys it meets
    /// are removed; after a thousand of them it gives up.
    pub fn random(&mut self, db: u16, random: u64, now: UnixMillis) -> Option<ValueRef<'_>> {
        let mut random = random;
        for _ in 0..RANDOM_TRIES_MAX {
            let (position, slot) = self.table(db)?.random(random)?;
            let entry = slot.entry();
            if !is_expired(entry.expire_at(), now) {
                return Some(self.value(entry));
            }
            if !self.note_hidden(entry) {
                // The key's own hash, by which it may be observed.
                self.expire_at(db, hash_of(&self.lens.hasher, entry.key()), position, entry);
            }
            random = mix(random);
        }
        None
    }
}

/// Entries: looked at, put into their table, taken out of it.
impl Keyspace {
    pub(crate) fn value(&self, entry: EntryPointer) -> ValueRef<'_> {
        ValueRef { entry, lens: &self.lens }
    }

    /// Notes an access in the entry.
    pub(crate) fn touch(&mut self, entry: EntryPointer, now: UnixMillis) {
        let mut traits = entry.traits();
        let access = self.lens.clock.touched(traits.access, now, self.next_random());
        if access != traits.access {
            traits.access = access;
            entry.set_traits(traits);
        }
    }

    /// Takes a key out of its table and frees it.
    pub(crate) fn remove_at(&mut self, db: u16, hash: Hash, position: Position, entry: EntryPointer) {
        self.take_at(db, hash, position, entry, |before| Change::Removed { before });
        self.storage.free(entry);
    }

    /// Takes a key out of its table; its entry is the caller's from now on. `change` says what that was, of a value of this kind.
    pub(crate) fn take_at(
        &mut self,
        db: u16,
        hash: Hash,
        position: Position,
        entry: EntryPointer,
        change: impl FnOnce(Kind) -> Change,
    ) {
        self.before_change(db, hash, entry, Place::Key);
        self.take_out(db, hash, position, entry);
        self.changes.after_change(&self.lens, db, Some(hash), entry, change(Kind::of(entry)));
    }

    /// Removes a key that has expired.
    pub(super) fn expire_at(&mut self, db: u16, hash: Hash, position: Position, entry: EntryPointer) {
        // What has expired need not be saved.
        self.changes.before_change(&self.lens, db, entry, Place::Key);
        self.take_out(db, hash, position, entry);
        self.end_expired(db, Some(hash), entry);
    }

    fn take_out(&mut self, db: u16, hash: Hash, position: Position, entry: EntryPointer) {
        let (database, mut tools, _) = split_borrow(self, db).expect("the key's database is there");
        let taken = database.remove(&mut tools, hash, position);
        assert!(taken == entry, "the key lies where it was found");
    }

    /// Tells of a key that has expired and is out of its table, and frees it.
    pub(super) fn end_expired(&mut self, db: u16, hash: Option<Hash>, entry: EntryPointer) {
        self.changes.after_change(&self.lens, db, hash, entry, Change::Expired { before: Kind::of(entry) });
        self.storage.free(entry);
    }

    /// Adds an entry whose key isn't there; the caller tells what that was.
    pub(crate) fn insert_at(&mut self, db: u16, hash: Hash, entry: EntryPointer) -> Position {
        self.before_change(db, hash, entry, Place::Absent);
        self.databases[db as usize].get_or_insert_default();
        let (database, mut tools, _) = split_borrow(self, db).expect("made just now");
        database.insert(&mut tools, hash, entry)
    }

    /// Tells of a value that has come from another key.
    pub(crate) fn note_arrival(&mut self, db: u16, hash: Hash, entry: EntryPointer) {
        self.changes.after_change(&self.lens, db, Some(hash), entry, Change::MovedIn { after: Kind::of(entry) });
    }
}
