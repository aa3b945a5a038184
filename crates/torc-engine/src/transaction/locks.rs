//! The lock table of a core: who holds which key, or the whole shard, and who waits, in the order of ids.
//!
//! ```text
//!   shard   [IX 5] [IX 7] [S 9]          a claim stands in the shard's queue, and in that of each of its keys
//!   key a   [X 5]  [X 7]                 one that conflicts with none before it holds the lock
//!   key b   [S 5]  [S 7]  [X 12]         a claim that holds all its locks is granted
//! ```
//! A claim goes to the end of its queues and is refused if there a conflicting claim with a higher id were before it. So
//! claims that conflict stand in every queue, on every core, in the order of their ids, and waiting always goes to lower ones.
//!
//! After VLL (Ren, Thomson, Abadi: Lightweight Locking for Main Memory Database Systems, VLDB 2013), with a queue for each key in place of
//! counters, so that a claim is granted as soon as those it conflicts with are gone.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use super::TransactionId;
use crate::plan::Mode;

/// The locks that a unit or transaction needs of one core.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Footprint {
    whole: Option<Mode>,
    /// By lock hash; sorted and distinct once sealed.
    keys: Vec<(u64, Mode)>,
}

impl Footprint {
    /// Adds a key.
    pub fn add(&mut self, hash: u64, mode: Mode) {
        self.keys.push((hash, mode));
    }

    /// Adds the whole shard.
    pub fn add_whole(&mut self, mode: Mode) {
        self.whole = self.whole.max(Some(mode));
    }

    /// Puts it in order, once all is added.
    pub fn seal(&mut self) {
        let writes = self.keys.iter().any(|&(_, mode)| mode == Mode::Exclusive);
        if self.whole.is_some() {
            // A transaction that reads the whole shard and writes a key has the shard for itself.
            if writes {
                self.whole = Some(Mode::Exclusive);
            }
            self.keys.clear();
        }
        if self.keys.len() > 1 {
            // Of one key's modes the exclusive one comes first, and stays.
            self.keys.sort_unstable_by(|a, b| (a.0, b.1).cmp(&(b.0, a.1)));
            self.keys.dedup_by_key(|&mut (hash, _)| hash);
        }
    }

    /// Whether it may write a key for whose hash `is_wanted`, or any key at all.
    pub fn writes(&self, is_wanted: impl Fn(u64) -> bool) -> bool {
        self.writes_all() || self.keys.iter().any(|&(hash, mode)| mode == Mode::Exclusive && is_wanted(hash))
    }

    /// Whether it may write any key of the shard.
    pub fn writes_all(&self) -> bool {
        self.whole == Some(Mode::Exclusive)
    }

    /// The hashes of the keys that it may write, unless that is the whole shard.
    pub fn written_keys(&self) -> impl Iterator<Item = u64> {
        self.keys.iter().filter(|&&(_, mode)| mode == Mode::Exclusive).map(|&(hash, _)| hash)
    }

    /// Whether it needs nothing.
    pub fn is_empty(&self) -> bool {
        self.whole.is_none() && self.keys.is_empty()
    }

    /// Bytes held outside of it.
    pub fn memory_bytes(&self) -> usize {
        self.keys.capacity() * size_of::<(u64, Mode)>()
    }

    fn shard_mode(&self) -> ShardMode {
        match self.whole {
            Some(Mode::Exclusive) => ShardMode::Exclusive,
            Some(Mode::Shared) => ShardMode::Shared,
            None if self.keys.iter().any(|&(_, mode)| mode == Mode::Exclusive) => ShardMode::WritesKeys,
            None => ShardMode::ReadsKeys,
        }
    }
}

/// How a claim stands in the shard's queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ShardMode {
    ReadsKeys,
    WritesKeys,
    Shared,
    Exclusive,
}

trait Conflict: Copy {
    fn conflicts(self, other: Self) -> bool;
}

impl Conflict for Mode {
    fn conflicts(self, other: Self) -> bool {
        self == Mode::Exclusive || other == Mode::Exclusive
    }
}

impl Conflict for ShardMode {
    fn conflicts(self, other: Self) -> bool {
        use ShardMode::{ReadsKeys, Shared, WritesKeys};
        !matches!(
            (self, other),
            (ReadsKeys, ReadsKeys | WritesKeys | Shared)
                | (WritesKeys, ReadsKeys | WritesKeys)
                | (Shared, ReadsKeys | Shared)
        )
    }
}

/// A claim that cannot keep the order of ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refused;

struct Entry<M> {
    id: TransactionId,
    mode: M,
    held: bool,
}

/// Who holds a lock or waits for it. An entry holds it if it conflicts with none of those before it: also where those wait
/// themselves, since it must not wait for a higher id that is compatible (a key's reader behind a key's writer, behind KEYS).
struct Queue<M> {
    entries: Vec<Entry<M>>,
}

impl<M> Default for Queue<M> {
    fn default() -> Self {
        Queue { entries: Vec::new() }
    }
}

impl<M: Conflict> Queue<M> {
    fn is_free_for(&self, mode: M) -> bool {
        !self.entries.iter().any(|entry| entry.mode.conflicts(mode))
    }

    fn keeps_order(&self, id: TransactionId, mode: M) -> bool {
        !self.entries.iter().any(|entry| entry.id > id && entry.mode.conflicts(mode))
    }

    /// True: the lock is held.
    fn append(&mut self, id: TransactionId, mode: M) -> bool {
        let held = self.is_free_for(mode);
        self.entries.push(Entry { id, mode, held });
        held
    }

