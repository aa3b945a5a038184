//! What can be asked for with a command on one core, and what becomes of it.
//!
//! ```text
//!   Task --run--> Outcome --in a batch that comes home--> Answered
//!                    \--a waiter that was served--------> ServedReply
//! ```
//! Nothing here knows what a command is or how one runs, so that commands, sessions and messages may speak of tasks.

use torc_resp::OutputBuffer;

use crate::error::CommandError;

/// How much of a command is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Task {
    /// All of it. Counted here.
    Whole,
    /// A core's share; the core that merges the shares counts the command.
    Share,
    /// The fetch of a relay, for all keys of this core.
    Fetch,
    /// Combines the sources of this core for a relay; the last `count` arguments, one at most, are what another owner has sent.
    Narrow {
        /// Number of arguments behind those of the command.
        count: u32,
    },
    /// The keys that follow from what a relay has fetched: the last `count` arguments are keys and words in turn.
    Follow {
        /// Number of arguments behind those of the command.
        count: u32,
    },
    /// Takes the value out of a relay's first key, to be sent to another core.
    HandOver,
    /// The share in applying a relay; the last `fetched` arguments are what was fetched.
    Apply {
        /// Number of arguments behind those of the command.
        fetched: u32,
        /// A core has met a key that has expired and is only hidden: elsewhere the command would find it, so what the command has
        /// changed is propagated by result.
        by_result: bool,
    },
    /// Takes from a key or, if none is ready, reports [`Outcome::Waits`].
    TakeOrWait,
    /// A core's share in taking from keys of several cores, of which some are ready.
    Take {
        /// The number of the first that is, among the request's keys.
        first: u32,
    },
    /// None of the keys, which lie on several cores, is ready.
    TakeNothing {
        /// The request is to wait: reports [`Outcome::Waits`]. If not, it gets the reply that nothing is there.
        waits: bool,
    },
    /// Compares the versions of watched keys: those of the session that it can reach, or arguments, keys and versions in turn.
    Check,
    /// Answers a waiting request from a key that has changed and is ready for it.
    Serve {
        /// Index of the key among the arguments.
        key_at: u32,
    },
    /// Makes one reply of the parts that an element of the gather has collected.
    Merge {
        /// Index of the element.
        element: u32,
        /// The command ran as a whole where its keys are, and was counted there.
        is_counted: bool,
    },
}

impl Task {
    /// Whether the call is counted where this runs. Each command is counted once, wherever its parts run.
    #[inline]
    pub fn counts(self) -> bool {
        matches!(self, Task::Whole | Task::Merge { is_counted: false, .. })
    }
}

/// What has become of a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The reply is written; a core that has no part in the reply has written nothing.
    Replied,
    /// The error is written in place of the reply.
    Failed,
    /// Nothing is written: this is what a relay has fetched.
    Fetched(Fetch),
    /// Nothing is written and nothing taken: the request is to wait.
    Waits,
    /// Nothing is written: a script takes long, and goes on when its request runs again.
    Suspended,
    /// Nothing is written: whether a watched key has changed.
    Compared {
        /// One has.
        changed: bool,
    },
}

/// What a relay's fetch has found at one key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// What the others need to know of the key, encoded as RESP2.
    Value(Vec<u8>),
    /// The key has something for a request that may wait.
    Ready,
    /// The key has nothing for a request that may wait.
    NotReady,
}

impl Found {
    /// The encoded value, for a relay that fetches values.
    pub fn into_value(self) -> Vec<u8> {
        match self {
            Found::Value(value) => value,
            Found::Ready | Found::NotReady => unreachable!("whether a key is ready is no value"),
        }
    }
}

/// What a relay's fetch has found on one core.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Findings {
    /// For each key of this core, in the order of the keys: what was found, or why that could not be read.
    ByKey(Box<[Result<Found, CommandError>]>),
    /// What all sources of this core come to; or the number of the first that could not be read among the request's sources, and why.
    ByOwner(Result<Vec<u8>, (usize, CommandError)>),
}

/// What a relay has fetched on one core.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetch {
    /// What was found.
    pub found: Findings,
    /// One of the keys has expired and is only hidden, since others may still see it.
    pub met_hidden: bool,
}

/// Whether a request of a batch has an answer when the batch comes home, and which.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answered {
    /// It ran.
    Ran(Outcome),
    /// It waits for a claim; its answer comes later, in a message of its own.
    Deferred,
    /// It did not run, since a watched key had changed.
    LeftOut,
}

/// The reply of a waiter that was served.
#[derive(Debug)]
pub struct ServedReply {
    /// Whether it is a reply or an error.
    pub outcome: Outcome,
    /// The reply, encoded.
    pub bytes: OutputBuffer,
}
