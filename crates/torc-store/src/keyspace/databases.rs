//! Whole databases: how much is in one, and what happens to all of its keys at once.

use super::Keyspace;
use super::keys::Purpose;
use crate::UnixMillis;
use crate::change::Change;
use crate::segment::Hash;
use crate::table::Table;

impl Keyspace {
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
        if let Some(duty) = &mut self.duty {
            duty.swap(db_a, db_b);
        }
        self.changes.after_database_change(db_a, observed, Change::Swapped { with: db_b });
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
        let Some(database) = self.keep_unsaved(db, database) else { return };
        let mut parts = database.dismantled();
        if lazy {
            self.doomed.push(parts);
            return;
        }
        while !parts.is_done() {
            parts.step(&mut self.storage);
        }
    }
}

impl Drop for Keyspace {
    fn drop(&mut self) {
        if std::thread::panicking() {
            // What the panic has interrupted may be half done: its memory is left alone.
            return;
        }
        self.end_saving();
        (0..self.databases()).for_each(|db| self.take_all_away(db, false));
        for mut parts in std::mem::take(&mut self.doomed) {
            while !parts.is_done() {
                parts.step(&mut self.storage);
            }
        }
        while self.storage.free_slice().is_some() {}
    }
}
