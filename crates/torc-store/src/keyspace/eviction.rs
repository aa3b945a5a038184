//! Keys go when memory is short: which ones, and how they are found.
//!
//! ```text
//!   hand --> the next few dozen slots of the tables, in the order of their hashes
//!              | their entries are fetched together, and rated
//!              v
//!   pool     the best candidates of this and earlier looks, the best one last --> half of them are evicted, then it looks again
//! ```
//! Where the last look has found few that are as dispensable as those that went before, few go before the next one.
//! Each key is looked at once in a round of the hand, so none is overlooked by chance, and entries that are fetched together cost little
//! more than one of them. A candidate counts only while its entry is as it was when it was rated: one that was used since stays.
//!
//! A key whose time is over goes first, as one that has expired.

use super::Keyspace;
use crate::UnixMillis;
use crate::access::{AccessClock, idle_seconds};
use crate::change::Change;
use crate::database::is_expired;
use crate::entry::EntryPointer;
use crate::group::Slot;
use crate::segment::{Hash, Position, mix};
use crate::table::hash_of;

/// Candidates that are kept. After a look half of them may go before the next one.
const POOL_MAX: usize = 32;
/// After so many looks that have found nothing as good as before, the best there is goes.
const MISSES_MAX: u32 = 3;
/// One key that goes counts for so much of what those are worth that went lately.
const BAR_SHARE: u64 = 16;
/// Segments that one look passes at most, where few keys may go.
const PASSED_MAX: usize = 512;

/// Estimated costs, in nanoseconds.
const LOOKED_AT_NS: u64 = 15;
const SEGMENT_PASSED_NS: u64 = 12;
const EVICTED_NS: u64 = 250;

/// Which keys go first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EvictionOrder {
    /// Those that were used longest ago.
    Lru,
    /// Those that are used least.
    Lfu,
    /// Any.
    Random,
    /// Those that expire first.
    Ttl,
}

/// What may be evicted, and in which order: `maxmemory-policy`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Eviction {
    /// Which keys go first.
    pub order: EvictionOrder,
    /// Only keys that expire may go.
    pub expiring_only: bool,
    /// How hard it is looked for the right ones: `maxmemory-samples`.
    pub samples: u32,
}

/// What became of an attempt to evict a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Evicted {
    /// A key is gone.
    Key {
        /// How dispensable it was: the larger, the more.
        worth: u64,
    },
    /// A key that had expired is gone.
    Expired,
    /// None was found yet: there may be some further on.
    Looking,
    /// None was found in a whole round: there is none, or all that there are must stay.
    None,
}

/// A key that may go.
#[derive(Clone, Copy, Debug)]
struct Candidate {
    /// The larger, the sooner it goes.
    worth: u64,
    hash: Hash,
    /// Compared with what the table has under the hash; never followed before.
    entry: EntryPointer,
    /// The access field, or the low bits of the expiry, when it was rated.
    mark: u32,
    db: u16,
}

/// The candidates, and how far the hand has come.
#[derive(Debug, Default)]
pub(super) struct Victims {
    /// In ascending order of worth.
    pool: Vec<Candidate>,
    /// How many of them may go before the hand moves on.
    left: usize,
    /// What those were worth that went lately.
    bar: u64,
    /// Looks in a row that have found nothing as good.
    misses: u32,
    /// What they were rated for.
    rated_for: Option<Eviction>,
    /// Slots of one look.
    looked_at: Vec<Slot>,
    db: usize,
    position: u64,
    /// Databases that the hand has gone through without evicting any key.
    fruitless: usize,
}

impl Victims {
    /// Chooses how many of the candidates may go now, `most` at most.
    fn admit(&mut self, eviction: Eviction, most: usize) {
        let least = eviction.least_worth(self.bar);
        let good = self.pool.iter().rev().take(most).take_while(|candidate| candidate.worth >= least).count();
        if good > 0 || self.misses >= MISSES_MAX {
            self.misses = 0;
            self.left = good.max(1);
        } else if let Some(best) = self.pool.last() {
            self.bar -= (self.bar - best.worth.min(self.bar)) / 4;
            self.misses += 1;
        }
    }

