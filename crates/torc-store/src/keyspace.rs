//! The keyspace of one shard: its databases, the memory they share, and the work that goes on
//! beside the commands.
//!
//! ```text
//! Keyspace -+- databases: Database -> Directory -> Segment -> Group -> Slot --+
//!           +- storage: Heap (entries, segments, blocks) <--------------------+
//!           |           LargeSpace (buffers of large values)
//!           +- doomed: databases flushed lazily, freed by `background`
//! ```
//!
//! Everything is single-threaded and deterministic: the time is passed in, and whatever is
//! random follows from the seed. Expired keys are removed when a command meets them or when
//! `background` does; no command ever sees one.

use std::cell::Cell;

use ahash::RandomState;

use crate::UnixMillis;
use crate::access::AccessClock;
use crate::change::{Change, Changes, Part, Place, RecordedChange};
use crate::database::{Database, is_expired};
use crate::elements::BigFrom;
use crate::entry::EntryPointer;
use crate::field_expiry::Due;
use crate::group_counts::{GroupCounts, GroupOf};
use crate::large::RELEASE_SLICE_BYTES;
use crate::object::Object;
use crate::segment::{Hash, Home, Position, mix};
use crate::storage::Storage;
use crate::table::{Dismantled, Table, Tools, hash_of};
use crate::value::{Entry, Kind, Occupied, Vacant, ValueRef};
use crate::workshop::{Lens, Workshop};

/// Nanoseconds of a unit of background work.
const UNIT_NS: u64 = 100;
/// Estimated costs of the steps of background work, in nanoseconds.
const SEGMENT_PASSED_NS: u64 = 12;
const SEGMENT_SWEPT_NS: u64 = 500;
const KEY_EXAMINED_NS: u64 = 15;
const KEY_FREED_NS: u64 = 40;
const SLICE_RELEASED_NS: u64 = RELEASE_SLICE_BYTES as u64 / 8;
const OBJECT_SLICE_NS: u64 = 30_000;
const TABLE_SLICE_NS: u64 = 1_000;
/// An element or key of a table, not in any cache.
const ELEMENT_FREED_NS: u64 = 200;
/// A few empty pages given back to the system.
const PAGES_RETURNED_NS: u64 = 20_000;
/// A scratch buffer larger than this is given back.
const SCRATCH_BYTES_MAX: usize = 64 << 10;
/// Expired keys `random` removes before it gives up.
const RANDOM_TRIES_MAX: usize = 1000;

/// Most elements that [`Keyspace::prefetch_elements`] looks at.
pub const LOOK_AHEAD_MAX: usize = 16;

/// How to set a keyspace up.
#[derive(Clone, Copy, Debug)]
pub struct KeyspaceOptions {
    /// Number of databases.
    pub databases: u16,
    /// Seed of the key hash and of everything random; keep it secret from clients. All keyspaces of a process have the same, so that
    /// big values can go from one to another.
    pub hash_seed: [u64; 4],
}

/// Counters of a keyspace since its start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KeyspaceStats {
    /// Keys removed because they had expired.
    pub expired_keys: u64,
    /// Fields of hashes removed because they had expired.
    pub expired_fields: u64,
    /// Keys and large values waiting to be freed by `background`.
    pub lazyfree_pending_objects: u64,
    /// Keys and large values freed by `background`.
    pub lazyfreed_objects: u64,
    /// Segments split in two.
    pub splits: u64,
    /// Segments whose keys were hashed again.
    pub rehashes: u64,
    /// Pairs of segments merged.
    pub merges: u64,
    /// Longest time by which `background` removed a key after its expiry, in milliseconds.
    pub expiry_lag_ms_max: u64,
    /// Most keys a single insertion has moved inside the table.
    pub keys_moved_max: usize,
    /// Most cells of the directory a single insertion has copied.
    pub cells_moved_max: usize,
}

/// Memory of a keyspace, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MemoryUse {
    /// Slots holding entries.
    pub entries_bytes: usize,
    /// Parts of the heap's pages that hold nothing.
    pub entries_wasted_bytes: usize,
    /// Segments and directories.
    pub table_bytes: usize,
    /// Values and keys outside the heap, including ones waiting to be freed.
    pub large_bytes: usize,
    /// All of the above.
    pub total_bytes: usize,
}

