//! A seeded world of N cores and M clients on one thread: no sockets, no clock, no threads.
//!
//! ```text
//!   clients --fragments--> engines <--messages, late but in order--> engines
//!      |                                                                |
//!      +-- the same requests --> oracle: one engine of one core --------+-- every reply byte must be equal
//! ```
//!
//! Each client has keys of its own and an oracle of its own, fed at the moment a request is made. Time moves
//! only while nothing is under way, so expiry is decided alike on both sides. Keys that all clients share are
//! judged by what must hold for any order of commands (`shared`). Two worlds beside this one judge otherwise: `strict` by the order of all
//! commands, `subscribers` what publishers and subscribers see. A seed determines everything, down to which
//! commands, sizes and delays a run is made of (`swarm`), so a failure is its seed.
//!
//! The life of a run: phases of random steps, each followed by rest, where everything is delivered and the
//! keyspaces are compared; then all clients leave, and what is left must be nothing.

pub mod borders;
mod client;
mod cluster;
mod compare;
pub mod grammar;
mod ledger;
mod network;
mod oracle;
mod peers;
mod rest;
mod shared;
pub mod strict;
pub mod subscribers;
mod swarm;
pub mod trace;
mod values;
mod workload;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind};

pub use network::Mutation;
pub use world::Summary;

/// A run that went wrong.
#[derive(Debug)]
pub struct Failure {
    /// The seed that makes it happen again.
    pub seed: u64,
    /// What was found.
    pub message: String,
    /// The last events before it.
    pub trace: String,
}

/// Runs the world of a seed, if asked with a fault in it that must be found. Where panics abort, a failure ends the
/// process; [`trace::install_panic_hook`] prints it before.
pub fn run(seed: u64, mutation: Option<Mutation>) -> Result<Summary, Failure> {
    trace::start(seed);
    catch_unwind(AssertUnwindSafe(|| world::World::new(seed, mutation).run())).map_err(|payload| Failure {
        seed,
        message: trace::message_of(payload.as_ref()),
        trace: trace::last_events(),
    })
}

#[cfg(test)]
mod tests;