    /// A key has gone that was worth so much.
    fn note(&mut self, worth: u64) {
        if worth > self.bar {
            self.bar += (worth - self.bar).div_ceil(BAR_SHARE);
        } else {
            self.bar -= (self.bar - worth).div_ceil(BAR_SHARE);
        }
    }
}

impl Eviction {
    /// Candidates that are worth less than this, where those that went lately were worth `bar`, go only if there are no others.
    fn least_worth(self, bar: u64) -> u64 {
        match self.order {
            EvictionOrder::Lru => bar - bar / 8,
            EvictionOrder::Lfu => bar.saturating_sub(1 << 16),
            EvictionOrder::Random | EvictionOrder::Ttl => 0,
        }
    }

    fn rate(self, clock: AccessClock, entry: EntryPointer, now: UnixMillis) -> u64 {
        if is_expired(entry.expire_at(), now) {
            return u64::MAX;
        }
        let access = entry.traits().access;
        match self.order {
            EvictionOrder::Lru => idle_seconds(access, now),
            // Of those that are used alike, the one that was used longest ago.
            EvictionOrder::Lfu => {
                u64::from(255 - clock.frequency(access, now)) << 16 | clock.minutes_since(access, now)
            }
            EvictionOrder::Ttl => u64::MAX - 1 - entry.expire_at().map_or(u64::MAX - 1, |at| at.max(0) as u64),
            EvictionOrder::Random => 0,
        }
    }

    fn mark(self, entry: EntryPointer) -> u32 {
        match self.order {
            EvictionOrder::Ttl => entry.expire_at().unwrap_or(0) as u32,
            _ => entry.traits().access,
        }
    }
}

impl Keyspace {
    /// Removes a key that may go, of all databases; `may_go` says of a key that would whether it may. Adds an estimate of the time that it
    /// takes to `spent_ns`.
    pub fn evict(
        &mut self,
        eviction: Eviction,
        now: UnixMillis,
        may_go: &mut dyn FnMut(&[u8]) -> bool,
        spent_ns: &mut u64,
    ) -> Evicted {
        if self.victims.rated_for != Some(eviction) {
            let Victims { looked_at, db, position, .. } = std::mem::take(&mut self.victims);
            self.victims = Victims { rated_for: Some(eviction), looked_at, db, position, ..Victims::default() };
        }
        if self.victims.left == 0 || self.victims.pool.is_empty() {
            self.look(eviction, now, spent_ns);
        }
        while self.victims.left > 0
            && let Some(candidate) = self.victims.pool.pop()
        {
            self.victims.left -= 1;
            *spent_ns += EVICTED_NS;
            let Candidate { worth, hash, entry, db, .. } = candidate;
            let Some(position) = self.place_of(eviction, candidate) else { continue };
            if is_expired(entry.expire_at(), now) && !self.note_hidden(entry) {
                self.expire_at(db, hash, position, entry);
                self.victims.fruitless = 0;
                return Evicted::Expired;
            }
            if may_go(entry.key()) {
                self.take_at(db, hash, position, entry, |before| Change::Evicted { before });
                self.storage.free(entry);
                self.victims.note(worth);
                self.victims.fruitless = 0;
                return Evicted::Key { worth };
            }
        }
        // A round begins and ends in the middle of a database.
        if self.victims.fruitless <= self.databases.len() {
            return Evicted::Looking;
        }
        self.victims.fruitless = 0;
        Evicted::None
    }

    /// Where a candidate is, if it still is what it was.
    fn place_of(&self, eviction: Eviction, candidate: Candidate) -> Option<Position> {
        let table = self.table(candidate.db)?;
        let is_it = |slot: Slot| {
            slot.entry() == candidate.entry
                && (slot.expires() || !eviction.expiring_only)
                && eviction.mark(slot.entry()) == candidate.mark
        };
        let (position, slot) = table.find_where(candidate.hash, is_it)?;
        // Another key may lie there by now that looks the same.
        (hash_of(&self.lens.hasher, slot.entry().key()) == candidate.hash).then_some(position)
    }