/// What a call of [`Keyspace::background`] did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Background {
    /// Units of about 100 ns used, by estimate.
    pub units_used: u32,
    /// Whether there was more to do at this time.
    pub more: bool,
    /// Keys removed because they had expired.
    pub expired: u32,
}

/// All databases of one shard.
#[derive(Debug)]
pub struct Keyspace {
    pub(crate) storage: Storage,
    /// Made on the first insert.
    pub(crate) databases: Vec<Option<Box<Database>>>,
    pub(crate) lens: Lens,
    pub(crate) changes: Changes,
    /// For the bytes of an edit before they go to their place.
    pub(crate) scratch: Vec<u8>,
    random: u64,
    doomed: Vec<Dismantled>,
    stats: KeyspaceStats,
    active_expire: bool,
    /// Keys that expired at this time or later are hidden; only a write removes them.
    pub(crate) expiry_floor: UnixMillis,
    /// A lookup has met such a key. It is a cell as those who only peek note it too.
    met_hidden: Cell<bool>,
    /// The database the sweep is at.
    sweep_db: usize,
}

/// What a key is looked up for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Purpose {
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

impl Keyspace {
    /// An empty keyspace.
    pub fn new(options: KeyspaceOptions) -> Keyspace {
        assert!(options.databases > 0, "there is always database 0");
        let [a, b, c, d] = options.hash_seed;
        Keyspace {
            storage: Storage::new(),
            databases: std::iter::repeat_with(|| None).take(options.databases.into()).collect(),
            lens: Lens {
                hasher: RandomState::with_seeds(a, b, c, d),
                clock: AccessClock::default(),
                big_from: BigFrom::DEFAULT,
            },
            changes: Changes::default(),
            scratch: Vec::new(),
            random: mix(a ^ b.rotate_left(16) ^ c.rotate_left(32) ^ d.rotate_left(48)),
            doomed: Vec::new(),
            stats: KeyspaceStats::default(),
            active_expire: true,
            expiry_floor: UnixMillis::MAX,
            met_hidden: Cell::new(false),
            sweep_db: 0,
        }
    }

    /// Number of databases.
    pub fn databases(&self) -> u16 {
        self.databases.len() as u16
    }

    /// Number of keys, expired ones not yet removed included.
    pub fn len(&self, db: u16) -> usize {
        self.table(db).map_or(0, Table::len)
    }

    /// Whether a database has no keys.
    pub fn is_empty(&self, db: u16) -> bool {
        self.len(db) == 0
    }

    /// Number of keys with an expiry.
    pub fn expires_len(&self, db: u16) -> usize {
        self.database(db).map_or(0, |database| database.expiries().len())
    }

    /// Number of hashes with fields that expire.
    pub fn expiring_hashes_len(&self, db: u16) -> usize {
        self.storage.field_expiry.len(db)
    }

    /// Mean time to live of the keys with an expiry, in milliseconds; 0 without such keys.
    pub fn average_ttl_ms(&self, db: u16, now: UnixMillis) -> i64 {
        self.database(db).map_or(0, |database| database.expiries().average_ttl_ms(now))
    }

    /// What the access field of entries means from now on.
    pub fn set_access_clock(&mut self, clock: AccessClock) {
        self.lens.clock = clock;
    }

    /// From when on tables are big and get a heap of their own; for tests, in which little is big.
    pub fn set_big_from(&mut self, big_from: BigFrom) {
        self.lens.big_from = big_from;
    }

    /// Whether `background` looks for expired keys.
    pub fn set_active_expire(&mut self, active: bool) {
        self.active_expire = active;
    }

    /// Keys that expire at `floor` or later are only hidden when they have expired, since a transaction may still read them
    /// at that time; only a write to such a key removes it. `UnixMillis::MAX`: there is no such reader.
    pub fn set_expiry_floor(&mut self, floor: UnixMillis) {
        self.expiry_floor = floor;
    }

