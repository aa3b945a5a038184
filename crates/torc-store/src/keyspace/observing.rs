//! Who hears of changes: those who watch a key, those who await one, those who read all changes, and who counts.

use super::Keyspace;
use super::keys::Purpose;
use crate::UnixMillis;
use crate::change::{RecordedChanges, Recording};
use crate::group_counts::{GroupCounts, GroupOf};
use crate::table::hash_of;

/// Changes, counted and recorded.
impl Keyspace {
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

    /// What of all changes is kept from now on for [`Keyspace::recorded_changes`], which somebody must read and forget then: they take memory until
    /// then. At first they are not. At the end of recording, those that are left are forgotten.
    pub fn record_changes(&mut self, recording: Recording) {
        self.changes.record(recording);
    }

    /// The changes that are not forgotten, in the order in which they happened; a command may have made several of one key. What a command
    /// does to a key without a change to who watches it is not among them.
    #[inline]
    pub fn recorded_changes(&self) -> &RecordedChanges {
        self.changes.recorded()
    }

    /// All recorded changes have been read.
    #[inline]
    pub fn forget_recorded_changes(&mut self) {
        self.changes.forget_recorded();
    }
}

/// Keys that are watched or awaited, and keys counted by group.
impl Keyspace {
    /// Watches a key: from now on its changes are noted. One that has expired is removed first, and so are fields
    /// that have. Returns its version, a number that
    /// grows with every change; ends with [`Keyspace::unwatch`].
    pub fn watch(&mut self, db: u16, key: &[u8], now: UnixMillis) -> u64 {
        let (hash, found) = self.lookup(db, key, now, Purpose::Write);
        if found.is_some_and(|(_, entry)| entry.traits().is_object()) {
            self.remove_expired_fields(db, hash, now);
        }
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

    /// Whether a database holds a key, expired or not: at this time nothing has expired. By the same lookup as all else,
    /// since the compiler puts all of a probe in line only while there is one place that makes it.
    pub(super) fn holds(&mut self, db: u16, key: &[u8]) -> bool {
        self.lookup(db, key, UnixMillis::MIN, Purpose::Read).1.is_some()
    }
}