    /// Looks at the next keys, and keeps the best.
    fn look(&mut self, eviction: Eviction, now: UnixMillis, spent_ns: &mut u64) {
        let goes = POOL_MAX / 2;
        let count = match eviction.order {
            EvictionOrder::Random => 1,
            _ => eviction.samples as usize * goes,
        };
        let mut looked_at = std::mem::take(&mut self.victims.looked_at);
        looked_at.clear();
        let mut passed = 0;
        if eviction.order == EvictionOrder::Random {
            self.jump();
        }
        loop {
            let db = self.victims.db;
            let may_have = self.databases[db].as_ref().filter(|database| match eviction.expiring_only {
                true => database.expiries().len() > 0,
                false => database.table().len() > 0,
            });
            if let Some(database) = may_have {
                let wanted = count - looked_at.len();
                let bound = (&mut passed, PASSED_MAX);
                self.victims.position =
                    database.table().pass(self.victims.position, wanted, eviction.expiring_only, bound, |slot| {
                        slot.entry().prefetch_head();
                        looked_at.push(slot);
                    });
            } else {
                self.victims.position = 0;
            }
            let is_through = self.victims.position == 0;
            self.keep_best(eviction, db as u16, now, &mut looked_at);
            if is_through {
                self.victims.db = (db + 1) % self.databases.len();
                self.victims.fruitless += 1;
            }
            *spent_ns += looked_at.len() as u64 * LOOKED_AT_NS;
            let is_enough = looked_at.len() >= count || passed >= PASSED_MAX || self.victims.pool.len() >= POOL_MAX;
            if is_enough || self.victims.fruitless > self.databases.len() {
                break;
            }
            // What was looked at belongs to another database.
            looked_at.clear();
        }
        *spent_ns += passed as u64 * SEGMENT_PASSED_NS;
        self.victims.admit(eviction, goes);
        self.victims.looked_at = looked_at;
    }

    /// Moves the hand to any place, where that is random.
    fn jump(&mut self) {
        let random = mix(u64::from(self.next_random()) << 32 | u64::from(self.next_random()));
        let lens =
            |database: &Option<Box<super::Database>>| database.as_ref().map_or(0, |database| database.table().len());
        let all: usize = self.databases.iter().map(lens).sum();
        let mut chosen = (random % all.max(1) as u64) as usize;
        for (db, database) in self.databases.iter().enumerate() {
            let len = lens(database);
            if chosen < len {
                (self.victims.db, self.victims.position) = (db, random >> (64 - crate::directory::POSITION_BITS));
                return;
            }
            chosen -= len;
        }
    }

    /// Rates keys and puts the best into the pool.
    fn keep_best(&mut self, eviction: Eviction, db: u16, now: UnixMillis, slots: &mut [Slot]) {
        let Keyspace { lens, victims: Victims { pool, .. }, .. } = self;
        let is_random = eviction.order == EvictionOrder::Random;
        if is_random {
            pool.clear();
        }
        for slot in &*slots {
            let entry = slot.entry();
            let worth = eviction.rate(lens.clock, entry, now);
            if pool.len() >= POOL_MAX && pool[0].worth >= worth {
                continue;
            }
            let known = |candidate: &Candidate| candidate.entry == entry && candidate.db == db;
            if let Some(at) = pool.iter().position(known) {
                pool.remove(at);
            } else if pool.len() >= POOL_MAX {
                pool.remove(0);
            }
            let hash = hash_of(&lens.hasher, entry.key());
            let at = pool.partition_point(|candidate| candidate.worth < worth);
            pool.insert(at, Candidate { worth, hash, entry, mark: eviction.mark(entry), db });
        }
    }

    /// Frees what waits for it and is not a key, before keys are evicted. Whether there was any.
    pub fn free_before_evicting(&mut self, spent_ns: &mut u64) -> bool {
        self.storage.heap.defer_returns(true);
        let freed = self.has_doomed() && self.free_step(spent_ns);
        self.storage.heap.defer_returns(false);
        freed
    }

    /// Bytes that could be evicted, about.
    pub fn evictable_bytes(&self, expiring_only: bool) -> usize {
        let (mut keys, mut expiring) = (0, 0);
        for database in self.databases.iter().flatten() {
            keys += database.table().len();
            expiring += database.expiries().len();
        }
        let wanted = if expiring_only { expiring } else { keys };
        if wanted == 0 {
            return 0;
        }
        let bytes = self.storage.heap.usage().entries + self.storage.large.bytes();
        ((bytes as u128 * wanted as u128 / keys as u128) as usize).max(1)
    }
}
