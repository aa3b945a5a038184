//! The world of publishers, subscribers and clients with caches: what reaches whom, judged by what all clients have seen and by nothing else.
//!
//! ```text
//!   workload --requests--> clients --fragments--> engines <--messages, late--> engines
//!                             |                      |
//!                          history <--confirmations, messages, replies
//!                             |
//!                           judge: counted = delivered, nothing missed, one order, no gap in the events of a key,
//!                                  nothing stale in a cache
//! ```
//! docs/pubsub.md and docs/tracking.md say what is promised; each rule of the judge is one of those points.

mod clients;
mod history;
mod judge;
#[cfg(test)]
mod tests;
mod workload;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::{Failure, trace};

/// Events that a failure shows: all of most runs.
const EVENTS_MAX: usize = 20_000;

/// What a run did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Summary {
    /// Publishes that were answered.
    pub publishes: u64,
    /// Those of them that have reached somebody.
    pub heard_publishes: u64,
    /// Messages that clients have received.
    pub messages: u64,
    /// Those of them that are events.
    pub events: u64,
    /// Confirmed subscriptions.
    pub subscriptions: u64,
    /// Confirmed ends.
    pub ended: u64,
    /// Reads upon receipt.
    pub reads: u64,
    /// Values that were in caches while nothing was under way.
    pub cached: u64,
    /// Reads that a cache has answered.
    pub cache_hits: u64,
    /// Invalidations that clients have received.
    pub invalidations: u64,
    /// Connections that died.
    pub deaths: u64,
    /// A number that depends on every event of the run.
    pub digest: u64,
}

impl Summary {
    /// Adds another run's; the digest is of both.
    pub fn add(&mut self, other: &Summary) {
        self.publishes += other.publishes;
        self.heard_publishes += other.heard_publishes;
        self.messages += other.messages;
        self.events += other.events;
        self.subscriptions += other.subscriptions;
        self.ended += other.ended;
        self.reads += other.reads;
        self.cached += other.cached;
        self.cache_hits += other.cache_hits;
        self.invalidations += other.invalidations;
        self.deaths += other.deaths;
        self.digest = self.digest.rotate_left(1) ^ other.digest;
    }
}

/// Runs the world of publishers and subscribers of a seed.
pub fn run(seed: u64) -> Result<Summary, Failure> {
    trace::start(seed);
    trace::keep(EVENTS_MAX);
    catch_unwind(AssertUnwindSafe(|| world::World::new(seed).run())).map_err(|payload| Failure {
        seed,
        message: trace::message_of(payload.as_ref()),
        trace: trace::last_events(),
    })
}