    /// Whether a lookup has met a key that has expired and is only hidden ([`Keyspace::set_expiry_floor`]) since the last call.
    pub fn take_met_hidden(&mut self) -> bool {
        self.met_hidden.take()
    }

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
    pub fn entry<'a>(&'a mut self, db: u16, key: &'a [u8], now: UnixMillis) -> Entry<'a> {
        let (hash, found) = self.lookup(db, key, now, Purpose::Write);
        match found {
            Some((position, entry)) => Entry::Occupied(Occupied { keyspace: self, db, hash, position, entry, now }),
            None => Entry::Vacant(Vacant { keyspace: self, db, hash, key, now }),
        }
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

    /// Adds to the number of changes that the running command makes. One that counts none has made one if it changed any key.
    #[inline]
    pub fn count_changes(&mut self, changes: usize) {
        self.changes.count(changes as u64);
    }

    /// A command is over: adds its changes to those of all commands, unless it has failed. Returns whether it has made any.
    #[inline]
    pub fn settle_changes(&mut self, has_failed: bool) -> bool {
        self.changes.settle(has_failed)
    }

    /// Whether somebody observes a key, or changes are recorded: without, there is never anything to take.
    #[inline]
    pub fn is_heard(&self) -> bool {
        self.changes.is_awaited()
    }

    /// Changes that commands have made since the start, as Redis counts them: mostly keys, elements or fields.
    pub fn changes(&self) -> u64 {
        self.changes.total()
    }

    /// Watches a key: from now on its changes are noted. One that has expired is removed first. Returns its version, a number that
    /// grows with every change; ends with [`Keyspace::unwatch`].
    pub fn watch(&mut self, db: u16, key: &[u8], now: UnixMillis) -> u64 {
        let (hash, _) = self.lookup(db, key, now, Purpose::Write);
        self.changes.observe(|observed| observed.watch(db, hash, key))
    }

    /// Ends one [`Keyspace::watch`] of a key. Panics if there is none.
    pub fn unwatch(&mut self, db: u16, key: &[u8]) {
        let hash = hash_of(&self.lens.hasher, key);
        self.changes.observe(|observed| observed.unwatch(db, hash));
    }

    /// Whether a watched key has changed since it had this version. That it has expired is a change.
    /// Panics if the key is not watched.
    pub fn has_changed(&mut self, db: u16, key: &[u8], version: u64, now: UnixMillis) -> bool {
        let (hash, found) = self.lookup(db, key, now, Purpose::Read);
        // What is hidden was there when it was watched: one that had expired by then was removed.
        let hidden = found.is_none() && self.holds(db, key);
        hidden || self.changes.observed().version(db, hash) != version
    }

    /// Adds a waiter to the key: from now on the key's changes are listed. Ends with [`Keyspace::unawait_key`].
    pub fn await_key(&mut self, db: u16, key: &[u8]) {
        let hash = hash_of(&self.lens.hasher, key);
        self.changes.observe(|observed| observed.await_key(db, hash, key));
    }

    /// Ends one [`Keyspace::await_key`]; with the last, the key's changes not yet taken are forgotten. Panics if there is none.
    pub fn unawait_key(&mut self, db: u16, key: &[u8]) {
        let hash = hash_of(&self.lens.hasher, key);
        self.changes.observe(|observed| observed.unawait_key(db, hash));
    }

    /// Lists the key as changed for its waiters, though it has not changed.
    pub fn wake_key(&mut self, db: u16, key: &[u8]) {
        let hash = hash_of(&self.lens.hasher, key);
        self.changes.wake(db, hash);
    }

    /// Whether the key has a waiter.
    pub fn is_awaited(&self, db: u16, key: &[u8]) -> bool {
        let observed = self.changes.observed();
        observed.awaited() > 0 && observed.is_awaited(db, hash_of(&self.lens.hasher, key))
    }

    /// Number of keys with waiters.
    #[inline]
    pub fn awaited_len(&self) -> usize {
        self.changes.observed().awaited()
    }

    /// Number of keys that are watched or have waiters.
    pub fn observed_len(&self) -> usize {
        self.changes.observed().len()
    }

    /// Whether awaited keys have changed since the last [`Keyspace::take_changes`].
    #[inline]
    pub fn has_changes(&self) -> bool {
        self.changes.observed().has_changes()
    }

    /// The awaited keys that have changed since the last call, in the order of their first change.
    pub fn take_changes(&mut self) -> Vec<(u16, Box<[u8]>)> {
        self.changes.observe(|observed| observed.take_changes())
    }

    /// Counts keys by group from now on: `group_of` gives one of `groups` numbers for each key. Panics if there are keys already.
    pub fn count_groups(&mut self, groups: usize, group_of: GroupOf) {
        assert!((0..self.databases()).all(|db| self.is_empty(db)), "keys are counted from the first on");
        self.changes.count_groups(GroupCounts::new(self.databases(), groups, group_of));
    }

    /// Number of keys of a group, expired ones not yet removed included; `None` if they are not counted.
    pub fn group_len(&self, db: u16, group: u16) -> Option<usize> {
        self.changes.counts().map(|counts| counts.len(db, group))
    }

    /// Whether all changes are kept from now on for [`Keyspace::take_recorded_changes`], which somebody must call then: they take memory until
    /// they are taken. At first they are not. At the end of recording, those not taken are forgotten.
    pub fn record_changes(&mut self, is_recording: bool) {
        self.changes.record(is_recording);
    }

    /// Whether changes are recorded that are not taken yet.
    #[inline]
    pub fn has_recorded_changes(&self) -> bool {
        self.changes.has_recorded()
    }

    /// The changes since the last call, in the order in which they happened; a command may have made several of one key. What a command
    /// does to a key without a change to who watches it is not among them.
    pub fn take_recorded_changes(&mut self) -> Vec<RecordedChange> {
        self.changes.take_recorded()
    }

    /// Removes all keys of a database; `lazy` leaves the freeing to `background`.
    pub fn flush(&mut self, db: u16, lazy: bool) {
        let observed = self.observed_keys(db, |keyspace, key| keyspace.holds(db, key));
        let was_empty = self.is_empty(db);
        self.changes.before_database_change(&self.lens, db);
        self.take_all_away(db, lazy);
        if !was_empty {
            self.changes.after_database_change(db, observed, Change::Flushed);
        }
    }

    /// Removes all keys of all databases.
    pub fn flush_all(&mut self, lazy: bool) {
        (0..self.databases()).for_each(|db| self.flush(db, lazy));
    }

    /// Exchanges two databases. An observed key changes if it is in either of them.
    pub fn swap(&mut self, db_a: u16, db_b: u16, now: UnixMillis) {
        if db_a == db_b {
            return;
        }
        let mut observed = Vec::new();
        for (db, other) in [(db_a, db_b), (db_b, db_a)] {
            observed.extend(self.observed_keys(db, |keyspace, key| {
                // What has expired goes first, so that it does not arrive in the other database as something new.
                let [goes, comes] = [db, other].map(|db| keyspace.lookup(db, key, now, Purpose::Write).1.is_some());
                goes || comes
            }));
        }
        [db_a, db_b].iter().for_each(|&db| self.changes.before_database_change(&self.lens, db));
        self.databases.swap(db_a.into(), db_b.into());
        self.storage.field_expiry.swap(db_a, db_b);
        self.changes.after_database_change(db_a, observed, Change::Swapped { with: db_b });
    }

    /// Removes expired keys and frees what waits for it, for about `units` of 100 ns; exceeds
    /// them by one small step (a segment, or a slice of a large value) at most.
    pub fn background(&mut self, now: UnixMillis, units: u32) -> Background {
        let budget_ns = u64::from(units) * UNIT_NS;
        let mut spent_ns = 0;
        let expired_before = self.changes.expired_keys();
        // What expires may empty as many pages at once as what is freed.
        self.storage.heap.defer_returns(true);
        let mut more = self.free_doomed(budget_ns, &mut spent_ns);
        if self.active_expire {
            let now = now.min(self.expiry_floor);
            // Keys get at least half of what is left.
            more |= self.sweep_fields(now, spent_ns.midpoint(budget_ns.max(spent_ns)), &mut spent_ns);
            more |= self.sweep(now, budget_ns, &mut spent_ns);
        }
        self.storage.heap.defer_returns(false);
        more |= self.storage.heap.has_excess();
        Background {
            units_used: spent_ns.div_ceil(UNIT_NS) as u32,
            more,
            expired: (self.changes.expired_keys() - expired_before) as u32,
        }
    }

    /// Counters.
    pub fn stats(&self) -> KeyspaceStats {
        let keys: usize = self.doomed.iter().map(Dismantled::len).sum();
        let pending = (keys + self.storage.large.doomed_len() + self.storage.doomed_len()) as u64;
        KeyspaceStats {
            lazyfree_pending_objects: pending,
            expired_keys: self.changes.expired_keys(),
            expired_fields: self.changes.expired_fields(),
            ..self.stats
        }
    }

    /// Memory use; counted, not estimated.
    pub fn memory(&self) -> MemoryUse {
        let heap = self.storage.heap.usage();
        let directories: usize = self
            .databases
            .iter()
            .flatten()
            .map(|database| database.table().directory_bytes() + size_of::<Database>())
            .chain(self.doomed.iter().map(Dismantled::directory_bytes))
            .sum();
        let large_bytes = self.storage.large.bytes() + self.storage.field_expiry.bytes();
        MemoryUse {
            entries_bytes: heap.entries,
            entries_wasted_bytes: heap.pages - heap.entries - heap.table,
            table_bytes: heap.table + directories,
            large_bytes,
            total_bytes: heap.pages + directories + large_bytes,
        }
    }

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
        self.take_out(db, hash, position, entry);
        self.changes.after_change(&self.lens, db, Some(hash), entry, change(Kind::of(entry)));
    }

