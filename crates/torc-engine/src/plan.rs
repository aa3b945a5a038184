//! What a request is about and where it runs: derived from its row and its arguments, before anything is touched.
//!
//! [`Place`] is the one description of that. Whoever wants to know something about place asks it:
//!
//! ```text
//!   here, on another core, or on several?            plan         (engine/dispatch.rs)
//!   is it for a client of a core's own port to go?   redirection  (engine/dispatch.rs)
//!   is a MULTI about this core alone?                only_core    (engine/transaction.rs)
//!   which locks, on which cores?                     locks        (transaction/footprint.rs)
//! ```

use std::ops::Range;

use torc_resp::Args;

use crate::command::{ApplyOn, Command, Flags, Merge, Relay, Route, Run, Walk};
use crate::route::{self, CoreId};
use crate::script::{Named, Reaches};
use crate::state::CoreState;

/// How a lock is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mode {
    /// With others that read.
    Shared,
    /// Alone.
    Exclusive,
}

/// What is meant by a request that names no key: by which port its connection came decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// The whole server.
    Server,
    /// The core of the connection, which came through the core's own port: a node of the cluster that clients add up over its nodes. Only
    /// for commands with [`Flags::OF_NODE`].
    Node,
}

/// What a request is about.
pub enum Place<'a> {
    /// Its session only.
    Session,
    /// Whole cores; `None`: without their keys.
    Cores(Range<CoreId>, Option<Mode>),
    /// The keys that it names.
    Keys(Keys<'a>),
}

/// The keys of a request. They are found in its arguments each time they are asked for.
pub struct Keys<'a> {
    state: &'a CoreState,
    command: &'a Command,
    args: Args<'a>,
    /// How all of them are locked, where it is not the row that says so.
    mode: Option<Mode>,
}

/// A key of a request.
pub struct Key<'a> {
    /// The key as the request names it.
    pub name: &'a [u8],
    /// The core that owns it.
    pub core: CoreId,
    /// How the request locks it.
    pub mode: Mode,
}

impl<'a> Place<'a> {
    /// What a request is about that was admitted.
    pub fn of(state: &'a CoreState, scope: Scope, command: &'a Command, args: Args<'a>) -> Self {
        let of_node = scope == Scope::Node && command.row.flags.has(Flags::OF_NODE);
        match command.row.route {
            Route::Session => Place::Session,
            Route::Every(_) if !of_node => Place::Cores(0..state.cores, whole_mode(command)),
            Route::Every(_) => Place::Cores(state.core..state.core + 1, whole_mode(command)),
            Route::Pick(pick) | Route::Walk(&Walk { first: pick, .. }) => {
                let picked = if of_node { None } else { pick(args, &state.slots) };
                let core = picked.unwrap_or(state.core);
                // What reads keys without saying so (COUNTKEYSINSLOT) sees no transaction half done, and its connection's writes.
                let reads = matches!(command.row.run, Run::Shard(_)) && !command.row.flags.has(Flags::PUBSUB);
                let reads = reads.then_some(Mode::Shared);
                Place::Cores(core..core + 1, whole_mode(command).or(reads))
            }
            Route::Relay(_) if command.row.reaches_all(state.cores, args) => {
                Place::Cores(0..state.cores, whole_mode(command))
            }
            Route::Owner | Route::Split { .. } | Route::Relay(_) => {
                Place::Keys(Keys { state, command, args, mode: None })
            }
            Route::Script => Self::of_script(state, command, args),
        }
    }

    /// What a request is about that runs a script.
    fn of_script(state: &'a CoreState, command: &'a Command, args: Args<'a>) -> Self {
        let Run::Script(kind) = command.row.run else { unreachable!("it runs a script") };
        let (reaches, only_reads) = state.scripts.reaches(kind, args);
        // On one core nobody tells a function, when it runs, what was claimed for the one that had its name then.
        let is_sure = kind.named != Named::Function || state.cores > 1;
        let mode = if only_reads && is_sure { Mode::Shared } else { Mode::Exclusive };
        let has_keys = command.row.key_indexes(args).next().is_some();
        match reaches {
            Reaches::All => Place::Cores(0..state.cores, Some(mode)),
            Reaches::Declared if has_keys => Place::Keys(Keys { state, command, args, mode: Some(mode) }),
            Reaches::Declared | Reaches::Nothing => Place::Cores(state.core..state.core + 1, None),
        }
    }

    /// The core that all of it is on; `None`: it is on several. What is on no core in particular is on `own`.
    pub fn only_core(&self, own: CoreId) -> Option<CoreId> {
        match self {
            Place::Session => Some(own),
            Place::Cores(cores, _) => (cores.len() == 1).then_some(cores.start),
            Place::Keys(keys) => keys.only_core(own),
        }
    }

    /// The slot that all its keys are in; `None`: they are in several, or there are none.
    pub fn only_slot(&self) -> Option<u16> {
        let Place::Keys(keys) = self else { return None };
        let mut slots = keys.names().map(route::key_slot);
        let first = slots.next()?;
        slots.all(|slot| slot == first).then_some(first)
    }
}

