//! The end of a unit: its effects are taken off the list and given to those who read them.
//!
//! ```text
//!   a command of a pipeline, a unit, an EXEC, a service, expiry   -> end_unit                    one unit
//!   the hops of a transaction                                     -> take_effects, Done -> ..    one unit at its coordinator
//! ```
//! Keys that may be ready for waiters stay on the core that owns them: under a claim they are served before it ends; otherwise
//! `serve_expired` looks at them.

use super::waitlist::Waitlist;
use super::{Engine, RoleContext, Roles};
use crate::asker::Asker;
use crate::effect::{Effect, UnitEffects, collect_outside};
use crate::event::EventClasses;
use crate::state::CoreState;
use crate::transaction::ChangedKey;

/// Those who read effects: logs, replicas.
#[derive(Default)]
pub(super) struct Readers {
    /// The effects of units that have ended, until the host takes them.
    units: Vec<UnitEffects>,
}

impl Readers {
    /// The one place where effects leave the engine, a unit at a time, in order.
    pub fn tell(&mut self, state: &mut CoreState, unit: UnitEffects) {
        if unit.effects.is_empty() {
            return;
        }
        assert!(state.effects.is_told(), "only what waiters need is listed while nobody reads effects");
        state.recorder.unit(&unit, state.now_us);
        self.units.push(unit);
    }
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

    /// Effects are read from now on: the host takes them with [`Engine::take_units`] at least once a turn, or stops reading.
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
            self.readers.units.clear();
        }
    }

    /// The effects of the units that have ended since the last call, in order.
    pub fn take_units(&mut self) -> Vec<UnitEffects> {
        std::mem::take(&mut self.readers.units)
    }
}