    /// Removes a key that has expired.
    fn expire_at(&mut self, db: u16, hash: Hash, position: Position, entry: EntryPointer) {
        self.take_out(db, hash, position, entry);
        self.end_expired(db, Some(hash), entry);
    }

    fn take_out(&mut self, db: u16, hash: Hash, position: Position, entry: EntryPointer) {
        self.changes.before_change(&self.lens, db, entry, Place::Key);
        let (database, mut tools, _) = split_borrow(self, db).expect("the key's database is there");
        let taken = database.remove(&mut tools, hash, position);
        assert!(taken == entry, "the key lies where it was found");
    }

    /// Tells of a key that has expired and is out of its table, and frees it.
    fn end_expired(&mut self, db: u16, hash: Option<Hash>, entry: EntryPointer) {
        self.changes.after_change(&self.lens, db, hash, entry, Change::Expired { before: Kind::of(entry) });
        self.storage.free(entry);
    }

    /// Adds an entry whose key isn't there; the caller tells what that was.
    pub(crate) fn insert_at(&mut self, db: u16, hash: Hash, entry: EntryPointer) -> Position {
        self.changes.before_change(&self.lens, db, entry, Place::Absent);
        self.databases[db as usize].get_or_insert_default();
        let (database, mut tools, _) = split_borrow(self, db).expect("made just now");
        database.insert(&mut tools, hash, entry)
    }

