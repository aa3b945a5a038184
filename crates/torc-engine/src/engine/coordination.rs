//! A transaction as its coordinator sees it: one type per state. The header of `engine/coordinator.rs` draws them.

use std::collections::VecDeque;

use super::coordinator::Convoy;
use super::stages::{NextStage, Program};
use crate::effect::Effect;
use crate::gather::Position;
use crate::route::CoreId;
use crate::transaction::{ChangedKey, Footprint, Hop, TransactionId};

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
    pub program: Box<dyn Program>,
    /// A stage that was put together before the claims were granted.
    pub composed: Option<NextStage>,
    /// Where it stands.
    pub state: State,
    /// Keys that somebody waits for and that were changed: by which part of the gather, and where.
    pub changed: Vec<(Position, CoreId, ChangedKey)>,
    /// Stages whose hops have gone out.
    pub stages_sent: u32,
    /// What the commands have changed.
    pub effects: Vec<EffectsOfPart>,
    /// Others have its claims when it has run.
    pub convoy: Option<Convoy>,
    /// It is a cut, which would hold all writers: how it gets its claims.
    pub probing: Option<Probing>,
}

/// How a cut gets its claims (`engine/coordinator/cut.rs`).
#[derive(Default)]
pub struct Probing {
    /// Attempts that were withdrawn.
    pub withdrawn: u32,
    /// When the claims that are out are withdrawn, or the next probe is made, on the host's clock.
    pub due_ns: Option<u64>,
    /// Since when claims are out, on the same clock.
    pub held_since_ns: Option<u64>,
}

/// What a part of a command has changed.
pub struct EffectsOfPart {
    /// Where the part stands.
    pub position: Position,
    /// Stages that had been sent when it ran.
    pub stage: u32,
    /// The core on which it ran.
    pub core: CoreId,
    /// Its effects, in order.
    pub effects: Vec<Effect>,
}

/// Where a transaction stands.
pub enum State {
    /// A cut: nothing is claimed yet; so many cores have not said that they are here.
    Probing(usize),
    /// A cut whose claims were withdrawn: it probes again when it is time.
    Pausing,
    /// It claims nothing: it gets the claims of another one ([`Convoy`]).
    Follows,
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
    /// Hops do not release their claims: see [`Running::keeps_claims`].
    pub keeps_claims: bool,
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
    /// Hops do not release their claims: somebody waits for one of the keys, or what has changed is to be recorded before anybody can see
    /// it ([`Engine::order_records`](super::Engine::order_records)).
    pub keeps_claims: bool,
    /// Hops that have not come back; or the answer of the host, which is a stage by itself.
    pub missing: usize,
    /// It is the last stage.
    pub is_last: bool,
}

impl Coordination {
    /// Before the first attempt.
    pub fn new(id: TransactionId, participants: Vec<Participation>, program: Box<dyn Program>) -> Self {
        let is_sorted = participants.is_sorted_by(|a, b| a.core < b.core);
        assert!(is_sorted, "a core takes part once");
        let state = State::Scheduling(Scheduling { missing: 0, now_us: 0, keeps_claims: false, own_first: false });
        Coordination {
            id,
            age: id,
            refusals: 0,
            participants,
            program,
            composed: None,
            state,
            changed: Vec::new(),
            stages_sent: 0,
            effects: Vec::new(),
            convoy: None,
            probing: None,
        }
    }

    /// Bytes held from its beginning to its end.
    pub fn memory_bytes(&self) -> usize {
        let locks = |participation: &Participation| size_of::<Participation>() + participation.footprint.memory_bytes();
        size_of::<Self>() + self.participants.iter().map(locks).sum::<usize>()
    }

    /// The next attempt has this id.
    pub fn begin_attempt(&mut self, id: TransactionId) {
        assert!(id > self.id, "the id of an attempt is higher than those before it");
        assert!(self.changed.is_empty() && self.effects.is_empty(), "nothing of a refused attempt has run");
        self.id = id;
    }

    /// Nothing of it is left anywhere: it begins anew under this id.
    pub fn begin_anew(&mut self, id: TransactionId) {
        self.begin_attempt(id);
        (self.age, self.refusals) = (id, 0);
    }

    /// Whether it may change keys.
    pub fn may_write(&self) -> bool {
        self.participants.iter().any(|participation| participation.footprint.writes(|_| true))
    }

    /// Whether only the own claim is out.
    pub fn is_own_first(&self) -> bool {
        matches!(self.state, State::Scheduling(Scheduling { own_first: true, .. }))
    }

    /// Whether nothing is out: no claim that is not granted, no hop, no serving.
    pub fn has_ended(&self) -> bool {
        match &self.state {
            State::Running(running) => running.missing == 0,
            State::Serving(serving) => serving.groups.is_empty(),
            State::Probing(_)
            | State::Pausing
            | State::Follows
            | State::Scheduling(_)
            | State::ShutOut(_)
            | State::Joined(_) => false,
        }
    }
}
