//! The log above a simulated disk: one seed, one run, one thread.
//!
//! ```text
//!   cores --groups, in any order--> Log --operations--> disk: delays, fails, tears, forgets
//!                                    |                   |
//!                                durable()            crash at any step, of the process or the machine
//!                                    |                   |
//!                                    +------ judge <-- load: manifest, reader
//! ```
//! What is judged ([`run`]):
//!
//! - what is loaded after a crash is a prefix of the stream: some first records, each as a whole, once, in order;
//! - the prefix contains every group that was durable, and after a crash of the process alone every group that was written;
//! - the files that are there can be loaded: a torn file is the last one, no file of the manifest is missing;
//! - all of that again after the log has gone on with what was loaded;
//! - when faults end, everything becomes durable, and when the log is closed nothing is left over.

mod disk;
mod load;
mod model;
mod plan;
mod random;
mod simulation;

pub use simulation::{Summary, run};
