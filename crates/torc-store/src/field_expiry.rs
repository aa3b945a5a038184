//! Which hashes have fields that expire, and when the first of them does.
//!
//! ```text
//! record   (due, number of the hash) -> home of its database, hash of its key        ordered by due
//! Hash     due, number                                                               finds its record
//! ```
//! A record follows its hash: code that changes a hash, renames its key or frees it updates the record here. The
//! *home* is a number that a database keeps when it is swapped, and loses when it is flushed, so that neither has to look at
//! records; those of hashes that wait to be freed find no database any more. The number of a hash is given once, so that no
//! record is taken for that of a later hash in the same place.

use std::collections::BTreeMap;

use crate::UnixMillis;
use crate::hash;
use crate::segment::{Hash, NEVER};

/// Bytes of a record, roughly, with its share of the tree.
pub(crate) const RECORD_BYTES: usize = 48;

/// Where a hash is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    home: u32,
    hash: u64,
}

/// A record that is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Due {
    pub(crate) at: UnixMillis,
    pub(crate) id: u64,
    /// Database; `None` when it was flushed.
    pub(crate) db: Option<u16>,
    /// Hash of the key.
    pub(crate) hash: Hash,
}

/// One record for each hash with fields that expire, ordered by the time of its first.
#[derive(Debug, Default)]
pub(crate) struct FieldExpiry {
    records: BTreeMap<(UnixMillis, u64), Place>,
    /// Hashes with expiring fields, by home.
    lens: BTreeMap<u32, usize>,
    /// By number of the database; later ones have their own number.
    homes: Vec<u32>,
    homes_given: u32,
    ids_given: u64,
}

impl FieldExpiry {
    /// Takes note of when the first field of a hash is due now.
    #[inline]
    pub(crate) fn follow(&mut self, hash: &mut hash::Hash, db: u16, key_hash: Hash) {
        if hash.due() != hash.registered_due {
            self.register(hash, db, key_hash);
        }
    }

    /// The key of a hash has another name now, or is in another database.
    pub(crate) fn relocate(&mut self, hash: &mut hash::Hash, db: u16, key_hash: Hash) {
        self.forget(hash);
        self.follow(hash, db, key_hash);
    }

    /// A hash is to be freed.
    pub(crate) fn forget(&mut self, hash: &mut hash::Hash) {
        if hash.registered_due != NEVER {
            self.drop_record(hash.registered_due, hash.id);
            hash.registered_due = NEVER;
        }
    }

    /// The first record that is due at `now`.
    pub(crate) fn first_due(&self, now: UnixMillis) -> Option<Due> {
        let (&(at, id), place) = self.records.first_key_value()?;
        let db = self.homes.iter().position(|&home| home == place.home).map(|db| db as u16);
        (now > at).then_some(Due { at, id, db, hash: Hash(place.hash) })
    }

    /// Removes a record.
    pub(crate) fn drop_record(&mut self, at: UnixMillis, id: u64) {
        let Some(place) = self.records.remove(&(at, id)) else { return };
        let len = self.lens.get_mut(&place.home).expect("a record is counted");
        *len -= 1;
        if *len == 0 {
            self.lens.remove(&place.home);
        }
    }

    /// Two databases are exchanged.
    pub(crate) fn swap(&mut self, db_a: u16, db_b: u16) {
        self.home(db_a.max(db_b));
        self.homes.swap(db_a.into(), db_b.into());
    }

    /// All keys of a database are gone.
    pub(crate) fn flush(&mut self, db: u16) {
        self.home(db);
        self.homes[usize::from(db)] = self.homes_given;
        self.homes_given += 1;
    }

    /// Number of hashes with expiring fields in a database.
    pub(crate) fn len(&self, db: u16) -> usize {
        self.homes.get(usize::from(db)).and_then(|home| self.lens.get(home)).copied().unwrap_or(0)
    }

    /// Bytes of all records.
    pub(crate) fn bytes(&self) -> usize {
        self.records.len() * RECORD_BYTES
    }

    #[cold]
    fn register(&mut self, hash: &mut hash::Hash, db: u16, key_hash: Hash) {
        self.forget(hash);
        hash.registered_due = hash.due();
        if hash.registered_due == NEVER {
            return;
        }
        if hash.id == 0 {
            self.ids_given += 1;
            hash.id = self.ids_given;
        }
        let place = Place { home: self.home(db), hash: key_hash.0 };
        self.records.insert((hash.registered_due, hash.id), place);
        *self.lens.entry(place.home).or_insert(0) += 1;
    }

    fn home(&mut self, db: u16) -> u32 {
        while self.homes.len() <= usize::from(db) {
            self.homes.push(self.homes_given);
            self.homes_given += 1;
        }
        self.homes[usize::from(db)]
    }
}

#[cfg(test)]
impl FieldExpiry {
    /// Number of records.
    pub(crate) fn records_len(&self) -> usize {
        self.records.len()
    }
}
