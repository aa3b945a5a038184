//! The keyspace of one shard: its databases, the memory they share, and the work that goes on
//! beside the commands.
//!
//! ```text
//! Keyspace -+- databases: Database -> Directory -> Segment -> Group -> Slot --+
//!           +- storage: Heap (entries, segments, blocks) <--------------------+
//!           |           LargeSpace (buffers of large values)
//!           +- changes: who watches or awaits keys, what is recorded
//!           +- doomed: databases flushed lazily, freed by `background`
//!
//! keys        a key is found, read, changed, visited         databases   all keys of a database at once
//! observing   who hears of changes, and what they are told   background  expiry and freeing, in slices
//! figures     counters and memory                            saving      the keys as they were at a cut
//! eviction    keys go when memory is short
//! ```
//!
//! Everything is single-threaded and deterministic: the time is passed in, and whatever is
//! random follows from the seed. Expired keys are removed when a command meets them or when
//! `background` does; no command ever sees one.

mod background;
mod databases;
mod eviction;
mod figures;
mod keys;
mod observing;
mod saving;

use std::cell::Cell;

use ahash::RandomState;

pub use self::background::Background;
use self::eviction::Victims;
pub use self::eviction::{Evicted, Eviction, EvictionOrder};
pub use self::figures::{KeyspaceStats, MemoryUse};
pub use self::keys::{KeyHash, LOOK_AHEAD_MAX, Prefetched};
use crate::UnixMillis;
use crate::access::AccessClock;
use crate::change::Changes;
use crate::database::Database;
use crate::duty::Duty;
use crate::elements::BigFrom;
use crate::segment::mix;
use crate::storage::Storage;
use crate::table::{Dismantled, Table, Tools};
use crate::workshop::{Lens, Workshop};

/// A scratch buffer larger than this is given back.
const SCRATCH_BYTES_MAX: usize = 64 << 10;

/// How to set a keyspace up.
#[derive(Clone, Copy, Debug)]
pub struct KeyspaceOptions {
    /// Number of databases.
    pub databases: u16,
    /// Seed of the key hash and of everything random; keep it secret from clients. All keyspaces of a process have the same, so that
    /// big values can go from one to another.
    pub hash_seed: [u64; 4],
}

/// All databases of one shard.
#[derive(Debug)]
pub struct Keyspace {
    pub(crate) storage: Storage,
    /// Made on the first insert.
    pub(crate) databases: Vec<Option<Box<Database>>>,
    pub(crate) lens: Lens,
    pub(crate) changes: Changes,
    /// What is still to be saved of the keys as they were at a cut.
    duty: Option<Box<Duty>>,
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
    /// Which keys are evicted next.
    victims: Victims,
}

impl Keyspace {
    /// An empty keyspace.
    pub fn new(options: KeyspaceOptions) -> Keyspace {
        assert!(options.databases > 0, "there is always database 0");
        let [a, b, c, d] = options.hash_seed;
        let storage = Storage::new();
        Keyspace {
            databases: std::iter::repeat_with(|| None).take(options.databases.into()).collect(),
            lens: Lens {
                hasher: RandomState::with_seeds(a, b, c, d),
                clock: AccessClock::default(),
                big_from: BigFrom::DEFAULT,
                loans: storage.large.loans.clone(),
            },
            storage,
            changes: Changes::default(),
            duty: None,
            scratch: Vec::new(),
            random: mix(a ^ b.rotate_left(16) ^ c.rotate_left(32) ^ d.rotate_left(48)),
            doomed: Vec::new(),
            stats: KeyspaceStats::default(),
            active_expire: true,
            expiry_floor: UnixMillis::MAX,
            met_hidden: Cell::new(false),
            sweep_db: 0,
            victims: Victims::default(),
        }
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

    /// Whether there may be such a reader.
    pub fn hides_expired(&self) -> bool {
        self.expiry_floor != UnixMillis::MAX
    }

    /// Whether a lookup has met a key that has expired and is only hidden ([`Keyspace::set_expiry_floor`]) since the last call.
    pub fn take_met_hidden(&mut self) -> bool {
        self.met_hidden.take()
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

    fn database(&self, db: u16) -> Option<&Database> {
        self.databases[db as usize].as_deref()
    }

    #[inline]
    fn table(&self, db: u16) -> Option<&Table> {
        self.database(db).map(Database::table)
    }

    fn next_random(&mut self) -> u32 {
        self.random = self.random.wrapping_add(1);
        mix(self.random) as u32
    }
}

/// A database and, beside it, what its operations need, and who hears of changes.
fn split_borrow(keyspace: &mut Keyspace, db: u16) -> Option<(&mut Database, Tools<'_>, &mut Changes)> {
    let database = keyspace.databases[db as usize].as_deref_mut()?;
    let heap = &mut keyspace.storage.heap;
    let tools = Tools { heap, lens: &keyspace.lens, stats: &mut keyspace.stats };
    Some((database, tools, &mut keyspace.changes))
}
