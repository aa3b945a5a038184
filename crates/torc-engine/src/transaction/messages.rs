//! What the roles of cores say to each other: one enum for each role that receives, and one closed enum of these.
//!
//! ```text
//!   coordinator                 participant        what changed keys      waitlist           connection that waits
//!     |--- Schedule, Hop ---------->|                     |--- Offer ------------------------------>|
//!     |<-- Granted, Refused, Done --|                     |<-- Answer ------------------------------|
//!     |--- Serve ------------------>|                     |--- Served ----------------------------->|
//!     |<-- ServingDone -------------|                     |<-- Forget ------------------------------|
//!     |--- Release ---------------->|
//!     |--- Probe ------------------>|
//!     |<-- Here --------------------|
//!     |--- Withdraw --------------->|
//!
//!   core of a connection        home of topics                            core with subscribers
//!     |--- Register --------------->|                                          |
//!     |<-- Registered --------------|--- Published --------------------------->|
//!     |--- Forget ----------------->|
//!
//!   owner of keys                    core of a connection that has cached some         core to which it has redirected
//!     |--- Invalidated ------------------->|--- Redirected ---------------------------------->|
//!                                          |<-- RedirectBroken -------------------------------|
//!
//!                                                                        participant        connection
//!                                                                          |--- NeedsRoom ---->|
//!                                                                          |<-- HasRoom -------|
//! ```
//! They travel inside the batches of the outbox, in order, or through the local queue of a core.

use super::{Footprint, TransactionId};
use crate::asker::ConnectionId;
use crate::effect::Effect;
use crate::message::Batch;
use crate::pubsub::{Change, Published};
use crate::route::CoreId;
use crate::script::ScriptKind;
use crate::stand_by::StandByFor;
use crate::task::ServedReply;
use crate::tracking::{Addressees, Body, Stale};

/// A message to one role of a core, from another core or from the same.
pub enum RoleMessage {
    /// To the coordinator of a transaction.
    Coordinator(ToCoordinator),
    /// To an owner of keys that a unit or transaction needs.
    Participant(ToParticipant),
    /// To an owner of keys that somebody waits for, or to the core that keeps the serving token.
    Waitlist(ToWaitlist),
    /// To the core of a connection.
    Connection(ToConnection),
    /// To the home of topics.
    Home(ToHome),
    /// To a core with subscribers.
    Subscribers(ToSubscribers),
}

impl RoleMessage {
    /// Whether what it asks for is done soon.
    pub fn is_brief(&self) -> bool {
        match self {
            RoleMessage::Coordinator(_) | RoleMessage::Waitlist(_) => true,
            RoleMessage::Participant(message) => match message {
                ToParticipant::Schedule(schedule) => {
                    schedule.stand_by.is_none() && schedule.hop.as_ref().is_none_or(|hop| hop.batch.is_brief())
                }
                ToParticipant::Hop(_, hop) => hop.batch.is_brief(),
                ToParticipant::Unit(batch) => batch.is_brief(),
                ToParticipant::Release { .. } | ToParticipant::Serve { .. } => true,
                _ => false,
            },
            RoleMessage::Connection(_) | RoleMessage::Home(_) | RoleMessage::Subscribers(_) => false,
        }
    }
}

/// To the coordinator of a transaction.
pub enum ToCoordinator {
    /// From its own core only: a script of the transaction has paused, and goes on; or it has the claims of another one now.
    GoOn {
        /// The session whose transaction it is.
        connection: ConnectionId,
    },
    /// All locks are held, from this time on.
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
    /// From the participant on the same core: `Granted` will come, but not at once.
    Queued {
        /// The connection whose transaction it is.
        connection: ConnectionId,
        /// The attempt.
        id: TransactionId,
    },
    /// The attempt has to be repeated with an id that is higher than `clock`.
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
    /// The gate that refused this attempt is open.
    Opened {
        /// The connection whose transaction it is.
        connection: ConnectionId,
        /// The attempt that was refused.
        id: TransactionId,
    },
    /// The core is between two commands, and stands by. Answered by `Schedule`.
    Here {
        /// The connection whose transaction it is.
        connection: ConnectionId,
        /// The attempt.
        id: TransactionId,
    },
    /// A hop with its replies.
    Done(Box<Done>),
    /// The participant whose turn it was has served all who wait for what was changed there.
    ServingDone {
        /// The connection whose transaction it is.
        connection: ConnectionId,
        /// The attempt.
        id: TransactionId,
    },
    /// The transaction has the serving token. Answered by `TokenReturn`.
    Token {
        /// The connection whose transaction it is.
        connection: ConnectionId,
        /// The attempt.
        id: TransactionId,
    },
}

