//! Memory is short: keys are evicted, and what may take more is refused, or waits.
//!
//! ```text
//!   before each request, each message's request, in each turn, in upkeep
//!      quick counters say that it is time (one comparison) --> add up --> too much?
//!          evict this core's share, as a unit of its own; ask the cores that may sleep for theirs
//!          nothing can be evicted anywhere      --> is_out: rows with DENYOOM get their error (session/admit.rs)
//!          the time of the turn is used up      --> is_choked: rows with DENYOOM wait for the next turn
//! ```
//! Keys that somebody has claimed stay. While data is loaded, while clients are paused, and in a server that obeys a log, nothing is
//! evicted or refused.

use torc_store::{Evicted, Eviction};

use super::Engine;
use super::waitlist::Waitlist;
use crate::memory::{Relief, eviction, time_for_evictions_ns};
use crate::plan::Mode;
use crate::state::CoreState;
use crate::transaction::{Footprint, ToParticipant, lock_hash};

/// When the time of a turn for evictions is used up, a key is still looked for as long as this, by estimate.
const SEARCH_NS_MAX: u64 = 500_000;

impl Engine {
    /// Evicts if memory is short. Called where nothing is under way.
    #[inline]
    pub(super) fn relieve_if_due(&mut self) {
        if self.state.memory.is_due(self.state.keyspace.quick_bytes()) {
            self.relieve();
        }
    }

    /// A turn begins: other cores may have used up what was left.
    #[inline]
    pub(super) fn begin_relief(&mut self) {
        if self.state.memory.has_limit() {
            self.state.memory.begin_turn();
            if self.state.memory.is_over() {
                self.state.measure_memory();
                self.relieve();
            }
        }
    }

    /// Lets other cores know what this one could evict.
    pub(super) fn note_evictable(&mut self) {
        let state = &mut self.state;
        if state.memory.has_limit()
            && let Some(policy) = eviction(&state.config)
        {
            state.memory.note_evictable(state.keyspace.evictable_bytes(policy.expiring_only));
        }
    }

    /// Relieves this core, and asks others that may sleep to do so. Whether there is more to do here.
    #[cold]
    #[inline(never)]
    pub(super) fn relieve(&mut self) -> bool {
        let has_more = self.relieve_own();
        if self.state.memory.is_tight() {
            for core in self.state.memory.ask_others() {
                self.outbox.post(core, ToParticipant::Relieve);
            }
        }
        has_more
    }

    /// Looks at what is used, and evicts this core's share of what is too much. Whether there is more to do.
    pub(super) fn relieve_own(&mut self) -> bool {
        let state = &mut self.state;
        let is_exempt = state.persistence.loading.is_some() || state.obeys || state.pause.is_some();
        if is_exempt {
            return false;
        }
        let policy = eviction(&state.config);
        let evictable = policy.map(|policy| state.keyspace.evictable_bytes(policy.expiring_only));
        let quick_bytes = state.keyspace.quick_bytes();
        let (Relief::Evict(bytes), Some(policy)) =
            (state.memory.assess(quick_bytes, evictable, state.wall_us()), policy)
        else {
            return false;
        };
        let has_gone = bytes > 0 && self.evict(policy, quick_bytes.saturating_sub(bytes as usize));
        let state = &mut self.state;
        let quick_bytes = state.keyspace.quick_bytes();
        let evictable = state.keyspace.evictable_bytes(policy.expiring_only);
        let is_relieved = state.memory.assess(quick_bytes, Some(evictable), state.wall_us()) == Relief::None;
        state.memory.is_choked = !is_relieved && has_gone && state.memory.is_far_over();
        has_gone && !is_relieved
    }

    /// Evicts keys until the keyspace has so many quick bytes at most, or the time of this turn for it is used up. Whether anything has
    /// gone.
    fn evict(&mut self, policy: Eviction, bytes: usize) -> bool {
        let limit_ns = time_for_evictions_ns(self.state.config.eviction.tenacity);
        // However little time there is, something goes, if it is found soon.
        let search_ns = self.state.memory.spent_ns.max(limit_ns).saturating_add(SEARCH_NS_MAX);
        self.evict_while(policy, |state, gone, _| {
            let end_ns = if gone > 0 { limit_ns } else { search_ns };
            state.keyspace.quick_bytes() > bytes && state.memory.spent_ns < end_ns
        })
    }

    /// Evicts keys as one unit, one after another, while `goes_on` holds; it is asked with the number of things that have gone, and with those
    /// who wait for keys. Whether anything has gone.
    pub(super) fn evict_while(
        &mut self,
        policy: Eviction,
        mut goes_on: impl FnMut(&CoreState, u64, &Waitlist) -> bool,
    ) -> bool {
        let Engine { state, participant, waitlist, .. } = self;
        let locks = participant.claims().locks();
        let mut may_go = |key: &[u8]| {
            locks.is_idle() || {
                let mut footprint = Footprint::default();
                footprint.add(lock_hash(key), Mode::Exclusive);
                footprint.seal();
                locks.is_free(&footprint)
            }
        };
        if !may_go(b"") {
            // Most likely all keys are claimed: none need be looked at.
            return false;
        }
        let now_ms = state.now_ms;
        let mut gone = 0;
        while goes_on(state, gone, waitlist) {
            if state.keyspace.free_before_evicting(&mut state.memory.spent_ns) {
                gone += 1;
                continue;
            }
            match state.keyspace.evict(policy, now_ms, &mut may_go, &mut state.memory.spent_ns) {
                Evicted::Key { worth } => {
                    state.stats.evicted_keys += 1;
                    state.memory.note_worth(worth);
                    gone += 1;
                }
                Evicted::Expired => gone += 1,
                Evicted::Looking => {}
                Evicted::None => break,
            }
        }
        self.end_idle_unit();
        gone > 0
    }
}
