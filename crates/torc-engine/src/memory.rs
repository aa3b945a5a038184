//! How much memory the process may use: `maxmemory`, one budget for all cores.
//!
//! ```text
//!   core 0: 3.1 MB used --\                                         each core adds what it has gained or lost: after a few KiB,
//!   core 1: 0.2 MB used ---+--> total <-- limit                     after what is left to all allows it, and each turn
//!   core 2: 1.7 MB used --/
//!             total > limit: each core evicts its share, by what it could evict and by how long that was not used
//! ```
//! No core has a part of its own: a core takes whatever the others leave. What a core uses follows from counters of its store; looking
//! whether it is time to add it up is one comparison for each request ([`Meter::is_due`]).
//!
//! The host tells now and then how much is resident. What lies above the counted sum (pages of the heap that are partly empty, what the
//! allocator keeps) makes the limit of the counted sum smaller, slowly and by no more than a quarter. See docs/memory.md.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};

use torc_store::{Eviction, EvictionOrder};

use crate::config::{Config, MaxmemoryPolicy, MemoryLimit};
use crate::route::CoreId;

/// With several cores, so much may be gained before it is added up, even where nothing is left.
const STEP_BYTES_MIN: u64 = 4 << 10;
/// And no more than this, however much is left.
const STEP_BYTES_MAX: u64 = 1 << 20;
/// What is evicted beyond what is too much.
const SLACK_BYTES_MAX: u64 = 32 << 10;
/// Below this limit, what the process takes beside its data is too large a part of it to be held against the data.
const RESIDENT_LIMIT_MIN: u64 = 128 << 20;
/// What may be resident, in hundredths of the limit.
const RESIDENT_PERCENT: u64 = 105;

/// What all cores use and may use; shared by them.
#[derive(Debug)]
pub struct MemoryBudget {
    total: Padded<AtomicI64>,
    exceeded: Padded<Exceeded>,
    cores: Box<[Padded<Share>]>,
}

/// Alone on its cache lines.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Padded<T>(T);

/// For how long the limit has been exceeded, in microseconds.
#[derive(Debug, Default)]
struct Exceeded {
    /// Since when, Unix time; 0: it is not exceeded.
    since: AtomicI64,
    before: AtomicI64,
}

/// What other cores may know of a core.
#[derive(Debug, Default)]
struct Share {
    /// What it could evict, weighed by how dispensable that is.
    weight: AtomicU64,
    /// It was asked to evict, and has not come to that.
    is_asked: AtomicBool,
}

impl MemoryBudget {
    /// For so many cores, which use nothing yet.
    pub fn new(cores: u16) -> Arc<Self> {
        let cores = (0..cores).map(|_| Padded::default()).collect();
        Arc::new(MemoryBudget { total: Padded::default(), exceeded: Padded::default(), cores })
    }

    /// What all cores use, as they have last added it up.
    pub fn used_bytes(&self) -> u64 {
        self.total.0.load(Ordering::Relaxed).max(0) as u64
    }

    /// How long the limit was exceeded, and how long it has been exceeded now, in microseconds.
    pub(crate) fn exceeded_us(&self, now_us: i64) -> (u64, u64) {
        let since = self.exceeded.0.since.load(Ordering::Relaxed);
        let now = if since == 0 { 0 } else { (now_us - since).max(0) };
        ((self.exceeded.0.before.load(Ordering::Relaxed) + now) as u64, now as u64)
    }

    /// CONFIG RESETSTAT.
    pub(crate) fn reset_exceeded(&self) {
        self.exceeded.0.before.store(0, Ordering::Relaxed);
    }

    fn note_exceeded(&self, is_exceeded: bool, now_us: i64) {
        let Exceeded { since, before } = &self.exceeded.0;
        if is_exceeded {
            let _ = since.compare_exchange(0, now_us.max(1), Ordering::Relaxed, Ordering::Relaxed);
        } else if since.load(Ordering::Relaxed) != 0 {
            let began = since.swap(0, Ordering::Relaxed);
            if began != 0 {
                before.fetch_add((now_us - began).max(0), Ordering::Relaxed);
            }
        }
    }
}

/// What may be done about too much memory being used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Relief {
    /// Not too much is used.
    None,
    /// This core is to evict so many bytes, if it can; others are asked for theirs.
    Evict(u64),
}