impl<'a> Keys<'a> {
    /// All keys, in the order in which the request names them.
    pub fn iter(&self) -> impl Iterator<Item = Key<'a>> {
        let (state, command, mode) = (self.state, self.command, self.mode);
        self.names().enumerate().map(move |(number, name)| Key {
            name,
            core: state.owner(name),
            mode: mode.unwrap_or_else(|| key_mode(command, number)),
        })
    }

    fn names(&self) -> impl Iterator<Item = &'a [u8]> {
        let args = self.args;
        self.command.row.key_indexes(args).map(move |index| args.get(index))
    }

    fn only_core(&self, own: CoreId) -> Option<CoreId> {
        if self.state.cores == 1 {
            return Some(own);
        }
        let mut owners = self.names().map(|name| self.state.owner(name));
        let Some(first) = owners.next() else { return Some(own) };
        owners.all(|owner| owner == first).then_some(first)
    }
}

/// How a command without keys locks a shard: not at all if it is about the server rather than the keys or who may change them.
fn whole_mode(command: &Command) -> Option<Mode> {
    let flags = command.row.flags;
    let changes = [Flags::WRITE, Flags::PAUSES, Flags::ORDERED].iter().any(|&flag| flags.has(flag));
    match (changes, flags.has(Flags::READONLY)) {
        (true, _) => Some(Mode::Exclusive),
        (false, true) => Some(Mode::Shared),
        (false, false) => None,
    }
}

/// How a command locks its key with this number.
fn key_mode(command: &Command, number: usize) -> Mode {
    let flags = command.row.flags;
    // WATCH removes a key that has expired, so that its removal later is no change.
    if !flags.has(Flags::WRITE) && !flags.has(Flags::OUTSIDE_MULTI) {
        return Mode::Shared;
    }
    match command.row.route {
        Route::Relay(relay) if matches!(relay.apply_on, ApplyOn::OwnerOf(written) if written != number) => Mode::Shared,
        _ => Mode::Exclusive,
    }
}

/// Where a request runs.
#[derive(Clone)]
pub enum Plan {
    /// For the session itself.
    Session,
    /// On one core, which may be the connection's own.
    One(CoreId),
    /// Each core runs it with its own keys.
    Split {
        /// Arguments per key.
        stride: usize,
        /// How the parts become one reply.
        merge: Merge,
    },
    /// Data travels between the cores of its keys.
    Relay(&'static Relay),
    /// A script, as a transaction that is driven from here.
    Script,
    /// Each of these cores runs it: all, or the one whose port the connection came through.
    Every(Range<CoreId>, Merge),
    /// On this core; by itself it goes on to further ones.
    Walk(CoreId, &'static Walk),
}

/// Plans a request that was admitted (so its arity fits).
#[inline]
pub fn plan(state: &CoreState, scope: Scope, command: &Command, args: Args<'_>) -> Plan {
    let row = command.row;
    match row.route {
        Route::Session => Plan::Session,
        Route::Owner if command.only_key > 0 => Plan::One(state.owner(args.get(command.only_key))),
        // Whatever it reaches is here.
        Route::Script if state.cores == 1 => Plan::One(state.core),
        // With a key that lacks its value it fails, wherever it runs.
        Route::Split { stride, .. } if !(args.len() - command.first_key).is_multiple_of(stride) => {
            Plan::One(state.owner(args.get(command.first_key)))
        }
        // A function makes the reply of the parts, even if there is only one.
        Route::Split { stride, merge: merge @ Merge::Custom(_) } => Plan::Split { stride, merge },
        _ => plan_by_place(state, Place::of(state, scope, command, args), row.route),
    }
}

fn plan_by_place(state: &CoreState, place: Place<'_>, route: Route) -> Plan {
    match (place, route) {
        // Merging one part is still the merge's job: it may turn a report into the reply.
        (Place::Cores(cores, _), Route::Every(merge)) => Plan::Every(cores, merge),
        (Place::Cores(cores, _), Route::Walk(walk)) if state.cores > 1 => Plan::Walk(cores.start, walk),
        (place, route) => match (place.only_core(state.core), route) {
            (Some(core), _) => Plan::One(core),
            (None, Route::Split { stride, merge }) => Plan::Split { stride, merge },
            (None, Route::Relay(relay)) => Plan::Relay(relay),
            (None, Route::Script) => Plan::Script,
            (None, _) => unreachable!("keys that may lie on several cores are split or relayed"),
        },
    }
}

/// Where a client of this core's own port has to go with a request, as in a cluster: the slot that all its keys are in, and
/// its owner, if that is another core. What spans slots runs from here: there is no one place to go to.
pub fn redirection(state: &CoreState, command: &Command, args: Args<'_>) -> Option<(u16, CoreId)> {
    let slot = Place::of(state, Scope::Node, command, args).only_slot()?;
    let owner = state.slots.slot_owner(slot);
    (owner != state.core).then_some((slot, owner))
}
