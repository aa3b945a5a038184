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
pub use notes::Recorder;

#[cfg(not(feature = "simulation"))]
mod nothing;
#[cfg(not(feature = "simulation"))]
pub use nothing::Recorder;
