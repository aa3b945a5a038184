//! The end of a unit: its effects are taken off the list and given to those who read them.
//!
//! ```text
//!   a command of a pipeline, a unit, an EXEC, a service, expiry   -> end_unit                    one unit
//!   the hops of a transaction                                     -> take_effects, Done -> ..    one unit at its coordinator
//! ```
//! Keys that may be ready for waiters stay on the core that owns them: under a claim they are served before it ends; otherwise
//! `serve_expired` looks at them.

use super::Engine;
use crate::effect::{Effect, UnitEffects, collect_outside};
use crate::message::Asker;
use crate::transaction::ChangedKey;

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
        let (effects, awaited) = self.take_effects();
        // No claim holds them: they are looked at by themselves.
        self.expired.extend(awaited);
        self.tell_readers(UnitEffects { by, effects });
    }

    /// Takes the effects so far, those apart that may make a key ready for waiters.
    pub(super) fn take_effects(&mut self) -> (Vec<Effect>, Vec<ChangedKey>) {
        let (mut effects, mut awaited) = (Vec::new(), Vec::new());
        for effect in self.state.effects.take() {
            match effect {
                Effect::Awaited { db, key } => awaited.push((db, key)),
                told => effects.push(told),
            }
        }
        (effects, awaited)
    }

    /// Keys have expired, or waiters are to look again, outside of all units.
    pub(super) fn end_idle_unit(&mut self) {
        if self.state.keyspace.is_heard() {
            collect_outside(&mut self.state);
            self.end_unit(None);
        }
    }

    /// The one place where effects leave the engine, a unit at a time, in order.
    pub(super) fn tell_readers(&mut self, unit: UnitEffects) {
        if unit.effects.is_empty() {
            return;
        }
        assert!(self.state.effects.is_read(), "only what waiters need is listed while nobody reads effects");
        self.state.recorder.unit(&unit, self.state.now_us);
        self.units.push(unit);
    }

    /// Effects are read from now on: the host takes them with [`Engine::take_units`] at least once a turn, or stops reading.
    pub fn read_effects(&mut self, is_read: bool) {
        let state = &mut self.state;
        state.effects.set_read(&mut state.keyspace, is_read);
        self.units.clear();
    }

    /// The effects of the units that have ended since the last call, in order.
    pub fn take_units(&mut self) -> Vec<UnitEffects> {
        std::mem::take(&mut self.units)
    }
}
