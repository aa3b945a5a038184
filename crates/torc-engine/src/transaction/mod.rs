//! Commands, MULTI blocks and waiting clients that concern several cores: `docs/transactions.md` is the design.
//!
//! ```text
//!   footprint   which locks a command needs, and of which cores
//!   locks       the lock table of a core: claims, queued and granted
//!   id          (time, core): the order of claims that conflict
//!   messages    what the roles of cores say to each other
//!   claims      units and transactions that hold or await locks of this core
//!   token       who may serve waiters of several cores
//!   waiters     requests that wait for a key of this core
//! ```
//! Here are the types; what moves them is in `engine/coordinator.rs`, `engine/participant.rs` and `engine/waitlist.rs`.

pub mod claims;
pub mod footprint;
pub mod id;
pub mod locks;
pub mod messages;
pub mod token;
pub mod waiters;

pub use claims::{Claim, Claims, ShutOut};
pub use footprint::{footprint_here, footprints, lock_hash};
pub use id::{TransactionClock, TransactionId};
pub use locks::{Footprint, LockTable, Refused};
pub use messages::{
    ChangedKey, Done, Hop, RoleMessage, Schedule, ToConnection, ToCoordinator, ToHome, ToParticipant, ToSubscribers,
    ToWaitlist,
};
pub use waiters::{WaiterId, Waiters};
