//! What coordinators and participants say to each other. Letters travel inside the batches of the mesh, in order.
//!
//! ```text
//!   Schedule ->  <- Granted | Queued | Refused      Hop -> <- Done      Release ->      (a transaction)
//!   Unit ->      <- Answers                                                             (a MULTI of one core, or a late reply)
//!   Unwatch ->                                                                          (WATCH is over)
//! ```

use super::{Footprint, TransactionId};
use crate::effect::Effect;
use crate::engine::ServedReply;
use crate::message::Batch;
use crate::session::ConnectionId;

/// A letter from one core to another, or from a core to itself.
pub enum Letter {
    /// Coordinator to participant: claim this. Answered by `Granted`, `Refused`, or, with a hop, `Done`.
    Schedule(Box<Schedule>),
    /// Coordinator to participant, which has granted: run this now. Answered by `Done`.
    Hop(TransactionId, Hop),
    /// Coordinator to participant: the claim, queued or granted, is over. Not answered.
    Release {
        /// The attempt.
        id: TransactionId,
        /// All of it has run; not merely this attempt is called off.
        finished: bool,
    },
    /// Participant to coordinator: all locks are held, from this time on.
    Granted {
        /// The connection whose transaction it is.
        connection: ConnectionId,
        /// The attempt.
        id: TransactionId,
        /// The participant's time, Unix microseconds.
        now_us: i64,
        /// Whether somebody waits for a key of the claim: then no hop may release its claim.
        awaited: bool,
    },
    /// Participant to the coordinator on its own core: `Granted` will come, but not at once.
    Queued {
        /// The connection whose transaction it is.
        connection: ConnectionId,
        /// The attempt.
        id: TransactionId,
    },
    /// Participant to coordinator: try again with an id that is higher than `clock`.
    Refused {
        /// The connection whose transaction it is.
        connection: ConnectionId,
        /// The attempt.
        id: TransactionId,
        /// The highest id the participant knows of.
        clock: TransactionId,
        /// The hop that came with the schedule.
        hop: Option<Hop>,
        /// The gate is shut: `Opened` will tell when to try again.
        shut: bool,
    },
    /// Participant to coordinator: the gate that refused this attempt is open.
    Opened {
        /// The connection whose transaction it is.
        connection: ConnectionId,
        /// The attempt that was refused.
        id: TransactionId,
    },
    /// Participant to coordinator: a hop with its replies.
    Done {
        /// The connection whose transaction it is.
        connection: ConnectionId,
        /// The attempt.
        id: TransactionId,
        /// The hop's commands with their replies.
        batch: Box<Batch>,
        /// The time at which it ran, Unix microseconds.
        now_us: i64,
        /// Whether the claim is released.
        released: bool,
        /// Keys that somebody waits for and that have changed, each with the part of the gather that changed it.
        changed: Vec<(u32, ChangedKey)>,
        /// The other effects, each with the part of the gather that brought them about.
        effects: Vec<(u32, Vec<Effect>)>,
    },
    /// Coordinator to participant: serve those who wait for these keys, in this order. Answered by `Settled`.
    Serve {
        /// The attempt.
        id: TransactionId,
        /// The keys.
        keys: Vec<ChangedKey>,
        /// The transaction's time, Unix microseconds.
        now_us: i64,
    },
    /// Participant to coordinator: nobody waits any longer for what is there.
    Settled {
        /// The connection whose transaction it is.
        connection: ConnectionId,
        /// The attempt.
        id: TransactionId,
    },
    /// To the core that keeps the token: somebody wants to serve waiters whose keys lie on several cores. Answered by `Token`.
    TokenRequest {
        /// What made their keys ready.
        id: TransactionId,
        /// The connection of the transaction; `None`: it is a unit.
        connection: Option<ConnectionId>,
    },
    /// To the core that asked: nobody else serves such waiters now. Answered by `TokenReturn`.
    Token {
        /// What made their keys ready.
        id: TransactionId,
        /// The connection of the transaction; `None`: it is a unit.
        connection: Option<ConnectionId>,
    },
    /// To the core that keeps the token: it is free again.
    TokenReturn(TransactionId),
    /// To the core of a waiting connection: a key is ready. Answered by `Answer`.
    Offer {
        /// The connection that waits.
        connection: ConnectionId,
        /// With which of its waits.
        wait: u32,
        /// The claim that keeps the key as it is.
        id: TransactionId,
        /// Who accepts is not served, but runs its request again.
        runs_again: bool,
    },
    /// To the core with the key: whether the connection still waits. If so it will be served.
    Answer {
        /// The claim.
        id: TransactionId,
        /// It waits.
        accepted: bool,
    },
    /// To the core of a connection that accepted: its reply.
    Served {
        /// The connection.
        connection: ConnectionId,
        /// The reply.
        reply: ServedReply,
    },
    /// To the core with the keys: this wait is over.
    Forget {
        /// The connection.
        connection: ConnectionId,
        /// Which of its waits.
        wait: u32,
    },
    /// To the owner of the keys: run all of this with nothing in between. Answered by `Answers`.
    Unit(Box<Batch>),
    /// To the core that asked: replies that could not travel home with their batch.
    Answers(Box<Batch>),
    /// To the owner of the keys: these are not watched any longer.
    Unwatch(Vec<(u16, Box<[u8]>)>),
}

/// A database and a key.
pub type ChangedKey = (u16, Box<[u8]>);

/// See [`Letter::Schedule`].
pub struct Schedule {
    /// The connection whose transaction it is.
    pub connection: ConnectionId,
    /// The attempt.
    pub id: TransactionId,
    /// The id of the first attempt.
    pub age: TransactionId,
    /// How many attempts were refused before.
    pub refusals: u32,
    /// The locks.
    pub footprint: Footprint,
    /// What is to run as soon as the claim is granted, since all others have granted theirs.
    pub hop: Option<Hop>,
}

/// The commands of one stage for one participant.
pub struct Hop {
    /// The commands.
    pub batch: Box<Batch>,
    /// The time they see, Unix microseconds; with a schedule: at least this.
    pub now_us: i64,
    /// Whether the claim is released when they have run.
    pub concludes: bool,
}
