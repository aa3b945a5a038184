//! How a cut, which holds all writers, gets its claims without holding them for long (docs/durability.md, "The probe").
//!
//! ```text
//!   begin_cut -> Probing ---all are here---> Scheduling ---all granted---> Running, as any transaction
//!                   ^                           | 10 ms
//!                   +------- Pausing <----------+   withdrawn, at most five times
//! ```
//! Each attempt is a transaction of its own, with an id and an age of its own; nothing of the one before is left anywhere.

use super::{Coordination, Coordinator, Participation, Probing, Program, Progress, RoleContext, State};
use crate::asker::ConnectionId;
use crate::stand_by::StandByFor;
use crate::state::CoreState;
use crate::transaction::{ToParticipant, TransactionId};

/// Claims that are out for so long are withdrawn.
const PATIENCE_NS: u64 = 10_000_000;

/// The first pause; each is twice as long as the one before.
const PAUSE_NS: u64 = 10_000_000;

/// After so many withdrawals claims stay until they are granted.
const WITHDRAWALS_MAX: u32 = 5;

impl Coordinator {
    /// A cut begins, of the session of the host that asks for it: it probes.
    pub fn begin_cut(
        &mut self,
        core: &mut RoleContext<'_>,
        connection: ConnectionId,
        participants: Vec<Participation>,
        program: Box<dyn Program>,
    ) {
        self.add(core, connection, participants, program);
        self.coordination(connection).probing = Some(Probing::default());
        self.cuts.push(connection);
        self.probe(core, connection);
    }

    /// Asks all cores whether they are between two commands.
    fn probe(&mut self, core: &mut RoleContext<'_>, connection: ConnectionId) {
        let coordination = self.coordination(connection);
        let (id, how_long) = (coordination.id, coordination.probing().how_long());
        coordination.probing().due_ns = None;
        coordination.state = State::Probing(coordination.participants.len());
        for Participation { core: at, .. } in &coordination.participants {
            core.outbox.post(*at, ToParticipant::Probe { connection, id, how_long });
        }
    }

    /// A core is between two commands. When all are, they are claimed.
    pub(super) fn on_here(
        &mut self,
        core: &mut RoleContext<'_>,
        connection: ConnectionId,
        id: TransactionId,
    ) -> Progress {
        let coordination = self.coordination(connection);
        assert_eq!(coordination.id, id, "a probe waits for all cores");
        let State::Probing(missing) = &mut coordination.state else { unreachable!("it probes") };
        *missing = missing.checked_sub(1).expect("each core is here once");
        if *missing == 0 {
            self.attempt(core, connection);
        }
        Progress::UnderWay
    }

    /// When a cut withdraws its claims or probes again, on the host's clock.
    pub fn next_due_ns(&self) -> Option<u64> {
        let due_ns = |cut| self.coordinations.get(cut)?.probing.as_ref()?.due_ns;
        self.cuts.iter().filter_map(due_ns).min()
    }

    /// Lets cuts go on whose time has come.
    pub fn end_overdue(&mut self, core: &mut RoleContext<'_>) {
        let clock_ns = core.state.turn.began_ns();
        let is_due = |cut: &ConnectionId| {
            let due_ns = self.coordinations[cut].probing.as_ref().and_then(|probing| probing.due_ns);
            due_ns.is_some_and(|due_ns| due_ns <= clock_ns)
        };
        let due: Vec<ConnectionId> = self.cuts.iter().copied().filter(is_due).collect();
        for connection in due {
            match self.coordination(connection).state {
                State::Pausing => self.probe(core, connection),
                State::Scheduling(_) => self.withdraw(core, connection),
                _ => unreachable!("nothing else of a cut has its time"),
            }
        }
    }

    /// Claims are out for too long: nothing is claimed until the next probe.
    fn withdraw(&mut self, core: &mut RoleContext<'_>, connection: ConnectionId) {
        let coordination = self.coordination(connection);
        let &mut Coordination { id, age, .. } = coordination;
        for Participation { core: at, .. } in &coordination.participants {
            core.outbox.post(*at, ToParticipant::Withdraw { id, age });
        }
        coordination.note_no_claims(core.state);
        coordination.begin_anew(core.ids.next(core.state.now_us));
        coordination.state = State::Pausing;
        let probing = coordination.probing();
        probing.due_ns = Some((core.state.host.clock_ns)() + (PAUSE_NS << probing.withdrawn));
        probing.withdrawn += 1;
        core.state.stats.cuts_withdrawn += 1;
    }
}

impl Coordination {
    fn probing(&mut self) -> &mut Probing {
        self.probing.as_mut().expect("it is a cut")
    }

    /// Claims go out: those of a cut hold writers from now on.
    pub(super) fn note_claims_out(&mut self, state: &CoreState) {
        if let Some(probing) = &mut self.probing {
            let clock_ns = (state.host.clock_ns)();
            probing.held_since_ns = Some(clock_ns);
            probing.due_ns = probing.may_withdraw().then_some(clock_ns + PATIENCE_NS);
        }
    }

    /// All claims are granted: none is withdrawn.
    pub(super) fn note_granted(&mut self) {
        if let Some(probing) = &mut self.probing {
            probing.due_ns = None;
        }
    }

    /// No claim is out any more, or those of a cut that has run hold writers because that is wanted.
    pub(super) fn note_no_claims(&mut self, state: &mut CoreState) {
        let Some(probing) = &mut self.probing else { return };
        probing.due_ns = None;
        if let Some(since_ns) = probing.held_since_ns.take() {
            let held_us = (state.host.clock_ns)().saturating_sub(since_ns) / 1000;
            state.stats.cut_held_us_max = state.stats.cut_held_us_max.max(held_us);
        }
    }
}

impl Probing {
    fn may_withdraw(&self) -> bool {
        self.withdrawn < WITHDRAWALS_MAX
    }

    /// For how long cores stand by for it.
    pub(super) fn how_long(&self) -> StandByFor {
        if self.may_withdraw() { StandByFor::Briefly } else { StandByFor::TheCut }
    }
}