    /// Tells of a value that has come from another key.
    pub(crate) fn note_arrival(&mut self, db: u16, hash: Hash, entry: EntryPointer) {
        self.changes.after_change(&self.lens, db, Some(hash), entry, Change::MovedIn { after: Kind::of(entry) });
    }

    /// The observed keys of a database for which `changes` holds.
    fn observed_keys(&mut self, db: u16, changes: impl Fn(&mut Keyspace, &[u8]) -> bool) -> Vec<(u16, Hash)> {
        let mut keys = self.changes.observed().keys_of(db);
        keys.retain(|(_, key)| changes(self, key));
        keys.into_iter().map(|(hash, _)| (db, hash)).collect()
    }

    fn take_all_away(&mut self, db: u16, lazy: bool) {
        let Some(database) = self.databases[db as usize].take() else { return };
        self.storage.field_expiry.flush(db);
        let mut parts = database.dismantled();
        if lazy {
            self.doomed.push(parts);
            return;
        }
        while !parts.is_done() {
            parts.step(&mut self.storage);
        }
    }

    /// Keeps a buffer for the next edit.
    pub(crate) fn keep_scratch(&mut self, scratch: Vec<u8>) {
        if scratch.capacity() <= SCRATCH_BYTES_MAX {
            self.scratch = scratch;
        }
    }