/// To an owner of keys.
pub enum ToParticipant {
    /// Claim this. Answered by `Granted`, `Refused`, or, with a hop, `Done`.
    Schedule(Box<Schedule>),
    /// All claims are granted: run this now. Answered by `Done`.
    Hop(TransactionId, Hop),
    /// The claim, queued or granted, is over. Not answered.
    Release {
        /// The attempt.
        id: TransactionId,
        /// All of it has run; not merely this attempt is called off.
        finished: bool,
    },
    /// A cut is to be made: begin nothing that may take long. Answered by `Here`.
    Probe {
        /// The connection whose transaction it is.
        connection: ConnectionId,
        /// The attempt.
        id: TransactionId,
        /// For how long.
        how_long: StandByFor,
    },
    /// The attempt of a cut has held writers for too long: its claim, if there is one, is over, and so is its gate. Not answered.
    Withdraw {
        /// The attempt.
        id: TransactionId,
        /// The id of the first attempt since the probe.
        age: TransactionId,
    },
    /// Serve those who wait for these keys, in this order. Answered by `ServingDone`.
    Serve {
        /// The attempt.
        id: TransactionId,
        /// The keys.
        keys: Vec<ChangedKey>,
        /// The transaction's time, Unix microseconds.
        now_us: i64,
    },
    /// Run all of this with nothing in between. Answered by `LateReplies`.
    Unit(Box<Batch>),
    /// A script or function that holds all keys of the core has run for long; or, `is_held` being false, has ended after that.
    Busy {
        /// Which of both.
        kind: ScriptKind,
        /// It holds them.
        is_held: bool,
    },
    /// Memory is short: evict a share of it. Not answered.
    Relieve,
    /// To itself: a unit whose script has paused goes on.
    GoOnWithScript(TransactionId),
    /// To itself: a request of a connection has had its effect, behind which others wait.
    GoOn(CoreId, ConnectionId),
    /// There is room for more replies of this connection of the sender, or nobody to get them.
    HasRoom(ConnectionId),
    /// These keys are not watched any longer.
    Unwatch(Vec<(u16, Box<[u8]>)>),
}

/// To an owner of keys that somebody waits for, or to the core that keeps the serving token.
pub enum ToWaitlist {
    /// Whether the connection that got an offer still waits. If so it will be served.
    Answer {
        /// The claim.
        id: TransactionId,
        /// It waits.
        accepted: bool,
    },
    /// This wait is over.
    Forget {
        /// The connection.
        connection: ConnectionId,
        /// Which of its waits.
        wait: u32,
    },
    /// To the core that keeps the token: somebody wants to serve waiters whose keys lie on several cores. Answered by `Token`.
    TokenRequest {
        /// What made their keys ready.
        id: TransactionId,
        /// The connection of the transaction; `None`: it is a unit.
        connection: Option<ConnectionId>,
    },
    /// To the core that keeps the token: it is free again.
    TokenReturn(TransactionId),
    /// To the core of a unit: it has the serving token. Answered by `TokenReturn`.
    Token(TransactionId),
}

/// To the core of a connection.
pub enum ToConnection {
    /// A key is ready. Answered by `Answer`.
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
    /// The reply of a connection that accepted.
    Served {
        /// The connection.
        connection: ConnectionId,
        /// The reply.
        reply: ServedReply,
    },
    /// The replies to its requests are many bytes: the next of them runs when there is room for its reply. Answered by `HasRoom`.
    NeedsRoom {
        /// The connection.
        connection: ConnectionId,
        /// The sequence number of that reply.
        sequence: u64,
    },
    /// To all cores, from that of a connection that has paused clients: when has all been done that connections of yours have begun?
    /// Answered by `Drained`.
    Drain {
        /// The connection that waits for it.
        connection: ConnectionId,
        /// Not only of what may change something: rights have changed.
        of_all: bool,
    },
    /// All that the connections of a core had begun before the pause of this one has been done.
    Drained(ConnectionId),
    /// Replies that could not travel home with their batch.
    LateReplies(Box<Batch>),
}

