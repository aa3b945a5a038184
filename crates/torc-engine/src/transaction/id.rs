//! The order of claims that conflict: (time, core), after Lamport, with the core's wall clock as the time where that is ahead.

/// A transaction's attempt, or a unit that waits: unique, and higher than all its core had heard of.
#[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct TransactionId {
    time: u64,
    core: u16,
}

/// Gives out the ids of one core.
#[derive(Debug)]
pub struct TransactionClock {
    latest: u64,
    core: u16,
}

impl TransactionClock {
    /// The clock of a core that has heard of nothing.
    pub fn new(core: u16) -> Self {
        TransactionClock { latest: 0, core }
    }

    /// An id higher than every one given out or observed; near `now_us`, Unix microseconds, so that cores which do not
    /// hear of each other give out ids in about the order of time.
    pub fn next(&mut self, now_us: i64) -> TransactionId {
        self.latest = (self.latest + 1).max(now_us.max(0) as u64);
        TransactionId { time: self.latest, core: self.core }
    }

    /// Another core's id was heard of.
    pub fn observe(&mut self, id: TransactionId) {
        self.latest = self.latest.max(id.time);
    }

    /// What other cores must exceed.
    pub fn latest(&self) -> TransactionId {
        TransactionId { time: self.latest, core: self.core }
    }
}