    /// Takes a claim out; calls `holds` for those that hold the lock now and did not before.
    fn remove(&mut self, id: TransactionId, mut holds: impl FnMut(TransactionId)) {
        let place = self.entries.iter().position(|entry| entry.id == id).expect("a claim stands in its queues");
        let removed = self.entries.remove(place);
        for next in place..self.entries.len() {
            let (before, rest) = self.entries.split_at_mut(next);
            let entry = &mut rest[0];
            let waited = !entry.held && removed.mode.conflicts(entry.mode);
            if waited && !before.iter().any(|other| other.mode.conflicts(entry.mode)) {
                entry.held = true;
                holds(entry.id);
            }
        }
        assert!(self.entries.first().is_none_or(|first| first.held), "the first of a queue holds its lock");
    }
}

/// The keys are hashes already.
#[derive(Default)]
struct AsIs(u64);

impl Hasher for AsIs {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, _bytes: &[u8]) {
        unreachable!("only hashes are hashed")
    }
    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

struct Held {
    footprint: Footprint,
    /// Locks that it awaits.
    missing: usize,
}

/// See the head of the file.
#[derive(Default)]
pub struct LockTable {
    shard: Queue<ShardMode>,
    keys: HashMap<u64, Queue<Mode>, BuildHasherDefault<AsIs>>,
    claims: HashMap<TransactionId, Held>,
}

impl LockTable {
    /// Whether nobody holds or awaits a lock.
    #[inline]
    pub fn is_idle(&self) -> bool {
        self.shard.entries.is_empty()
    }

    /// Whether no claim, granted or not, conflicts with these locks.
    pub fn is_free(&self, footprint: &Footprint) -> bool {
        if footprint.is_empty() {
            return true;
        }
        let is_free = |(hash, mode): &(u64, Mode)| self.keys.get(hash).is_none_or(|queue| queue.is_free_for(*mode));
        self.is_idle() || (self.shard.is_free_for(footprint.shard_mode()) && footprint.keys.iter().all(is_free))
    }

    /// Claims these locks. True: all are held; false: some are awaited.
    pub fn claim(&mut self, id: TransactionId, footprint: Footprint) -> Result<bool, Refused> {
        assert!(!self.claims.contains_key(&id), "an id is claimed with once");
        assert!(footprint.keys.is_sorted_by(|a, b| a.0 < b.0), "a footprint is sealed before it is claimed");
        let shard_mode = footprint.shard_mode();
        let keeps_order =
            |(hash, mode): &(u64, Mode)| self.keys.get(hash).is_none_or(|queue| queue.keeps_order(id, *mode));
        if !self.shard.keeps_order(id, shard_mode) || !footprint.keys.iter().all(keeps_order) {
            return Err(Refused);
        }
        assert!(self.claims.is_empty() == self.shard.entries.is_empty(), "every claim stands in the shard's queue");
        let mut missing = usize::from(!self.shard.append(id, shard_mode));
        for &(hash, mode) in &footprint.keys {
            missing += usize::from(!self.keys.entry(hash).or_default().append(id, mode));
        }
        self.claims.insert(id, Held { footprint, missing });
        Ok(missing == 0)
    }

    /// Adds the exclusive lock of a key to a claim that is granted and writes keys, if nobody else stands in the key's queue.
    /// So nobody waits for it who would not wait anyway. Whether the claim has the lock now.
    pub fn extend(&mut self, id: TransactionId, hash: u64) -> bool {
        let held = self.claims.get_mut(&id).expect("only claims that exist are extended");
        assert_eq!(held.missing, 0, "only claims that are granted are extended");
        match held.footprint.shard_mode() {
            ShardMode::Exclusive => return true,
            ShardMode::WritesKeys => {}
            ShardMode::ReadsKeys | ShardMode::Shared => return false,
        }
        match held.footprint.keys.binary_search_by_key(&hash, |&(hash, _)| hash) {
            Ok(place) => held.footprint.keys[place].1 == Mode::Exclusive,
            Err(_) if self.keys.contains_key(&hash) => false,
            Err(place) => {
                held.footprint.keys.insert(place, (hash, Mode::Exclusive));
                self.keys.entry(hash).or_default().append(id, Mode::Exclusive)
            }
        }
    }

    /// Ends a claim, granted or not; adds the claims that are granted by it, by id.
    pub fn release(&mut self, id: TransactionId, granted: &mut Vec<TransactionId>) {
        let Held { footprint, .. } = self.claims.remove(&id).expect("only claims that exist are released");
        let first = granted.len();
        let claims = &mut self.claims;
        let mut holds = |id: TransactionId| {
            let held = claims.get_mut(&id).expect("queues hold claims that exist");
            held.missing = held.missing.checked_sub(1).expect("a lock that is awaited is granted once");
            if held.missing == 0 {
                granted.push(id);
            }
        };
        self.shard.remove(id, &mut holds);
        for (hash, _) in &footprint.keys {
            let queue = self.keys.get_mut(hash).expect("a claimed key has a queue");
            queue.remove(id, &mut holds);
            if queue.entries.is_empty() {
                self.keys.remove(hash);
            }
        }
        granted[first..].sort_unstable();
        assert_eq!(self.claims.len(), self.shard.entries.len(), "every claim stands in the shard's queue");
        assert!(!self.claims.is_empty() || self.keys.is_empty(), "without a claim no key is locked");
    }

    /// The locks of a claim.
    pub fn footprint(&self, id: TransactionId) -> &Footprint {
        &self.claims.get(&id).expect("only claims that exist are asked for").footprint
    }

    /// Whether a claim holds all its locks.
    pub fn is_granted(&self, id: TransactionId) -> bool {
        self.claims.get(&id).is_some_and(|held| held.missing == 0)
    }

    /// Number of claims.
    pub fn len(&self) -> usize {
        self.claims.len()
    }
}

#[cfg(test)]
mod tests;