/// To a core that is home to topics ([`crate::pubsub`]).
pub enum ToHome {
    /// A connection subscribes, or no longer. Answered by `Registered`.
    Register {
        /// The connection.
        connection: ConnectionId,
        /// The topics that it begins or ends to subscribe to.
        changes: Vec<Change>,
    },
    /// Connections that are gone had subscribed to these. Answered by `Forgotten`.
    Forget(Vec<Change>),
}

/// To a core with subscribers.
pub enum ToSubscribers {
    /// The topics of a connection are registered.
    Registered {
        /// The connection.
        connection: ConnectionId,
        /// The same that were to be registered.
        changes: Vec<Change>,
    },
    /// These that were to be forgotten are: they come back to be freed where they were allocated. What another core frees has the allocator
    /// look at each piece when it next collects; half a million names at once took it 40 ms.
    Forgotten(Vec<Change>),
    /// The sender has published this.
    Published(Published),
    /// Keys of the sender have changed that these connections may have cached.
    Invalidated {
        /// The keys.
        stale: Stale,
        /// The connections.
        to: Addressees,
    },
    /// To the core of a connection that is told for another one. Answered by `RedirectBroken` if it is gone.
    Redirected {
        /// The connection.
        to: ConnectionId,
        /// The connection of the sender for which it is told.
        of: ConnectionId,
        /// What is stale.
        body: Body,
    },
    /// The connection to which this one has redirected what it is to be told is gone.
    RedirectBroken(ConnectionId),
}

impl From<ToHome> for RoleMessage {
    fn from(message: ToHome) -> Self {
        RoleMessage::Home(message)
    }
}

impl From<ToSubscribers> for RoleMessage {
    fn from(message: ToSubscribers) -> Self {
        RoleMessage::Subscribers(message)
    }
}

impl From<ToCoordinator> for RoleMessage {
    fn from(message: ToCoordinator) -> Self {
        RoleMessage::Coordinator(message)
    }
}

impl From<ToParticipant> for RoleMessage {
    fn from(message: ToParticipant) -> Self {
        RoleMessage::Participant(message)
    }
}

impl From<ToWaitlist> for RoleMessage {
    fn from(message: ToWaitlist) -> Self {
        RoleMessage::Waitlist(message)
    }
}

impl From<ToConnection> for RoleMessage {
    fn from(message: ToConnection) -> Self {
        RoleMessage::Connection(message)
    }
}

/// A database and a key.
pub type ChangedKey = (u16, Box<[u8]>);

/// The claim that a coordinator asks of one participant, boxed since it carries the footprint.
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
    /// Of a cut: for how long the core is to stand by.
    pub stand_by: Option<StandByFor>,
}

/// The commands of one stage for one participant.
pub struct Hop {
    /// The connection whose transaction it is: under one claim it may be another one than before.
    pub connection: ConnectionId,
    /// The commands.
    pub batch: Box<Batch>,
    /// The time they see, Unix microseconds; with a schedule: at least this.
    pub now_us: i64,
    /// Whether the claim is released when they have run.
    pub concludes: bool,
}

/// What a participant returns of a hop: replies, time, and what was changed.
pub struct Done {
    /// The connection whose transaction it is.
    pub connection: ConnectionId,
    /// The attempt.
    pub id: TransactionId,
    /// The hop's commands with their replies.
    pub batch: Box<Batch>,
    /// The time at which it ran, Unix microseconds.
    pub now_us: i64,
    /// Whether the claim is released.
    pub released: bool,
    /// Keys that somebody waits for and that have changed, each with the part of the gather that changed it.
    pub changed: Vec<(u32, ChangedKey)>,
    /// The other effects, each with the part of the gather that brought them about.
    pub effects: Vec<(u32, Vec<Effect>)>,
}
