//! The end of a unit: its effects are taken off the list and given to those who read them.
//!
//! ```text
//!   a command of a pipeline, a unit, an EXEC, a service, expiry   -> end_unit                    one unit
//!   the hops of a transaction                                     -> take_effects, Done -> ..    one unit at its coordinator
//! ```
//! The host takes the units once a turn. What it leaves is bounded: beyond that reading ends, and the host learns that it has lost its place.
//!
//! Keys that may be ready for waiters stay on the core that owns them: under a claim they are served before it ends; otherwise
//! `serve_expired` looks at them.

use super::waitlist::Waitlist;
use super::{Engine, RoleContext, Roles};
use crate::asker::Asker;
use crate::effect::{Effect, UnitEffects, collect_outside};
use crate::event::EventClasses;
use crate::state::CoreState;
use crate::transaction::ChangedKey;

/// Units, and bytes of their effects, that wait for the host at most; the last unit may exceed that, as one may be of any size.
const UNITS_MAX: usize = 32 * 1024;
const BYTES_MAX: usize = 256 * 1024 * 1024;

/// What the host gets when it takes the units that have ended.
#[derive(Debug)]
pub enum Taken {
    /// The effects of all units since it last took them, in order.
    Units(Vec<UnitEffects>),
    /// It has left more than the engine keeps: units are lost, and nothing is read until the host begins anew with
    /// [`Engine::read_effects`]. Then it has to start from the keys as they are.
    Lost,
}

/// Those who read effects: logs, replicas.
#[derive(Default)]
pub(super) struct Readers {
    /// The effects of units that have ended, until the host takes them.
    units: Vec<UnitEffects>,
    /// Bytes of these effects, about.
    bytes: usize,
    /// There were more than are kept: the host is to learn that.
    has_lost: bool,
}

impl Readers {
    /// The one place where effects leave the engine, a unit at a time, in order.
    pub fn tell(&mut self, state: &mut CoreState, unit: UnitEffects) {
        // A transaction may bring home effects of a core on which reading has begun sooner or ends later.
        if unit.effects.is_empty() || !state.effects.is_told() || self.has_lost {
            return;
        }
        state.recorder.unit(&unit, state.now_us);
        // A host that takes all units at the end of each turn is left no more than a turn makes, however much that is.
        if !state.is_streaming && (self.units.len() >= UNITS_MAX || self.bytes >= BYTES_MAX) {
            *self = Readers { has_lost: true, ..Readers::default() };
            return;
        }
        self.bytes += unit.effects.iter().map(bytes_of).sum::<usize>();
        self.units.push(unit);
        state.units_told += 1;
    }
}

/// What an effect takes in memory, about.
fn bytes_of(effect: &Effect) -> usize {
    let named = match effect {
        Effect::Changed(change) => change.key.len(),
        Effect::Propagated(propagated) => propagated.request.len(),
        Effect::Awaited { key, .. } => key.len(),
        Effect::Event(event) => event.key.len(),
    };
    size_of::<Effect>() + named
}

/// Takes the effects so far, those apart that may make a key ready for waiters.
pub(super) fn take_effects(state: &mut CoreState) -> (Vec<Effect>, Vec<ChangedKey>) {
    let (mut effects, mut awaited) = (Vec::new(), Vec::new());
    for effect in state.effects.take() {
        match effect {
            Effect::Awaited { db, key } => awaited.push((db, key)),
            told => effects.push(told),
        }
    }
    assert!(
        effects.is_empty() || state.effects.is_told(),
        "only what waiters need is listed while nobody reads effects"
    );
    (effects, awaited)
}

impl RoleContext<'_> {
    /// What ran without interruption has ended, and no claim holds what it has changed. `by`: the request that ran; `None`: keys have
    /// expired.
    fn drain_unit(&mut self, waitlist: &mut Waitlist, by: Option<Asker>) {
        let (effects, awaited) = take_effects(self.state);
        // They are looked at by themselves.
        waitlist.note_expired(awaited.into_iter());
        self.readers.tell(self.state, UnitEffects { by, effects });
    }

    /// Keys have expired, or waiters are to look again, outside of all units.
    pub fn end_idle_unit(&mut self, waitlist: &mut Waitlist) {
        if self.state.keyspace.is_heard() {
            collect_outside(self.state);
            if !self.state.effects.is_empty() {
                self.drain_unit(waitlist, None);
            }
        }
    }
}

impl Engine {
    /// What ran without interruption has ended. `by`: the request that ran; `None`: keys have expired.
    #[inline]
    pub(super) fn end_unit(&mut self, by: Option<Asker>) {
        if !self.state.effects.is_empty() {
            self.drain_unit(by);
        }
    }

    #[cold]
    fn drain_unit(&mut self, by: Option<Asker>) {
        let Roles { mut core, waitlist, .. } = self.roles();
        core.drain_unit(waitlist, by);
    }

    /// Keys have expired, or waiters are to look again, outside of all units.
    pub(super) fn end_idle_unit(&mut self) {
        let Roles { mut core, waitlist, .. } = self.roles();
        core.end_idle_unit(waitlist);
    }

    /// Effects are read from now on, or no longer. While they are, the host takes them with [`Engine::take_units`] at least once a turn.
    pub fn read_effects(&mut self, is_read: bool) {
        let state = &mut self.state;
        state.effects.set_read(&mut state.keyspace, is_read);
        self.forget_unread();
    }

    /// Events of these classes are among the effects from now on; the host takes them as [`Engine::read_effects`] says.
    pub fn listen(&mut self, classes: EventClasses) {
        let state = &mut self.state;
        state.effects.set_listened(&mut state.keyspace, classes);
        self.forget_unread();
    }

    /// When the last reader has gone, nobody takes what is there.
    fn forget_unread(&mut self) {
        if !self.state.effects.is_told() {
            self.readers = Readers::default();
        }
    }

    /// The effects of the units that have ended since the last call, in order; or that some are lost, with which reading ends. Called
    /// between two units.
    pub fn take_units(&mut self) -> Taken {
        let Readers { units, has_lost, .. } = std::mem::take(&mut self.readers);
        if has_lost {
            self.read_effects(false);
            self.listen(EventClasses::NONE);
            return Taken::Lost;
        }
        Taken::Units(units)
    }

    /// Whether less than half of what is kept waits to be taken. A host that asks before it hands in the next bytes or message, and hands
    /// in none until it has taken the units, loses nothing, unless one pipeline propagates half of the bound by itself.
    pub fn has_room_for_units(&self) -> bool {
        self.readers.units.len() < UNITS_MAX / 2 && self.readers.bytes < BYTES_MAX / 2
    }
}