/// The part of one core in the budget.
#[derive(Debug)]
pub(crate) struct Meter {
    budget: Arc<MemoryBudget>,
    core: CoreId,
    /// What the counted sum may be; [`u64::MAX`]: anything.
    limit_bytes: u64,
    /// `maxmemory`; 0: none.
    max_bytes: u64,
    /// What the others see of this core.
    published_bytes: i64,
    /// What is used beside what [`torc_store::Keyspace::quick_bytes`] tells, as it was last looked at.
    pub beside_bytes: usize,
    /// From so many quick bytes on it is time to add it up.
    due_bytes: usize,
    /// More is used than may be.
    is_tight: bool,
    /// ... and nothing can be evicted: what may take more memory is refused.
    pub is_out: bool,
    /// More is used than can be evicted in this turn: what may take more memory waits for the next one.
    pub is_choked: bool,
    /// Estimated time of this turn's evictions.
    pub spent_ns: u64,
    /// Mean worth of the keys that went lately.
    worth: u64,
}

impl Meter {
    /// Of a core, without a limit.
    pub fn new(core: CoreId, budget: Arc<MemoryBudget>) -> Meter {
        Meter {
            budget,
            core,
            limit_bytes: u64::MAX,
            max_bytes: 0,
            published_bytes: 0,
            beside_bytes: 0,
            due_bytes: usize::MAX,
            is_tight: false,
            is_out: false,
            is_choked: false,
            spent_ns: 0,
            worth: 0,
        }
    }

    /// What all cores share.
    pub fn budget(&self) -> &MemoryBudget {
        &self.budget
    }

    /// `maxmemory` in bytes; 0: no limit.
    pub fn max_bytes(&self) -> u64 {
        self.max_bytes
    }

    /// The limit is another one.
    pub fn set_limit(&mut self, max_bytes: u64, now_us: i64) {
        if max_bytes == self.max_bytes {
            return;
        }
        self.max_bytes = max_bytes;
        self.limit_bytes = if max_bytes == 0 { u64::MAX } else { max_bytes };
        self.due_bytes = if max_bytes == 0 { usize::MAX } else { 0 };
        (self.is_tight, self.is_out, self.is_choked) = (false, false, false);
        if max_bytes == 0 {
            self.budget.note_exceeded(false, now_us);
        }
    }

    /// So much of the process is resident: what is not counted makes the limit smaller.
    pub fn note_resident(&mut self, resident_bytes: u64) {
        let max = self.max_bytes;
        if max < RESIDENT_LIMIT_MIN || resident_bytes == 0 {
            return;
        }
        let uncounted = resident_bytes.saturating_sub(self.budget.used_bytes());
        let wanted = (max / 100 * RESIDENT_PERCENT).saturating_sub(uncounted).clamp(max / 4 * 3, max);
        // What was evicted just now is not given back yet.
        self.limit_bytes = wanted.clamp(self.limit_bytes - max / 256, self.limit_bytes + max / 512).min(max);
    }

    /// Whether the use of this core is to be added up, with so many quick bytes of its keyspace.
    #[inline]
    pub fn is_due(&self, quick_bytes: usize) -> bool {
        quick_bytes >= self.due_bytes
    }

    /// What this core uses.
    pub fn used_bytes(&self, quick_bytes: usize) -> usize {
        quick_bytes + self.beside_bytes
    }

    /// Whether there is a limit.
    #[inline]
    pub fn has_limit(&self) -> bool {
        self.max_bytes != 0
    }

    /// Whether more was used than may be when this core last looked.
    pub fn is_tight(&self) -> bool {
        self.is_tight
    }

    /// Whether all cores together used more than they may when they last looked, or do now.
    #[inline]
    pub fn is_over(&self) -> bool {
        self.is_tight || self.budget.used_bytes() > self.limit_bytes
    }

    /// This core uses so much.
    pub fn publish(&mut self, quick_bytes: usize) {
        let used = self.used_bytes(quick_bytes) as i64;
        if used != self.published_bytes {
            self.budget.total.0.fetch_add(used - self.published_bytes, Ordering::Relaxed);
            self.published_bytes = used;
        }
    }

    /// This core uses so much, if that is worth telling.
    #[inline]
    pub fn publish_if_moved(&mut self, quick_bytes: usize) {
        let moved = (self.used_bytes(quick_bytes) as i64).abs_diff(self.published_bytes);
        if moved >= STEP_BYTES_MIN || (self.is_tight && moved > 0) {
            self.publish(quick_bytes);
        }
    }

