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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ids_are_ordered_by_time_then_core() {
        let id = |time, core| TransactionId { time, core };
        assert!(id(1, 9) < id(2, 0));
        assert!(id(2, 0) < id(2, 1));
    }

    #[test]
    fn follows_the_wall_clock_where_that_is_ahead() {
        let mut clock = TransactionClock::new(3);
        assert_eq!(clock.next(-5), TransactionId { time: 1, core: 3 }, "before 1970 it counts on its own");
        assert_eq!(clock.next(1_000), TransactionId { time: 1_000, core: 3 });
        assert_eq!(clock.next(1_000), TransactionId { time: 1_001, core: 3 });
        assert_eq!(clock.next(0), TransactionId { time: 1_002, core: 3 }, "the wall clock was set back");
        assert_eq!(clock.latest(), TransactionId { time: 1_002, core: 3 });
    }

    proptest! {
        /// Whatever the wall clocks say and whoever hears of whom.
        #[test]
        fn an_id_exceeds_all_that_its_core_knows(steps in prop::collection::vec((0..3_usize, 0..3_usize, -50..50_i64), 1..60)) {
            let mut clocks: Vec<_> = (0..3).map(TransactionClock::new).collect();
            let mut highest_known: Vec<Option<TransactionId>> = vec![None; 3];
            let mut given_out = std::collections::HashSet::new();
            for (core, teller, now_us) in steps {
                let heard_of = clocks[teller].latest();
                clocks[core].observe(heard_of);
                highest_known[core] = highest_known[core].max(highest_known[teller]);
                let id = clocks[core].next(now_us);
                prop_assert!(highest_known[core].is_none_or(|known| id > known) && id > heard_of);
                prop_assert!(given_out.insert(id), "{:?} was given out before", id);
                prop_assert_eq!(clocks[core].latest(), id);
                highest_known[core] = Some(id);
            }
        }
    }
}
