//! Commands, MULTI blocks and waiting clients that concern several cores: `docs/transactions.md` is the design.
//!
//! ```text
//!   footprint   which locks a command needs, and of which cores
//!   locks       the lock table of a core: claims, queued and granted
//!   id          (time, core): the order of claims that conflict
//!   letter      what coordinators and participants say to each other
//!   coordination  a transaction as its coordinator sees it: one type per state
//!   claims      units and transactions that hold or await locks of this core
//!   token       who may serve waiters of several cores
//!   waiters     requests that wait for a key of this core
//! ```
//! Here are the types; what moves them is in `engine/coordinate.rs` and `engine/participate.rs`.

pub mod claims;
pub mod coordination;
pub mod footprint;
pub mod id;
pub mod letter;
pub mod locks;
pub mod token;
pub mod waiters;

pub use claims::{Claim, Claims, ShutOut};
pub use coordination::{Coordination, Participation, Running, Scheduling, State};
pub use footprint::{footprint_here, footprints, lock_hash};
pub use id::{TransactionClock, TransactionId};
pub use letter::{ChangedKey, Hop, Letter, Schedule};
pub use locks::{Footprint, LockTable, Mode, Refused};
pub use waiters::{WaiterId, Waiters};
