//! What ran, where and when, noted at the boundary of [`crate::run`] for the simulator. A server's recorder is empty, and a
//! note to it compiles to nothing.
//!
//! `journal` is what is noted, `choice` lets the simulator's oracle answer in place of commands that choose at random.

#[cfg(feature = "simulation")]
pub mod choice;
#[cfg(feature = "simulation")]
pub mod journal;

#[cfg(feature = "simulation")]
mod notes;
#[cfg(feature = "simulation")]
pub(crate) use choice::call;
#[cfg(feature = "simulation")]
pub use notes::{Forgotten, Recorder};

#[cfg(not(feature = "simulation"))]
mod nothing;
#[cfg(not(feature = "simulation"))]
pub(crate) use nothing::call;
#[cfg(not(feature = "simulation"))]
pub use nothing::{Forgotten, Recorder};

/// The function of a command that runs on a shard.
type ShardFunction = fn(
    &mut crate::shard::ShardContext<'_>,
    torc_resp::Args<'_>,
    &mut torc_resp::Reply<'_>,
) -> crate::error::CommandResult;
