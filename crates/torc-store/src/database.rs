//! One database: the table of its keys, and when to look for expired ones.
//!
//! ```text
//! Database -+- Table      the keys; the segments know when each is due
//!           +- Expiries   how many expire, when the first does, and the walk over the segments that removes them
//! ```
//! A big hash has the same beside the table of its fields, from the first field on that expires ([`crate::elements`]).

use std::ops::Range;

use crate::UnixMillis;
use crate::directory::{POSITION_BITS, hash_at, position_after};
use crate::entry::EntryPointer;
use crate::group::Slot;
use crate::segment::{Hash, NEVER, Position};
use crate::table::{Dismantled, Table, Tools};

/// Segments with fewer expiring keys than this are swept to the millisecond.
const PROMPT_KEYS_MAX: u32 = 64;
/// Longest pause between two sweeps of a segment that has expired keys.
const SWEEP_PAUSE_MS_MAX: i64 = 1000;
/// Pause between two walks over all segments.
const WALK_PAUSE_MS: i64 = 10;

/// Whether a key with this expiry is gone at `now`.
#[inline]
pub(crate) fn is_expired(expire_at: Option<UnixMillis>, now: UnixMillis) -> bool {
    expire_at.is_some_and(|expire_at| now > expire_at)
}

/// The keys of one database on one core, with their expiries.
#[derive(Debug, Default)]
pub(crate) struct Database {
    table: Table,
    expiries: Expiries,
}

/// The expiries of a table's entries. Code that adds, takes out or replaces an entry with an expiry records it here.
#[derive(Debug)]
pub(crate) struct Expiries {
    len: usize,
    /// Sum of all expiries, for the average.
    sum: i128,
    /// No segment is due before this.
    due: UnixMillis,
    /// Position of the walk over the segments, and the earliest due it has met so far.
    walk_position: u64,
    walk_due: UnixMillis,
}

/// What one step of the sweep did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Swept {
    /// Keys with an expiry that were looked at.
    pub(crate) examined: usize,
    /// Whether the walk came to its end.
    pub(crate) finished: bool,
}

impl Database {
    /// The keys, to be read.
    #[inline]
    pub(crate) fn table(&self) -> &Table {
        &self.table
    }

    /// The keys' expiries.
    pub(crate) fn expiries(&self) -> &Expiries {
        &self.expiries
    }

    /// As [`Table::expect`] does.
    pub(crate) fn expect(&mut self, keys: Option<u64>) {
        self.table.expect(keys);
    }

    /// Adds a key that isn't there; returns its place.
    pub(crate) fn insert(&mut self, tools: &mut Tools<'_>, hash: Hash, entry: EntryPointer) -> Position {
        let position = self.table.insert(tools, hash, entry);
        if let Some(expire_at) = entry.expire_at() {
            self.expiries.add(&mut self.table, hash, expire_at);
        }
        position
    }

    /// Takes a key out of the table; its entry is the caller's from now on.
    pub(crate) fn remove(&mut self, tools: &mut Tools<'_>, hash: Hash, position: Position) -> EntryPointer {
        let entry = self.table.remove(tools, hash, position);
        self.expiries.remove(&self.table, entry.expire_at());
        entry
    }

    /// Stores the entry that replaces one whose expiry was `old_expire_at`.
    #[inline(always)]
    pub(crate) fn replace(
        &mut self,
        hash: Hash,
        position: Position,
        old_expire_at: Option<UnixMillis>,
        entry: EntryPointer,
    ) {
        self.table.replace(hash, position, entry);
        self.expiries.replace(&mut self.table, hash, old_expire_at, entry.expire_at());
    }

    /// As [`Table::scan`] does.
    pub(crate) fn scan(
        &mut self,
        tools: &mut Tools<'_>,
        position: u64,
        count: usize,
        mut visit: impl FnMut(Slot) -> bool,
    ) -> u64 {
        let Database { table, expiries } = self;
        let next = table.scan(tools, position, count, |slot| {
            let is_removed = visit(slot);
            if is_removed && slot.expires() {
                expiries.uncount(slot.entry().expire_at());
            }
            is_removed
        });
        expiries.rest_if_empty(table);
        next
    }

    /// As [`Expiries::sweep_step`] does.
    pub(crate) fn sweep_step(
        &mut self,
        tools: &mut Tools<'_>,
        now: UnixMillis,
        expired: impl FnMut(EntryPointer),
    ) -> Swept {
        self.expiries.sweep_step(&mut self.table, tools, now, expired)
    }

    /// Gives the keys up, to be freed.
    pub(crate) fn dismantled(self) -> Dismantled {
        Dismantled::of(self.table)
    }
}

impl Default for Expiries {
    fn default() -> Expiries {
        Expiries { len: 0, sum: 0, due: NEVER, walk_position: 0, walk_due: NEVER }
    }
}

impl Expiries {
    /// Number of entries with an expiry.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Mean of the remaining times; 0 without expiring entries.
    pub(crate) fn average_ttl_ms(&self, now: UnixMillis) -> i64 {
        if self.len == 0 {
            return 0;
        }
        let mean = self.sum / self.len as i128 - i128::from(now);
        mean.clamp(0, i128::from(i64::MAX)) as i64
    }

    /// Whether a walk of the sweep has something to do at `now`.
    pub(crate) fn is_due(&self, now: UnixMillis) -> bool {
        self.len > 0 && (self.walk_position != 0 || now > self.due)
    }

