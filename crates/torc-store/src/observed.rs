//! Keys with watchers (WATCH) or waiters (blocked requests): which of them change, and when.
//!
//! [`crate::change`] alone tells it what has happened, and asks only while there is such a key. Keys are told apart by database and the
//! 64 bits of their hash.

use std::collections::HashMap;

use crate::segment::Hash;

/// One observed key.
#[derive(Debug)]
struct Observation {
    key: Box<[u8]>,
    /// Grows with every change.
    version: u64,
    watchers: u32,
    waiters: u32,
    /// It is in the list of changes.
    is_listed: bool,
}

/// All observed keys of a keyspace.
#[derive(Debug, Default)]
pub(crate) struct Observed {
    keys: HashMap<(u16, u64), Observation>,
    /// The version given last.
    latest: u64,
    /// Awaited keys that have changed, in the order of their first change.
    changes: Vec<(u16, u64)>,
    awaited: usize,
}

impl Observed {
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.keys.len()
    }

    /// Number of keys with waiters.
    pub(crate) fn awaited(&self) -> usize {
        self.awaited
    }

    pub(crate) fn is_awaited(&self, db: u16, hash: Hash) -> bool {
        self.awaited > 0 && self.keys.get(&(db, hash.0)).is_some_and(|observation| observation.waiters > 0)
    }

    /// Adds a watcher; returns the version.
    pub(crate) fn watch(&mut self, db: u16, hash: Hash, key: &[u8]) -> u64 {
        let observation = self.observe(db, hash, key);
        observation.watchers += 1;
        observation.version
    }

    pub(crate) fn unwatch(&mut self, db: u16, hash: Hash) {
        let observation = self.keys.get_mut(&(db, hash.0)).expect("only watched keys are given up");
        observation.watchers = observation.watchers.checked_sub(1).expect("only watched keys are given up");
        self.forget_if_unused(db, hash);
    }

    pub(crate) fn version(&self, db: u16, hash: Hash) -> u64 {
        self.keys.get(&(db, hash.0)).expect("the key is watched").version
    }

    /// Adds a waiter.
    pub(crate) fn await_key(&mut self, db: u16, hash: Hash, key: &[u8]) {
        let observation = self.observe(db, hash, key);
        observation.waiters += 1;
        let is_first = observation.waiters == 1;
        self.awaited += usize::from(is_first);
    }

    pub(crate) fn unawait_key(&mut self, db: u16, hash: Hash) {
        let observation = self.keys.get_mut(&(db, hash.0)).expect("only awaited keys are given up");
        observation.waiters = observation.waiters.checked_sub(1).expect("only awaited keys are given up");
        let is_last = observation.waiters == 0;
        // No waiter is left to hear of a change; and the next waiter of the key must not take it for a change of its own time.
        if is_last && std::mem::take(&mut observation.is_listed) {
            self.changes.retain(|&changed| changed != (db, hash.0));
        }
        self.awaited -= usize::from(is_last);
        self.forget_if_unused(db, hash);
    }

    /// A key has changed, which may be observed.
    pub(crate) fn tell(&mut self, db: u16, hash: Hash) {
        if let Some(observation) = self.keys.get_mut(&(db, hash.0)) {
            self.latest += 1;
            observation.version = self.latest;
            self.wake(db, hash);
        }
    }

    /// Lists a key as changed for its waiters; for its watchers it has not changed.
    pub(crate) fn wake(&mut self, db: u16, hash: Hash) {
        let Some(observation) = self.keys.get_mut(&(db, hash.0)) else { return };
        if observation.waiters > 0 && !observation.is_listed {
            observation.is_listed = true;
            self.changes.push((db, hash.0));
        }
    }

    #[inline]
    pub(crate) fn has_changes(&self) -> bool {
        !self.changes.is_empty()
    }

    /// Awaited keys that have changed since the last call, in the order of their first change.
    pub(crate) fn take_changes(&mut self) -> Vec<(u16, Box<[u8]>)> {
        let changes = std::mem::take(&mut self.changes);
        let keys = &mut self.keys;
        let taken = changes.into_iter().map(|(db, hash)| {
            let observation = keys.get_mut(&(db, hash)).expect("what is listed is awaited");
            observation.is_listed = false;
            (db, observation.key.clone())
        });
        taken.collect()
    }

    /// The observed keys of a database.
    pub(crate) fn keys_of(&self, db: u16) -> Vec<(Hash, Box<[u8]>)> {
        let of_db = self.keys.iter().filter(|((of, _), _)| *of == db);
        let mut keys: Vec<_> = of_db.map(|((_, hash), observation)| (Hash(*hash), observation.key.clone())).collect();
        // The order of a hash map differs from process to process.
        keys.sort_unstable_by(|a, b| a.1.cmp(&b.1));
        keys
    }

    fn observe(&mut self, db: u16, hash: Hash, key: &[u8]) -> &mut Observation {
        let version = self.latest;
        let fresh = || Observation { key: key.into(), version, watchers: 0, waiters: 0, is_listed: false };
        self.keys.entry((db, hash.0)).or_insert_with(fresh)
    }

    fn forget_if_unused(&mut self, db: u16, hash: Hash) {
        let observation = &self.keys[&(db, hash.0)];
        if observation.watchers == 0 && observation.waiters == 0 {
            self.keys.remove(&(db, hash.0));
        }
    }
}