    /// What it takes to change objects.
    pub(crate) fn workshop(&mut self) -> Workshop<'_> {
        Workshop { storage: &mut self.storage, lens: &self.lens, stats: &mut self.stats, changes: &mut self.changes }
    }

    #[inline]
    fn lookup(
        &mut self,
        db: u16,
        key: &[u8],
        now: UnixMillis,
        purpose: Purpose,
    ) -> (Hash, Option<(Position, EntryPointer)>) {
        let hash = hash_of(&self.lens.hasher, key);
        let found = self.table(db).and_then(|table| table.find(hash, key));
        let Some((position, slot)) = found else { return (hash, None) };
        let entry = slot.entry();
        if slot.expires() && is_expired(entry.expire_at(), now) {
            if purpose == Purpose::Write || !self.note_hidden(entry) {
                self.expire_at(db, hash, position, entry);
            }
            return (hash, None);
        }
        (hash, Some((position, entry)))
    }

    fn database(&self, db: u16) -> Option<&Database> {
        self.databases[db as usize].as_deref()
    }

    #[inline]
    fn table(&self, db: u16) -> Option<&Table> {
        self.database(db).map(Database::table)
    }

    /// Whether a database holds a key, expired or not: at this time nothing has expired. By the same lookup as all else,
    /// since the compiler puts all of a probe in line only while there is one place that makes it.
    fn holds(&mut self, db: u16, key: &[u8]) -> bool {
        self.lookup(db, key, UnixMillis::MIN, Purpose::Read).1.is_some()
    }

    /// Whether a key that has expired is one that must stay, only hidden; then that it was met is noted.
    fn note_hidden(&self, entry: EntryPointer) -> bool {
        let is_hidden = !is_expired(entry.expire_at(), self.expiry_floor);
        if is_hidden {
            self.met_hidden.set(true);
        }
        is_hidden
    }

    fn next_random(&mut self) -> u32 {
        self.random = self.random.wrapping_add(1);
        mix(self.random) as u32
    }

    fn free_doomed(&mut self, budget_ns: u64, spent_ns: &mut u64) -> bool {
        while *spent_ns < budget_ns && self.free_step(spent_ns) {}
        self.storage.large.doomed_len() > 0 || self.storage.doomed_len() > 0 || !self.doomed.is_empty()
    }

    /// Frees a piece of what waits for it. False: nothing does.
    fn free_step(&mut self, spent_ns: &mut u64) -> bool {
        if self.storage.heap.return_some() {
            *spent_ns += PAGES_RETURNED_NS;
        } else if let Some(finished) = self.storage.large.release_slice() {
            *spent_ns += SLICE_RELEASED_NS;
            self.stats.lazyfreed_objects += u64::from(finished);
        } else if let Some((finished, elements)) = self.storage.free_slice() {
            *spent_ns += match elements {
                0 => OBJECT_SLICE_NS,
                _ => TABLE_SLICE_NS + elements as u64 * ELEMENT_FREED_NS,
            };
            self.stats.lazyfreed_objects += u64::from(finished);
        } else if let Some(parts) = self.doomed.last_mut() {
            let freed = parts.step(&mut self.storage);
            *spent_ns += TABLE_SLICE_NS + freed as u64 * ELEMENT_FREED_NS;
            self.stats.lazyfreed_objects += freed as u64;
            if parts.is_done() {
                self.doomed.pop();
            }
        } else {
            return false;
        }
        true
    }

    fn sweep(&mut self, now: UnixMillis, budget_ns: u64, spent_ns: &mut u64) -> bool {
        let is_due =
            |slot: &Option<Box<Database>>| slot.as_ref().is_some_and(|database| database.expiries().is_due(now));
        for _ in 0..self.databases.len() {
            while is_due(&self.databases[self.sweep_db]) {
                if *spent_ns >= budget_ns {
                    return true;
                }
                let finished = self.sweep_step(now, spent_ns);
                if finished {
                    break;
                }
            }
            self.sweep_db = (self.sweep_db + 1) % self.databases.len();
        }
        false
    }

    /// One segment of the database the sweep is at. Whether its walk is finished.
    fn sweep_step(&mut self, now: UnixMillis, spent_ns: &mut u64) -> bool {
        let mut expired = Vec::new();
        let db = self.sweep_db as u16;
        let (database, mut tools, changes) = split_borrow(self, db).expect("only existing databases are due");
        let lens = tools.lens;
        let swept = database.sweep_step(&mut tools, now, |entry| {
            changes.before_change(lens, db, entry, Place::Key);
            expired.push(entry);
        });
        *spent_ns += SEGMENT_PASSED_NS;
        if swept.examined > 0 {
            *spent_ns += SEGMENT_SWEPT_NS + swept.examined as u64 * KEY_EXAMINED_NS;
            *spent_ns += expired.len() as u64 * KEY_FREED_NS;
        }
        for entry in expired {
            let lag_ms = now - entry.expire_at().unwrap_or(now);
            self.stats.expiry_lag_ms_max = self.stats.expiry_lag_ms_max.max(lag_ms as u64);
            self.end_expired(db, None, entry);
        }
        swept.finished
    }
}