    /// Looks at what is used, and what is to be done about it. `evictable_bytes`: what this core could evict.
    pub fn assess(&mut self, quick_bytes: usize, evictable_bytes: Option<usize>, now_us: i64) -> Relief {
        self.publish(quick_bytes);
        let own = self.weigh(evictable_bytes.unwrap_or(0) as u64);
        self.budget.cores[usize::from(self.core)].0.weight.store(own, Ordering::Relaxed);
        let cores = self.budget.cores.len() as u64;
        let total = self.budget.used_bytes();
        if total <= self.limit_bytes {
            let left = self.limit_bytes - total;
            let step = match cores {
                1 => left.saturating_add(1),
                _ => (left / (2 * cores)).clamp(STEP_BYTES_MIN, STEP_BYTES_MAX),
            };
            self.due_bytes = quick_bytes.saturating_add(step.min(usize::MAX as u64 / 2) as usize);
            if self.is_tight {
                (self.is_tight, self.is_out, self.is_choked) = (false, false, false);
                self.budget.note_exceeded(false, now_us);
            }
            return Relief::None;
        }
        self.budget.note_exceeded(true, now_us);
        self.is_tight = true;
        self.due_bytes = 0;
        let all: u128 = self.budget.cores.iter().map(|core| u128::from(core.0.weight.load(Ordering::Relaxed))).sum();
        self.is_out = evictable_bytes.is_none() || all == 0;
        if self.is_out || own == 0 {
            return Relief::Evict(0);
        }
        let over = total - self.limit_bytes;
        let share = (u128::from(over) * u128::from(own)).div_ceil(all) as u64;
        // The others may sleep, or be unable to.
        let is_far = over > self.limit_bytes / 64 + (1 << 20);
        // A little more, so that not each command has to.
        Relief::Evict(if is_far { over } else { share + SLACK_BYTES_MAX.min(self.limit_bytes >> 10) })
    }

    /// A key went that was worth so much.
    pub fn note_worth(&mut self, worth: u64) {
        let worth = worth.min(1 << 40) << 8;
        self.worth = self.worth - self.worth / 32 + worth / 32;
    }

    /// Bytes that may go, by how dispensable they are: among cores the one goes first whose keys were used longest ago.
    fn weigh(&self, bytes: u64) -> u64 {
        let worth = (self.worth >> 8) + 1;
        let factor = worth.min(1 << 12).pow(2);
        if bytes == 0 { 0 } else { (bytes >> 8).max(1).saturating_mul(factor) }
    }

    /// The other cores that could evict and have not been asked to. They are asked now.
    pub fn ask_others(&mut self) -> Vec<CoreId> {
        let is_to_be_asked = |core: CoreId| {
            let Share { weight, is_asked } = &self.budget.cores[usize::from(core)].0;
            core != self.core && weight.load(Ordering::Relaxed) > 0 && !is_asked.swap(true, Ordering::Relaxed)
        };
        (0..self.budget.cores.len() as CoreId).filter(|&core| is_to_be_asked(core)).collect()
    }

    /// This core has been asked to evict.
    pub fn is_asked(&mut self) {
        self.budget.cores[usize::from(self.core)].0.is_asked.store(false, Ordering::Relaxed);
    }

    /// What this core could evict is so much: others see that before this core has to.
    pub fn note_evictable(&mut self, bytes: usize) {
        let weight = self.weigh(bytes as u64);
        self.budget.cores[usize::from(self.core)].0.weight.store(weight, Ordering::Relaxed);
    }

    /// A turn begins.
    #[inline]
    pub fn begin_turn(&mut self) {
        self.spent_ns = 0;
        self.is_choked = false;
    }

    /// Far more is used than may be.
    pub fn is_far_over(&self) -> bool {
        self.budget.used_bytes() > self.limit_bytes.saturating_add(self.limit_bytes / 64 + (1 << 20))
    }
}

/// The bytes that a limit stands for; 0: none. `whole_bytes`: what percentages are of.
pub(crate) fn limit_bytes(limit: MemoryLimit, whole_bytes: u64) -> u64 {
    match limit {
        MemoryLimit::Bytes(bytes) => bytes,
        MemoryLimit::Percent(percent) => (u128::from(whole_bytes) * u128::from(percent) / 100) as u64,
    }
}

/// What may be evicted under this configuration; `None`: nothing.
pub(crate) fn eviction(config: &Config) -> Option<Eviction> {
    use MaxmemoryPolicy::{
        AllkeysLfu, AllkeysLru, AllkeysRandom, Noeviction, VolatileLfu, VolatileLru, VolatileRandom, VolatileTtl,
    };
    let order = match config.eviction.policy {
        VolatileLru | AllkeysLru => EvictionOrder::Lru,
        VolatileLfu | AllkeysLfu => EvictionOrder::Lfu,
        VolatileRandom | AllkeysRandom => EvictionOrder::Random,
        VolatileTtl => EvictionOrder::Ttl,
        Noeviction => return None,
    };
    let expiring_only = matches!(config.eviction.policy, VolatileLru | VolatileLfu | VolatileRandom | VolatileTtl);
    Some(Eviction { order, expiring_only, samples: config.eviction.samples })
}

