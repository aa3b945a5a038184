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
use crate::effect::{Effect, Reads, Unit, Units, collect_outside};
use crate::event::EventClasses;
use crate::state::CoreState;

/// Units, and bytes of their effects, that wait for the host at most; the last unit may exceed that, as one may be of any size.
const UNITS_MAX: usize = 32 * 1024;
const BYTES_MAX: usize = 256 * 1024 * 1024;

/// What the host gets when it takes the units that have ended.
#[derive(Debug)]
pub enum Taken {
    /// The effects of all units since it last took them.
    Units(Units),
    /// It has left more than the engine keeps: units are lost, and nothing is read until the host begins anew with
    /// [`Engine::read_effects`]. Then it has to start from the keys as they are.
    Lost,
}

/// Those who read effects: logs, replicas.
#[derive(Default)]
pub(super) struct Readers {
    /// Bytes of the effects of units that wait for the host, about; not counted where it takes them each turn.
    bytes: usize,
    /// There were more than are kept: the host is to learn that.
    has_lost: bool,
    /// Memory for the next units.
    spare: Units,
}

impl Readers {
    /// A unit has ended, and these are its effects: of a transaction, whose hops have sent them home.
    pub fn tell(&mut self, state: &mut CoreState, by: Option<Asker>, effects: Vec<Effect>) {
        // A transaction may bring home effects of a core on which reading has begun sooner or ends later.
        if !effects.is_empty() && state.effects.is_told() && !self.has_lost {
            state.recorder.unit(by.as_ref(), || effects.clone(), state.now_us);
            if self.has_room(state, |_| effects.iter().map(bytes_of).sum()) {
                state.effects.put_unit(effects);
                state.units_told += 1;
            }
        }
    }

    /// A unit has ended, and its effects are those that are listed.
    #[inline]
    pub fn tell_listed(&mut self, state: &mut CoreState, by: Option<Asker>) {
        let effects = state.effects.listed();
        if effects.is_empty() {
            return;
        }
        assert!(state.effects.is_told(), "only what waiters need is listed while nobody reads effects");
        state.recorder.unit(by.as_ref(), || effects.to_vec(), state.now_us);
        let is_kept = !self.has_lost && self.has_room(state, |unit| unit.bytes());
        if is_kept {
            state.effects.end_unit();
            state.units_told += 1;
        } else {
            state.effects.take();
        }
    }

    /// Counts the effects of a unit, whose bytes may be those of what is listed; whether they are kept. A host that takes all units at the end
    /// of each turn is left no more than a turn makes, however much that is.
    #[inline]
    fn has_room(&mut self, state: &mut CoreState, bytes: impl FnOnce(Unit<'_>) -> usize) -> bool {
        if state.is_streaming {
            return true;
        }
        if state.effects.units() >= UNITS_MAX || self.bytes >= BYTES_MAX {
            state.effects.take_units(Units::default());
            *self = Readers { has_lost: true, ..Readers::default() };
            return false;
        }
        self.bytes += bytes(state.effects.listed());
        true
    }
}

/// What an effect takes in memory, about.
fn bytes_of(effect: &Effect) -> usize {
    let named = match effect {
        Effect::Changed(change) => change.key.len(),
        Effect::Propagated(propagated) => propagated.request.len(),
        Effect::Event(event) => event.key.len(),
        Effect::Published(message, _) => message.len(),
        Effect::Invalidated(_) => 0,
    };
    size_of::<Effect>() + named
}

impl RoleContext<'_> {
    /// What ran without interruption has ended, and no claim holds what it has changed. `by`: the request that ran; `None`: keys have
    /// expired.
    fn drain_unit(&mut self, waitlist: &mut Waitlist, by: Option<Asker>) {
        // They are looked at by themselves.
        waitlist.note_expired(self.state.effects.take_awaited().into_iter());
        self.tell_subscribers(by.as_ref());
        self.readers.tell_listed(self.state, by);
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
        if self.state.effects.has_awaited() || self.state.effects.may_concern_subscribers() {
            self.drain_unit(by);
        } else if !self.state.effects.is_empty() {
            self.readers.tell_listed(&mut self.state, by);
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
    pub fn read_effects(&mut self, reads: Reads) {
        let state = &mut self.state;
        state.effects.set_read(&mut state.keyspace, reads);
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
            self.state.effects.take_units(Units::default());
        }
    }

    /// The effects of the units that have ended since the last call, in order; or that some are lost, with which reading ends. Called
    /// between two units.
    pub fn take_units(&mut self) -> Taken {
        self.readers.bytes = 0;
        if std::mem::take(&mut self.readers.has_lost) {
            self.read_effects(Reads::Nothing);
            self.listen(EventClasses::NONE);
            return Taken::Lost;
        }
        Taken::Units(self.state.effects.take_units(std::mem::take(&mut self.readers.spare)))
    }

    /// The host has read what it took: the memory serves again.
    pub fn give_back(&mut self, mut units: Units) {
        units.clear();
        self.readers.spare = units;
    }

    /// Whether less than half of what is kept waits to be taken. A host that asks before it hands in the next bytes or message, and hands
    /// in none until it has taken the units, loses nothing, unless one pipeline propagates half of the bound by itself.
    pub fn has_room_for_units(&self) -> bool {
        self.state.effects.units() < UNITS_MAX / 2 && self.readers.bytes < BYTES_MAX / 2
    }
}