    /// No entry expires before this, by estimate; never too late.
    pub(crate) fn due(&self) -> UnixMillis {
        if self.len == 0 { NEVER } else { self.due }
    }

    /// An entry was added that expires then.
    pub(crate) fn add(&mut self, table: &mut Table, hash: Hash, expire_at: UnixMillis) {
        self.len += 1;
        self.sum += i128::from(expire_at);
        self.note(table, hash, expire_at);
    }

    /// An entry was taken out of the table.
    pub(crate) fn remove(&mut self, table: &Table, expire_at: Option<UnixMillis>) {
        self.uncount(expire_at);
        self.rest_if_empty(table);
    }

    /// An entry gave way to another one.
    pub(crate) fn replace(&mut self, table: &mut Table, hash: Hash, old: Option<UnixMillis>, new: Option<UnixMillis>) {
        if old == new {
            return;
        }
        self.uncount(old);
        if let Some(expire_at) = new {
            self.add(table, hash, expire_at);
        }
    }

    /// Which positions the next [`Expiries::sweep_step`] looks at, if the segment there is due.
    pub(crate) fn next_sweep(&self, table: &Table, now: UnixMillis) -> Option<Range<u64>> {
        if table.directory.is_empty() {
            return None;
        }
        let segment = table.directory.segment(hash_at(self.walk_position));
        // The walk may be in the middle of it, if it has been merged.
        let len = 1 << (POSITION_BITS - segment.depth());
        let start = self.walk_position & !(len - 1);
        (now > segment.next_due()).then_some(start..start + len)
    }

    /// Looks at one segment of the walk, and sweeps it when it is due. `expired` gets the
    /// entries, which are taken out.
    pub(crate) fn sweep_step(
        &mut self,
        table: &mut Table,
        tools: &mut Tools<'_>,
        now: UnixMillis,
        mut expired: impl FnMut(EntryPointer),
    ) -> Swept {
        if self.walk_position == 0 {
            self.walk_due = NEVER;
        }
        let hash = hash_at(self.walk_position);
        let mut swept = Swept::default();
        if now > table.directory.segment(hash).next_due() {
            swept.examined = self.sweep_segment(table, hash, now, &mut expired);
        }
        let segment = table.directory.segment(hash);
        self.walk_due = self.walk_due.min(segment.next_due());
        let depth = segment.depth();
        self.walk_position = position_after(self.walk_position, depth).unwrap_or(0);
        if swept.examined > 0 {
            self.rest_if_empty(table);
            table.tidy(tools, hash);
        }
        if self.walk_position == 0 || table.directory.is_empty() {
            self.walk_position = 0;
            let pause = if table.directory.segments_len() > 64 { WALK_PAUSE_MS } else { 0 };
            self.due = self.walk_due.max(now + pause);
            swept.finished = true;
        }
        swept
    }

    /// Removes the expired keys of a segment and decides when to come back: not for every
    /// single key, but when about one in 16 has expired or a second has passed.
    fn sweep_segment(
        &mut self,
        table: &mut Table,
        hash: Hash,
        now: UnixMillis,
        expired: &mut impl FnMut(EntryPointer),
    ) -> usize {
        let (mut earliest, mut remaining_sum, mut remaining, mut examined) = (NEVER, 0i128, 0, 0);
        table.visit_range(hash, 0..1 << 16, |slot| {
            if !slot.expires() {
                return false;
            }
            examined += 1;
            let expire_at = slot.entry().expire_at();
            if is_expired(expire_at, now) {
                self.uncount(expire_at);
                expired(slot.entry());
                return true;
            }
            let expire_at = expire_at.unwrap_or(NEVER);
            earliest = earliest.min(expire_at);
            remaining_sum += i128::from(expire_at) - i128::from(now);
            remaining += 1;
            false
        });
        let segment = table.directory.segment_mut(hash);
        if remaining == 0 {
            segment.set_next_due(NEVER);
        } else {
            let worthwhile = (remaining_sum / i128::from(remaining) / 16) as i64;
            let pause = worthwhile.min(remaining).min(SWEEP_PAUSE_MS_MAX);
            segment.set_next_due(earliest.max(now + pause));
        }
        examined
    }

    fn uncount(&mut self, expire_at: Option<UnixMillis>) {
        if let Some(expire_at) = expire_at {
            assert!(self.len > 0, "an entry that expires was counted");
            self.len -= 1;
            self.sum -= i128::from(expire_at);
        }
    }

    fn note(&mut self, table: &mut Table, hash: Hash, expire_at: UnixMillis) {
        let segment = table.directory.segment_mut(hash);
        // Rounding up keeps a stream of keys with short lives from causing a sweep for each.
        let prompt = segment.expires_len() < PROMPT_KEYS_MAX as usize;
        let due = if prompt { expire_at } else { expire_at.saturating_add(64) | 63 };
        if due < segment.next_due() {
            segment.set_next_due(due);
            self.due = self.due.min(due);
            self.walk_due = self.walk_due.min(due);
        }
    }

    /// Without entries nothing is due, and a walk begins anew.
    fn rest_if_empty(&mut self, table: &Table) {
        if table.len() == 0 {
            assert!(self.len == 0 && self.sum == 0, "what is not there does not expire");
            self.walk_position = 0;
            (self.due, self.walk_due) = (NEVER, NEVER);
        }
    }
}
