//! What the clients of all cores take together, and whose is the largest: `maxmemory-clients`.
//!
//! ```text
//!   core 0: sum, largest    core 1: sum, largest    ...      each core writes its own, after each walk over its sessions
//!        \_______________________|________________/
//!             the sum of all is over the limit --> the core with the largest client closes it
//! ```
//! Numbers of other cores are as old as their last walk. Closing takes a while to show elsewhere, so the next core may close one client
//! more than it would have had to, never one that is not the largest it knows of.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::config::MemoryLimit;
use crate::memory;
use crate::route::CoreId;

/// A limit below this counts as this, as in Redis: a few clients with nothing to do take as much.
const LIMIT_BYTES_MIN: u64 = 128 * 1024;

/// The memory of all clients that may be closed for it; shared by all cores.
#[derive(Debug, Default)]
pub struct ClientMemory {
    cores: Vec<CoreMemory>,
}

#[derive(Debug, Default)]
struct CoreMemory {
    sum_bytes: AtomicU64,
    largest_bytes: AtomicU64,
}

impl ClientMemory {
    /// Of so many cores.
    pub fn new(cores: u16) -> Arc<Self> {
        Arc::new(ClientMemory { cores: (0..cores).map(|_| CoreMemory::default()).collect() })
    }

    /// The clients of a core take so much together, and the largest of them so much.
    pub(crate) fn publish(&self, core: CoreId, sum_bytes: u64, largest_bytes: u64) {
        let own = &self.cores[usize::from(core)];
        own.sum_bytes.store(sum_bytes, Ordering::Relaxed);
        own.largest_bytes.store(largest_bytes, Ordering::Relaxed);
    }

    /// What the clients of all other cores take.
    pub(crate) fn elsewhere_bytes(&self, core: CoreId) -> u64 {
        self.others(core).map(|(_, other)| other.sum_bytes.load(Ordering::Relaxed)).sum()
    }

    /// Whether no other core has a larger client than this one of `core`; of equal ones that of the first core is the largest.
    pub(crate) fn is_largest(&self, core: CoreId, bytes: u64) -> bool {
        self.others(core).all(|(number, other)| {
            let largest = other.largest_bytes.load(Ordering::Relaxed);
            largest < bytes || (largest == bytes && number > usize::from(core))
        })
    }

    fn others(&self, core: CoreId) -> impl Iterator<Item = (usize, &CoreMemory)> {
        self.cores.iter().enumerate().filter(move |(number, _)| *number != usize::from(core))
    }
}

/// How many bytes clients may take together; `None`: any number. `whole_bytes`: `maxmemory`, of which percentages are; 0: it is no limit.
pub(crate) fn limit_bytes(limit: MemoryLimit, whole_bytes: u64) -> Option<u64> {
    match memory::limit_bytes(limit, whole_bytes) {
        0 => None,
        bytes => Some(bytes.max(LIMIT_BYTES_MIN)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_core_has_the_largest_client() {
        let memory = ClientMemory::new(3);
        memory.publish(0, 10, 5);
        memory.publish(1, 20, 7);
        memory.publish(2, 30, 7);
        assert_eq!([0, 1, 2].map(|core| memory.elsewhere_bytes(core)), [50, 40, 30]);
        assert_eq!([(0, 5), (1, 7), (2, 7)].map(|(core, bytes)| memory.is_largest(core, bytes)), [false, true, false]);
        assert!(ClientMemory::new(1).is_largest(0, 0));
    }

    #[test]
    fn limits() {
        assert_eq!(limit_bytes(MemoryLimit::Bytes(0), 1 << 40), None);
        assert_eq!(limit_bytes(MemoryLimit::Bytes(1), 0), Some(LIMIT_BYTES_MIN));
        assert_eq!(limit_bytes(MemoryLimit::Bytes(1 << 30), 0), Some(1 << 30));
        assert_eq!(limit_bytes(MemoryLimit::Percent(5), 0), None);
        assert_eq!(limit_bytes(MemoryLimit::Percent(5), 1 << 30), Some((1 << 30) / 20));
    }
}
