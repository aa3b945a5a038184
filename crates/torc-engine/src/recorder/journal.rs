//! What ran, where and when: written by the engines in the simulator's build, read by its oracle.
//!
//! A request is known by its client's id and its number among the requests of its connection, from 1 on (every request
//! that names a command counts, refused ones too; empty ones do not). An EXEC stands for its whole transaction.

use crate::effect::Effect;

/// A request of a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId {
    /// The client's id.
    pub client_id: u64,
    /// Which of its connection's requests this is, from 1 on.
    pub number: u64,
}

/// Something that happened on one core; in the order of that core.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// What.
    pub kind: EventKind,
    /// The time that commands saw, Unix microseconds.
    pub now_us: i64,
}

/// What happened; requests are named by the ids that the file header defines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EventKind {
    /// The request, or a part of it, ran on this core with the keys that this core owns. Once for each stage; a script is one request,
    /// whatever it calls.
    Ran(RequestId),
    /// The keys watched by an EXEC on this core were looked at.
    Compared {
        /// The EXEC.
        request: RequestId,
        /// One has changed: the EXEC does nothing.
        changed: bool,
    },
    /// A waiting request was served on this core, as a part of what made its key ready.
    Served {
        /// The request that waited.
        waiter: RequestId,
        /// The request that made the key ready.
        by: RequestId,
    },
    /// A waiting request was not served although its key was ready: its wait had ended before.
    Declined {
        /// The request that had waited.
        waiter: RequestId,
        /// The request that made the key ready.
        by: RequestId,
    },
    /// A core of its keys has learned that a request waits no longer: what runs there from now on finds it gone.
    Forgotten(RequestId),
    /// The wait of a request ended without an element, on the core that holds its connection: by time, by CLIENT UNBLOCK (which has been
    /// noted before), or with its connection.
    Ended(RequestId),
    /// The request whose run was noted just before has ended the wait of this one: CLIENT UNBLOCK.
    Unblocked(RequestId),
    /// A request chose at random.
    Chose {
        /// The request; of a transaction, the EXEC.
        request: RequestId,
        /// The arguments of the command that chose.
        arguments: Vec<Vec<u8>>,
        /// What it answered.
        answer: Vec<u8>,
    },
    /// A unit has ended, or a transaction on the core that coordinates it.
    Effects {
        /// The request; `None`: keys have expired.
        by: Option<RequestId>,
        /// What it has changed, in order.
        effects: Vec<Effect>,
    },
    /// A waiting request runs again, because a key may be ready for it: everything noted of it before is void.
    Retried(RequestId),
}
