//! A transaction as its coordinator sees it, from the first schedule to the last reply: one type per state.
//!
//! ```text
//!            Refused: a new id, at once or when the gate is open (ShutOut)
//!            +-------+
//!            v       |
//!   begin -> Scheduling ---all granted---> Running: stage after stage -> end
//!                    \--own granted, one other left--> Joined -----------> end
//! ```

use std::collections::VecDeque;

use super::{ChangedKey, Footprint, Hop, TransactionId};
use crate::effect::Effect;
use crate::message::Batch;
use crate::route::CoreId;

/// A core's part in a transaction.
pub struct Participation {
    /// The core.
    pub core: CoreId,
    /// What it must lock.
    pub footprint: Footprint,
}

/// A transaction that is under way; it belongs to the session whose reply it makes.
pub struct Coordination {
    /// The attempt.
    pub id: TransactionId,
    /// The id of the first attempt.
    pub age: TransactionId,
    /// Attempts that were refused.
    pub refusals: u32,
    /// The cores that take part.
    pub participants: Vec<Participation>,
    /// What is to be put into hops yet.
    pub script: Script,
    /// Where it stands.
    pub state: State,
    /// Keys that somebody waits for and that were changed: by which part of the gather, and where.
    pub changed: Vec<(u32, CoreId, ChangedKey)>,
    /// What the commands have changed: by which part of the gather, and where.
    pub effects: Vec<(u32, CoreId, Vec<Effect>)>,
}

/// How far the commands of a transaction have been put into hops.
#[derive(Default)]
pub struct Script {
    /// Watched keys are compared in a stage of their own, before all else.
    pub compares: bool,
    /// The next command of the queue.
    pub next: usize,
    /// The command before it is a relay that has fetched, and is to be applied.
    pub applies: bool,
    /// What that relay has fetched, while the keys that follow from it are read.
    pub fetched: Option<Vec<Vec<u8>>>,
    /// Hops that were put together before the claims were granted.
    pub composed: Option<Vec<StageHop>>,
}

/// A participant's share of a stage.
pub struct StageHop {
    /// The participant.
    pub core: CoreId,
    /// What it runs.
    pub batch: Box<Batch>,
}

/// Where a transaction stands.
pub enum State {
    /// Claims are out; some are not granted yet.
    Scheduling(Scheduling),
    /// A gate is shut; nothing is claimed anywhere until it opens.
    ShutOut(TransactionId),
    /// The own claim is granted; the other core's runs its hop when it is granted, and then this one.
    Joined(Joined),
    /// All claims are granted; the hops of a stage are out.
    Running(Running),
    /// All hops have run; those who wait for what they changed are served, one core after another.
    Serving(Serving),
}

/// See [`State::Serving`].
pub struct Serving {
    /// Whose turn it is to serve, with the keys; in the order of the changes.
    pub groups: VecDeque<(CoreId, Vec<ChangedKey>)>,
    /// The time of the transaction, Unix microseconds.
    pub now_us: i64,
    /// The token was asked for, and is to be returned.
    pub has_token: bool,
}

/// Claims are out.
pub struct Scheduling {
    /// Claims that are not granted.
    pub missing: usize,
    /// The latest time of those that are, Unix microseconds.
    pub now_us: i64,
    /// Somebody waits for one of the keys: hops do not release their claims.
    pub awaited: bool,
    /// Only the own claim is out; the other participant hears of it when that is granted.
    pub own_first: bool,
}

/// See [`State::Joined`].
pub struct Joined {
    /// What runs here once the other hop has run.
    pub own_hop: Option<Hop>,
}

/// Hops are out.
pub struct Running {
    /// The time of the transaction, Unix microseconds.
    pub now_us: i64,
    /// Somebody waits for one of the keys: hops do not release their claims.
    pub awaited: bool,
    /// Hops that have not come back.
    pub missing: usize,
    /// It is the last stage.
    pub is_last: bool,
}

impl Coordination {
    /// Before the first attempt.
    pub fn new(id: TransactionId, participants: Vec<Participation>, script: Script) -> Self {
        let state = State::Scheduling(Scheduling { missing: 0, now_us: 0, awaited: false, own_first: false });
        Coordination { id, age: id, refusals: 0, participants, script, state, changed: Vec::new(), effects: Vec::new() }
    }

    /// Bytes held.
    pub fn memory_bytes(&self) -> usize {
        let locks = |participation: &Participation| participation.footprint.memory_bytes();
        size_of::<Self>() + self.participants.iter().map(locks).sum::<usize>()
    }
}