impl Keyspace {
    /// Removes expired fields of hashes until `limit_ns` are spent. Whether more are due.
    fn sweep_fields(&mut self, now: UnixMillis, limit_ns: u64, spent_ns: &mut u64) -> bool {
        while let Some(due) = self.storage.field_expiry.first_due(now) {
            if *spent_ns >= limit_ns {
                return true;
            }
            *spent_ns += SEGMENT_SWEPT_NS;
            let Some(mut occupied) = self.expiring_hash(due, now) else {
                // It waits to be freed.
                self.storage.field_expiry.drop_record(due.at, due.id);
                continue;
            };
            let (removed, is_empty) = occupied.use_object(Part::Expired(now), |object, workshop| match object {
                Object::Hash(hash) => (hash.sweep_step(workshop, now).0, hash.is_empty()),
                _ => unreachable!("looked up as a hash"),
            });
            if is_empty {
                occupied.remove();
            }
            *spent_ns += removed as u64 * KEY_FREED_NS;
        }
        false
    }

    /// The hash that a record of expiring fields speaks of, if it is still there.
    fn expiring_hash(&mut self, due: Due, now: UnixMillis) -> Option<Occupied<'_>> {
        let db = due.db?;
        let is_it =
            |entry: EntryPointer| matches!(self.value(entry).object(), Some(Object::Hash(hash)) if hash.id == due.id);
        let (position, slot) = self.table(db)?.find_where(due.hash, |slot| is_it(slot.entry()))?;
        Some(Occupied { keyspace: self, db, hash: due.hash, position, entry: slot.entry(), now })
    }
}

impl Drop for Keyspace {
    fn drop(&mut self) {
        if std::thread::panicking() {
            // What the panic has interrupted may be half done: its memory is left alone.
            return;
        }
        (0..self.databases()).for_each(|db| self.take_all_away(db, false));
        for mut parts in std::mem::take(&mut self.doomed) {
            while !parts.is_done() {
                parts.step(&mut self.storage);
            }
        }
        while self.storage.free_slice().is_some() {}
    }
}

/// A database and, beside it, what its operations need, and who hears of changes.
fn split_borrow(keyspace: &mut Keyspace, db: u16) -> Option<(&mut Database, Tools<'_>, &mut Changes)> {
    let database = keyspace.databases[db as usize].as_deref_mut()?;
    let heap = &mut keyspace.storage.heap;
    let tools = Tools { heap, lens: &keyspace.lens, stats: &mut keyspace.stats };
    Some((database, tools, &mut keyspace.changes))
}
