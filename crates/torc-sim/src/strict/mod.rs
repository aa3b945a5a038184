//! The shared world: all clients use the same few keys, and what they saw must be explained by one order of all requests.
//!
//! ```text
//!   clients --requests--> engines of N cores          journal: which request ran where, when
//!      |                                                   |
//!      replies --> history <-------------------------------+
//!                     |
//!                   order: conflicts, real time, one connection -> a cycle is a failure
//!                     |
//!                   replay on one engine of one core: every reply byte equal, the same keys at the end
//! ```
//! What the engines have propagated is replayed in the same order on an empty engine (`effects`): the same keys, again.
//!
//! Whoever wants to see a failure gets the smallest history that a search by leaving out requests finds (`shrink`).

mod choice;
mod clients;
mod coverage;
mod effects;
mod history;
mod judge;
mod order;
mod queues;
mod replay;
mod saving;
mod scans;
mod scripts;
mod shown;
mod shrink;
mod stream;
mod summary;
mod switching;
#[cfg(test)]
mod tests;
mod workload;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::{Failure, trace};
pub use coverage::{Coverage, Outcomes};
pub(crate) use history::flat;
pub(crate) use replay::reply_end;
pub use shrink::{Cut, shrink};
pub use summary::Summary;

/// Runs the shared world of a seed, cut down as `cut` says.
pub fn run(seed: u64, cut: &Cut) -> Result<Summary, Failure> {
    trace::start(seed);
    catch_unwind(AssertUnwindSafe(|| world::World::new(seed, cut.clone()).run())).map_err(|payload| Failure {
        seed,
        message: trace::message_of(payload.as_ref()),
        trace: trace::last_events(),
    })
}
