//! What goes on beside the commands, in slices: expired keys and fields are removed, what was detached is freed.
//!
//! ```text
//!   budget --> what waits to be freed --> fields of hashes (half of what is left) --> keys, a segment at a time
//! ```
//! Each step costs an estimate of its time, so that the work does not depend on a clock.

use super::{Keyspace, split_borrow};
use crate::UnixMillis;
use crate::change::{Part, Place};
use crate::database::Database;
use crate::entry::EntryPointer;
use crate::field_expiry::Due;
use crate::large::RELEASE_SLICE_BYTES;
use crate::object::Object;
use crate::segment::Hash;
use crate::value::Occupied;

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

impl Keyspace {
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

    fn free_doomed(&mut self, budget_ns: u64, spent_ns: &mut u64) -> bool {
        while *spent_ns < budget_ns && self.free_step(spent_ns) {}
        self.has_doomed()
    }

    /// Frees a piece of what waits for it, and counts the time that this takes, by estimate. False: nothing waits.
    pub fn free_step(&mut self, spent_ns: &mut u64) -> bool {
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
}

/// Expiry.
impl Keyspace {
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

    /// Removes expired fields of hashes until `limit_ns` are spent. Whether more are due.
    fn sweep_fields(&mut self, now: UnixMillis, limit_ns: u64, spent_ns: &mut u64) -> bool {
        while let Some(due) = self.storage.field_expiry.first_due(now) {
            if *spent_ns >= limit_ns {
                return true;
            }
            *spent_ns += SEGMENT_SWEPT_NS;
            let Some(occupied) = self.expiring_hash(due, now) else {
                // It waits to be freed.
                self.storage.field_expiry.drop_record(due.at, due.id);
                continue;
            };
            let removed = sweep_hash(occupied, now).0;
            *spent_ns += removed as u64 * KEY_FREED_NS;
        }
        false
    }

    /// Removes the fields of a hash that have expired, so that their removal later changes nothing; with the last field the key goes.
    pub(super) fn remove_expired_fields(&mut self, db: u16, hash: Hash, now: UnixMillis) {
        let now = now.min(self.expiry_floor);
        loop {
            let is_due = |entry: EntryPointer| match self.value(entry).object() {
                Some(Object::Hash(fields)) => fields.due() < now,
                _ => false,
            };
            let found = self.table(db).and_then(|table| table.find_where(hash, |slot| is_due(slot.entry())));
            let Some((position, slot)) = found else { return };
            let entry = slot.entry();
            if sweep_hash(Occupied { keyspace: self, db, hash, position, entry, now }, now).1 {
                return;
            }
        }
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

/// Removes some fields of a hash that have expired, and the key with the last of its fields. Gives their number, and whether that was all.
fn sweep_hash(mut occupied: Occupied<'_>, now: UnixMillis) -> (usize, bool) {
    let (removed, finished, is_empty) = occupied.use_object(Part::Expired(now), |object, workshop| match object {
        Object::Hash(hash) => {
            let (removed, finished) = hash.sweep_step(workshop, now);
            (removed, finished, hash.is_empty())
        }
        _ => unreachable!("looked up as a hash"),
    });
    if is_empty {
        occupied.remove();
    }
    (removed, finished || is_empty)
}