/// Estimated nanoseconds that evictions may take in a turn: `maxmemory-eviction-tenacity`, with Redis's scale.
pub(crate) fn time_for_evictions_ns(tenacity: u32) -> u64 {
    match tenacity {
        0..=10 => u64::from(tenacity) * 50_000,
        // Fifteen hundredths more each time, up to some two minutes.
        11..=99 => (500_000.0 * 1.15f64.powi(tenacity as i32 - 10)) as u64,
        _ => u64::MAX,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_core_takes_what_the_others_leave() {
        let budget = MemoryBudget::new(2);
        let mut meters = [0, 1].map(|core| Meter::new(core, Arc::clone(&budget)));
        meters.iter_mut().for_each(|meter| meter.set_limit(100 << 20, 1));
        assert_eq!(meters[0].assess(90 << 20, Some(90 << 20), 1), Relief::None);
        assert_eq!(meters[1].assess(9 << 20, Some(9 << 20), 1), Relief::None);
        assert!(!meters[1].is_due(9 << 20) && meters[1].is_due(10 << 20));
        assert_eq!(budget.used_bytes(), 99 << 20);
        meters[0].note_evictable(90 << 20);
        // What is too much is to go where most could go.
        let relief = meters[1].assess(11 << 20, Some(10 << 20), 5);
        assert!(matches!(relief, Relief::Evict(bytes) if (90 << 10..150 << 10).contains(&bytes)), "{relief:?}");
        assert_eq!(meters[1].ask_others(), [0]);
        assert_eq!(meters[1].ask_others(), [0; 0], "once is enough");
        let relief = meters[0].assess(90 << 20, Some(90 << 20), 6);
        assert!(matches!(relief, Relief::Evict(bytes) if bytes > 900 << 10), "{relief:?}");
        assert_eq!(meters[0].assess(80 << 20, Some(80 << 20), 105), Relief::None);
        assert_eq!(budget.exceeded_us(200), (100, 0));
    }

    #[test]
    fn nothing_may_grow_when_nothing_can_go() {
        let budget = MemoryBudget::new(1);
        let mut meter = Meter::new(0, Arc::clone(&budget));
        assert!(!meter.is_due(1 << 40));
        meter.set_limit(1000, 1);
        assert_eq!(meter.assess(1000, None, 1), Relief::None);
        assert!(!meter.is_due(1000) && meter.is_due(1001));
        assert_eq!(meter.assess(1001, None, 1), Relief::Evict(0));
        assert!(meter.is_out);
        meter.assess(1001, Some(0), 1);
        assert!(meter.is_out);
        assert_eq!(meter.assess(1001, Some(1), 1), Relief::Evict(1), "of a small limit no slack is kept");
        assert!(!meter.is_out);
        meter.assess(500, None, 1);
        assert!(!meter.is_out && !meter.is_over());
        meter.set_limit(0, 1);
        assert!(!meter.is_due(1 << 40) && !meter.has_limit());
    }

    #[test]
    fn what_is_resident_and_not_counted_makes_the_limit_smaller() {
        let budget = MemoryBudget::new(1);
        let mut meter = Meter::new(0, Arc::clone(&budget));
        let max = 1 << 30;
        meter.set_limit(max, 1);
        meter.publish(max as usize);
        meter.note_resident(max + max / 100);
        assert_eq!(meter.limit_bytes, max);
        meter.note_resident(max / 100 * 110);
        assert!(meter.limit_bytes < max && meter.limit_bytes >= max - max / 256);
        (0..1000).for_each(|_| meter.note_resident(2 * max));
        assert_eq!(meter.limit_bytes, max / 4 * 3);
        (0..1000).for_each(|_| meter.note_resident(max));
        assert_eq!(meter.limit_bytes, max);
    }

    #[test]
    fn shares_follow_how_long_keys_were_not_used() {
        let budget = MemoryBudget::new(2);
        let mut meters = [0, 1].map(|core| Meter::new(core, Arc::clone(&budget)));
        meters.iter_mut().for_each(|meter| meter.set_limit(100 << 20, 1));
        (0..500).for_each(|_| meters[0].note_worth(100));
        (0..500).for_each(|_| meters[1].note_worth(10));
        meters[1].publish(50 << 20);
        meters[1].note_evictable(50 << 20);
        let relief = meters[0].assess((50 << 20) + (1 << 20), Some(50 << 20), 1);
        assert!(matches!(relief, Relief::Evict(bytes) if bytes > 900 << 10), "{relief:?}");
    }

    #[test]
    fn times_for_evictions_are_redis_s() {
        assert_eq!(time_for_evictions_ns(0), 0);
        assert_eq!(time_for_evictions_ns(10), 500_000);
        assert_eq!(time_for_evictions_ns(11), 575_000);
        assert!(time_for_evictions_ns(99) > 100_000_000_000);
        assert_eq!(time_for_evictions_ns(100), u64::MAX);
    }
}
