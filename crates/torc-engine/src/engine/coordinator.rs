//! The coordinator: it drives the transactions of this core's connections from state to state.
//!
//! ```text
//!            Refused: a new id, at once or when the gate is open (ShutOut)
//!            +-------+
//!            v       |
//!   begin -> Scheduling ---all granted---> Running: stage after stage ----------> end
//!                    \                             \--somebody waits--> Serving --^
//!                     \--own granted, one other left--> Joined --its hop is back--^ (Running, Serving)
//! ```
//! A cut has two states before Scheduling ([`cut`]). Transactions that claim all keys of all cores follow one another ([`convoy`]).
//!
//! Who holds the connection holds the transaction: it goes on to its end even if the client dies.

mod convoy;
mod cut;

use std::collections::{HashMap, VecDeque};

pub use convoy::Convoy;
use convoy::{Convoys, goes_in_convoys};

use super::coordination::{
    Coordination, EffectsOfPart, Joined, Participation, Probing, Running, Scheduling, Serving, State,
};
use super::stages::{NextStage, Program, StageContext, StageHop};
use super::{Engine, RoleContext, Roles};
use crate::asker::ConnectionId;
use crate::effect::Effect;
use crate::gather::Position;
use crate::message::{Address, Batch};
use crate::route::CoreId;
use crate::shown::THIS_TURN;
use crate::transaction::token::KEEPER;
use crate::transaction::{ChangedKey, Done, Hop, Schedule, ToCoordinator, ToParticipant, ToWaitlist, TransactionId};

/// The transactions of this core's connections.
#[derive(Default)]
pub(super) struct Coordinator {
    /// Transactions that write hold their claims until their effects are told here.
    orders_records: bool,
    /// One for each session that transacts.
    coordinations: HashMap<ConnectionId, Coordination>,
    /// Those of them that are cuts.
    cuts: Vec<ConnectionId>,
    /// Those of them that claim all there is.
    convoys: Convoys,
}

/// What has become of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub(super) enum Progress {
    /// It goes on with a message.
    UnderWay,
    /// It has ended: all parts of its gather are there.
    Ended(ConnectionId),
}

impl Engine {
    /// A message to this core as a coordinator.
    pub(super) fn on_coordinator_message(&mut self, from: CoreId, message: ToCoordinator) {
        let Roles { mut core, coordinator, .. } = self.roles();
        if let Progress::Ended(connection) = coordinator.on_message(&mut core, from, message) {
            self.finish_gather(connection);
        }
    }
}

impl Engine {
    /// From now on, or no longer, the units of all cores can be put into one order, the one that clients see: whoever takes the units of a
    /// core before its messages and its output leave, and numbers them, numbers what was seen before what has seen it. For that a
    /// transaction that writes holds its claims until its coordinator has its effects, which takes a message more.
    pub fn order_records(&mut self, is_wanted: bool) {
        self.coordinator.orders_records = is_wanted;
    }
}

impl Coordinator {
    /// Whether no transaction is under way.
    pub fn is_idle(&self) -> bool {
        self.coordinations.is_empty() && self.cuts.is_empty() && self.convoys.is_idle()
    }

    /// A transaction of a session begins, which transacts from now on: its first attempt is made.
    pub fn begin(
        &mut self,
        core: &mut RoleContext<'_>,
        connection: ConnectionId,
        participants: Vec<Participation>,
        program: Box<dyn Program>,
    ) {
        let goes_in_convoys = goes_in_convoys(core.state.cores, &participants, &*program);
        self.add(core, connection, participants, program);
        if goes_in_convoys {
            self.join_convoy(core, connection);
        } else {
            self.attempt(core, connection);
        }
    }

    fn add(
        &mut self,
        core: &mut RoleContext<'_>,
        connection: ConnectionId,
        participants: Vec<Participation>,
        program: Box<dyn Program>,
    ) {
        assert!(!participants.is_empty(), "a transaction has participants");
        let id = core.ids.next(core.state.now_us);
        let coordination = Coordination::new(id, participants, program);
        core.session(connection).activity.transact(coordination.memory_bytes());
        core.gather(connection).hold();
        let before = self.coordinations.insert(connection, coordination);
        assert!(before.is_none(), "a session has one transaction at a time");
    }

    fn on_message(&mut self, core: &mut RoleContext<'_>, from: CoreId, message: ToCoordinator) -> Progress {
        match message {
            ToCoordinator::Granted { connection, id, now_us, awaited } => {
                self.on_granted(core, connection, id, now_us, awaited)
            }
            ToCoordinator::Queued { connection, id } => self.on_queued(core, connection, id),
            ToCoordinator::Refused { connection, id, clock, hop, shut } => {
                core.ids.observe(clock);
                self.on_refused(core, from, connection, id, hop, shut)
            }
            ToCoordinator::GoOn { connection } => self.go_on(core, connection),
            ToCoordinator::Opened { connection, id } => self.on_opened(core, connection, id),
            ToCoordinator::Here { connection, id } => self.on_here(core, connection, id),
            ToCoordinator::Done(done) => self.on_done(core, from, *done),
            ToCoordinator::ServingDone { connection, id } | ToCoordinator::Token { connection, id } => {
                self.on_turn_to_serve(core, connection, id)
            }
        }
    }

    /// Sends the schedules of an attempt.
    fn attempt(&mut self, core: &mut RoleContext<'_>, connection: ConnectionId) {
        let (own, orders_records) = (core.state.core, self.orders_records);
        let coordination = self.coordination(connection);
        let keeps_claims = orders_records && coordination.may_write();
        let others = coordination.participants.iter().filter(|participation| participation.core != own).count();
        // A hop that goes along with a schedule cannot be withdrawn.
        let may_join = coordination.probing.is_none() && coordination.refusals == 0;
        let own_first = may_join && others == 1 && coordination.participants.len() == 2;
        coordination.note_claims_out(core.state);
        let missing = coordination.participants.len();
        coordination.state = State::Scheduling(Scheduling { missing, now_us: 0, keeps_claims, own_first });
        for index in 0..missing {
            if !own_first || coordination.participants[index].core == own {
                send_schedule(core, connection, coordination, index, None);
            }
        }
    }

    /// A participant holds its locks.
    fn on_granted(
        &mut self,
        core: &mut RoleContext<'_>,
        connection: ConnectionId,
        id: TransactionId,
        now_us: i64,
        awaited: bool,
    ) -> Progress {
        let orders_records = self.orders_records;
        let Some(coordination) = self.current(connection, id) else { return Progress::UnderWay };
        // Records may be put into an order only since this attempt has begun.
        let is_recorded = orders_records && coordination.may_write();
        let State::Scheduling(scheduling) = &mut coordination.state else {
            unreachable!("grants come while scheduling")
        };
        scheduling.missing = scheduling.missing.checked_sub(1).expect("each participant grants once");
        scheduling.now_us = scheduling.now_us.max(now_us);
        scheduling.keeps_claims |= awaited || is_recorded;
        if scheduling.own_first && !awaited {
            assert_eq!(scheduling.missing, 1, "the own claim comes first of two");
            self.join(core, connection, now_us);
        } else if std::mem::take(&mut scheduling.own_first) {
            self.schedule_others(core, connection);
        } else if scheduling.missing == 0 {
            let (now_us, mut keeps_claims) = (scheduling.now_us, scheduling.keeps_claims);
            if let Some(convoy) = &mut coordination.convoy {
                keeps_claims = convoy.note_granted(keeps_claims);
            }
            coordination.note_granted();
            coordination.state = State::Running(Running { now_us, keeps_claims, missing: 0, is_last: false });
            return self.next_stage(core, connection);
        }
        Progress::UnderWay
    }

    /// The own claim has to wait: the others are scheduled meanwhile.
    fn on_queued(&mut self, core: &mut RoleContext<'_>, connection: ConnectionId, id: TransactionId) -> Progress {
        let Some(coordination) = self.current(connection, id) else { return Progress::UnderWay };
        let State::Scheduling(scheduling) = &mut coordination.state else { unreachable!("it is not granted") };
        assert!(scheduling.missing > 0, "the own claim is not granted");
        if std::mem::take(&mut scheduling.own_first) {
            self.schedule_others(core, connection);
        }
        Progress::UnderWay
    }

    fn schedule_others(&mut self, core: &mut RoleContext<'_>, connection: ConnectionId) {
        let own = core.state.core;
        let coordination = self.coordination(connection);
        assert!(!coordination.is_own_first(), "the others are scheduled once");
        for index in 0..coordination.participants.len() {
            if coordination.participants[index].core != own {
                send_schedule(core, connection, coordination, index, None);
            }
        }
    }

    /// The own claim is granted and one other core is left. If there is one stage, its hop goes along with the schedule.
    fn join(&mut self, core: &mut RoleContext<'_>, connection: ConnectionId, now_us: i64) {
        let own = core.state.core;
        let coordination = self.coordination(connection);
        if !coordination.program.needs_claims() && coordination.composed.is_none() {
            coordination.composed = Some(compose(core, connection, coordination));
        }
        let other = coordination.participants.iter().position(|participation| participation.core != own);
        let other = other.expect("there is one other participant");
        if !matches!(coordination.composed, Some(NextStage::Hops { is_last: true, .. })) {
            let State::Scheduling(scheduling) = &mut coordination.state else {
                unreachable!("it was granted just now")
            };
            scheduling.own_first = false;
            return send_schedule(core, connection, coordination, other, None);
        }
        let Some(NextStage::Hops { hops, .. }) = coordination.composed.take() else { unreachable!("it was composed") };
        let State::Scheduling(Scheduling { keeps_claims, .. }) = coordination.state else {
            unreachable!("it was granted just now")
        };
        let concludes = !keeps_claims;
        assert!(hops.len() <= 2, "two cores take part");
        let (mut own_hop, mut other_hop) = (None, None);
        for StageHop { core: at, batch } in hops {
            let hop = Some(Hop { connection, batch, now_us, concludes });
            *(if at == own { &mut own_hop } else { &mut other_hop }) = hop;
        }
        coordination.state = State::Joined(Joined { own_hop });
        let empty = core.outbox.spare_batch();
        let hop = other_hop.unwrap_or(Hop { connection, batch: empty, now_us, concludes });
        send_schedule(core, connection, coordination, other, Some(hop));
    }

    /// A participant could not keep the order: nothing has run; again with a higher id.
    fn on_refused(
        &mut self,
        core: &mut RoleContext<'_>,
        from: CoreId,
        connection: ConnectionId,
        id: TransactionId,
        hop: Option<Hop>,
        shut: bool,
    ) -> Progress {
        let own = core.state.core;
        let Some(coordination) = self.current(connection, id) else { return Progress::UnderWay };
        let only_own_is_out = match &mut coordination.state {
            State::Scheduling(scheduling) => {
                assert!(hop.is_none() && scheduling.missing > 0, "who refuses has not granted, and got no hop");
                scheduling.own_first
            }
            State::Joined(joined) => {
                // What was put together is kept for the next attempt.
                let hops = [(own, joined.own_hop.take()), (from, hop)];
                let kept =
                    hops.into_iter().filter_map(|(core, hop)| hop.map(|hop| StageHop { core, batch: hop.batch }));
                coordination.composed = Some(NextStage::Hops { hops: kept.collect(), is_last: true });
                false
            }
            _ => unreachable!("nothing is asked for"),
        };
        coordination.begin_attempt(core.ids.next(core.state.now_us));
        coordination.refusals += 1;
        let others: Vec<CoreId> = coordination.participants.iter().map(|participation| participation.core).collect();
        assert!(others.contains(&from), "only a participant refuses");
        for at in others {
            if at != from && (at == own || !only_own_is_out) {
                core.outbox.post(at, ToParticipant::Release { id, finished: false });
            }
        }
        core.state.stats.refused_transactions += 1;
        coordination.note_no_claims(core.state);
        if shut {
            self.coordination(connection).state = State::ShutOut(id);
        } else {
            self.attempt(core, connection);
        }
        Progress::UnderWay
    }

    /// A gate is open again.
    fn on_opened(&mut self, core: &mut RoleContext<'_>, connection: ConnectionId, id: TransactionId) -> Progress {
        if let Some(coordination) = self.coordinations.get_mut(&connection)
            && matches!(coordination.state, State::ShutOut(shut) if shut == id)
        {
            coordination.begin_attempt(core.ids.next(core.state.now_us));
            self.attempt(core, connection);
        }
        Progress::UnderWay
    }

    /// A hop has come back.
    fn on_done(&mut self, core: &mut RoleContext<'_>, from: CoreId, done: Done) -> Progress {
        let Done { connection, id, batch, now_us, released, changed, effects } = done;
        collect_replies(core, connection, batch);
        let own = core.state.core;
        let coordination = self.coordination(connection);
        assert_eq!(coordination.id, id, "hops run in the attempt whose claims are all granted");
        let gather = core.gather(connection);
        let changed = changed.into_iter().map(|(part, key)| (gather.position_of(part), from, key));
        let stage = coordination.stages_sent;
        let of_part =
            |(part, effects)| EffectsOfPart { position: gather.position_of(part), stage, core: from, effects };
        coordination.changed.extend(changed);
        coordination.effects.extend(effects.into_iter().map(of_part));
        match &mut coordination.state {
            State::Joined(joined) => {
                assert!(from != own, "the own hop runs behind the other");
                let own_hop = joined.own_hop.take();
                let keeps_claims = !released;
                coordination.state = State::Running(Running { now_us, keeps_claims, missing: 1, is_last: true });
                match own_hop {
                    Some(hop) => {
                        let hop = Hop { now_us, concludes: !keeps_claims, ..hop };
                        core.outbox.post(own, ToParticipant::Hop(id, hop));
                        Progress::UnderWay
                    }
                    None => {
                        let State::Running(running) = &mut coordination.state else { unreachable!("it runs") };
                        running.missing = 0;
                        if keeps_claims {
                            return self.begin_serving(core, connection);
                        }
                        core.outbox.post(own, ToParticipant::Release { id, finished: true });
                        self.end(core, connection)
                    }
                }
            }
            State::Running(running) => {
                assert_eq!(running.now_us, now_us, "all hops of a transaction run at its time");
                assert_eq!(released, running.is_last && !running.keeps_claims, "the last hop releases, if it may");
                running.missing = running.missing.checked_sub(1).expect("each hop comes back once");
                let stage = (running.missing, running.is_last, running.keeps_claims);
                if running.missing == 0 {
                    // From here on a cut holds writers only if that is wanted.
                    coordination.note_no_claims(core.state);
                }
                match stage {
                    (0, false, _) => self.next_stage(core, connection),
                    (0, true, true) => self.begin_serving(core, connection),
                    (0, true, false) => self.end(core, connection),
                    _ => Progress::UnderWay,
                }
            }
            _ => unreachable!("hops run when all claims are granted"),
        }
    }

    /// The host has answered what a stage has asked of it, or a script has paused.
    pub fn go_on(&mut self, core: &mut RoleContext<'_>, connection: ConnectionId) -> Progress {
        let State::Running(running) = &mut self.coordination(connection).state else {
            unreachable!("the host is asked, and scripts run, when all claims are granted")
        };
        assert_eq!(running.missing, 1, "nothing else runs meanwhile");
        running.missing = 0;
        self.next_stage(core, connection)
    }

    /// Sends the hops of the next stage; those of the last one release their claims.
    fn next_stage(&mut self, core: &mut RoleContext<'_>, connection: ConnectionId) -> Progress {
        let coordination = self.coordination(connection);
        let stage = match coordination.composed.take() {
            Some(stage) => stage,
            None => compose(core, connection, coordination),
        };
        let id = coordination.id;
        let State::Running(running) = &mut coordination.state else { unreachable!("all claims are granted") };
        assert!(running.missing == 0 && !running.is_last, "a stage follows one that is not the last");
        coordination.stages_sent += 1;
        let (hops, is_last) = match stage {
            NextStage::Hops { hops, is_last } => (hops, is_last),
            NextStage::Host => {
                running.missing = 1;
                return Progress::UnderWay;
            }
            NextStage::Pause => {
                running.missing = 1;
                let own = core.state.core;
                core.state.turn.note((core.state.host.clock_ns)());
                core.outbox.post(own, ToCoordinator::GoOn { connection });
                return Progress::UnderWay;
            }
            NextStage::CalledOff => {
                let now_us = running.now_us;
                self.give_up_claims(core, connection, now_us);
                return self.end(core, connection);
            }
        };
        (running.missing, running.is_last) = (hops.len(), is_last);
        let now_us = running.now_us;
        let concludes = is_last && !running.keeps_claims;
        if concludes {
            coordination.release(core, |at| hops.iter().all(|hop| hop.core != at));
        }
        if hops.is_empty() {
            return if concludes { self.end(core, connection) } else { self.begin_serving(core, connection) };
        }
        for StageHop { core: at, batch } in hops {
            core.state.stats.hops += batch.len() as u64;
            core.outbox.post(at, ToParticipant::Hop(id, Hop { connection, batch, now_us, concludes }));
        }
        Progress::UnderWay
    }

    /// All has run and no claim is released: the effects are told, and who waits for what was changed is to be served, in the order of the
    /// changes.
    fn begin_serving(&mut self, core: &mut RoleContext<'_>, connection: ConnectionId) -> Progress {
        let coordination = self.coordination(connection);
        let State::Running(Running { now_us, keeps_claims: true, missing: 0, is_last: true }) = coordination.state
        else {
            unreachable!("waiters are served when all hops have run, if there are any")
        };
        // Whoever replays effects must find what waiters take.
        tell_effects(core, connection, std::mem::take(&mut coordination.effects));
        let groups = group_changes(std::mem::take(&mut coordination.changed));
        let id = coordination.id;
        let has_token = !groups.is_empty();
        coordination.state = State::Serving(Serving { groups, now_us, has_token });
        if has_token {
            core.outbox.post(KEEPER, ToWaitlist::TokenRequest { id, connection: Some(connection) });
            return Progress::UnderWay;
        }
        self.serve_next_core(core, connection)
    }

    /// The token is here, or the core whose turn it was has served.
    fn on_turn_to_serve(
        &mut self,
        core: &mut RoleContext<'_>,
        connection: ConnectionId,
        id: TransactionId,
    ) -> Progress {
        assert_eq!(self.coordination(connection).id, id, "a claim that serves is of the attempt that ran");
        self.serve_next_core(core, connection)
    }

    fn serve_next_core(&mut self, core: &mut RoleContext<'_>, connection: ConnectionId) -> Progress {
        let coordination = self.coordination(connection);
        let id = coordination.id;
        let State::Serving(serving) = &mut coordination.state else { unreachable!("it serves") };
        let (now_us, has_token) = (serving.now_us, serving.has_token);
        if let Some((at, keys)) = serving.groups.pop_front() {
            assert!(has_token && !keys.is_empty(), "whoever serves has the token, and something to serve");
            core.outbox.post(at, ToParticipant::Serve { id, keys, now_us });
            return Progress::UnderWay;
        }
        self.give_up_claims(core, connection, now_us);
        if has_token {
            core.outbox.post(KEEPER, ToWaitlist::TokenReturn(id));
        }
        self.end(core, connection)
    }

    /// All has run: the effects are told, and the gather has its last part.
    fn end(&mut self, core: &mut RoleContext<'_>, connection: ConnectionId) -> Progress {
        let coordination = self.coordinations.remove(&connection).expect("a transaction ends once");
        if coordination.probing.is_some() {
            self.cuts.retain(|cut| *cut != connection);
        }
        assert!(coordination.composed.is_none(), "what was put together has run");
        assert!(coordination.has_ended(), "all hops have come back, and all waiters are served");
        let may_write = coordination.may_write();
        let mut effects = coordination.effects;
        if self.orders_records && may_write {
            // What is left has got its claims before records were put into an order, so that all of it is below the cut from which on
            // they count. It may come home behind that cut.
            let is_event = |effect: &Effect| matches!(effect, Effect::Event(_));
            effects.iter_mut().for_each(|of| of.effects.retain(is_event));
        }
        tell_effects(core, connection, effects);
        let is_complete = core.gather(connection).release();
        assert!(is_complete, "a transaction ends when all parts of its reply are there");
        if coordination.convoy.is_some() {
            // It was the last of its convoy.
            self.begin_convoy(core);
        }
        Progress::Ended(connection)
    }

    /// The transaction of a session, if this is still its attempt.
    fn current(&mut self, connection: ConnectionId, id: TransactionId) -> Option<&mut Coordination> {
        self.coordinations.get_mut(&connection).filter(|coordination| coordination.id == id)
    }

    fn coordination(&mut self, connection: ConnectionId) -> &mut Coordination {
        self.coordinations.get_mut(&connection).expect("a transaction is under way")
    }
}

impl Coordination {
    /// Tells participants that all of it has run there.
    fn release(&self, core: &mut RoleContext<'_>, wanted: impl Fn(CoreId) -> bool) {
        let id = self.id;
        for at in self.participants.iter().map(|participation| participation.core).filter(|&at| wanted(at)) {
            core.outbox.post(at, ToParticipant::Release { id, finished: true });
        }
    }
}

fn send_schedule(
    core: &mut RoleContext<'_>,
    connection: ConnectionId,
    coordination: &Coordination,
    index: usize,
    hop: Option<Hop>,
) {
    let Participation { core: at, footprint } = &coordination.participants[index];
    let &Coordination { id, age, refusals, .. } = coordination;
    let footprint = footprint.clone();
    let stand_by = coordination.probing.as_ref().map(Probing::how_long);
    let schedule = Schedule { connection, id, age, refusals, footprint, hop, stand_by };
    core.outbox.post(*at, ToParticipant::Schedule(Box::new(schedule)));
}

/// Puts the next commands into hops, up to one that needs what they bring.
fn compose(core: &mut RoleContext<'_>, connection: ConnectionId, coordination: &mut Coordination) -> NextStage {
    let RoleContext { state, sessions, outbox, .. } = core;
    let session = sessions.get(connection).expect("the session stays while it gathers");
    let mut activity = std::mem::take(&mut session.activity);
    let gather = activity.gather_mut().expect("a transaction gathers");
    let cores: Vec<CoreId> = coordination.participants.iter().map(|participation| participation.core).collect();
    // What runs here while the stage is put together sees the transaction's time, if there is one yet.
    let own_us = match coordination.state {
        State::Running(Running { now_us, .. }) => Some(state.enter_time(now_us)),
        _ => None,
    };
    let stage = coordination.program.next_stage(&mut StageContext { state, session, gather, outbox, cores: &cores });
    own_us.into_iter().for_each(|own_us| state.leave_time(own_us));
    assert!(session.activity.is_idle(), "what runs while a stage is put together gathers nothing");
    session.activity = activity;
    stage
}

/// Puts the replies of a hop into the gather.
fn collect_replies(core: &mut RoleContext<'_>, connection: ConnectionId, mut batch: Box<Batch>) {
    let gather = core.gather(connection);
    if let Some((_, value)) = batch.detached.take() {
        assert!(gather.detached.is_none(), "a transaction moves one value at a time");
        gather.detached = Some(value);
    }
    let mut shows = 0;
    for index in 0..batch.len() {
        shows = shows.max(batch.shows(index));
        let (request, answered, reply) = batch.answer(index);
        let Address::Part(part) = request.address else { unreachable!("the replies of a transaction are parts") };
        let is_complete = gather.deliver(part, answered, reply);
        assert!(!is_complete, "a transaction holds its gather open");
    }
    core.session(connection).note_shows(shows);
    core.outbox.recycle(batch);
}

/// What a transaction has changed, in the order of its commands; of one command in an order that does not depend on where the
/// keys are.
fn group_changes(mut changed: Vec<(Position, CoreId, ChangedKey)>) -> VecDeque<(CoreId, Vec<ChangedKey>)> {
    changed.sort_by_cached_key(|(position, _, key)| (*position, key.clone()));
    let mut groups: VecDeque<(CoreId, Vec<ChangedKey>)> = VecDeque::new();
    for (_, core, key) in changed {
        match groups.back_mut() {
            Some((last, keys)) if *last == core => keys.push(key),
            _ => groups.push_back((core, vec![key])),
        }
    }
    groups
}

/// A transaction has run: its effects have come home, and are told in the order of its commands, and of one command in that of
/// its stages: what a relay has removed since it had expired is gone before the command writes. What several cores propagate
/// alike for one command is propagated once, by the last of them: each core may have removed expired keys before, which must not
/// go after the command has written them.
fn tell_effects(core: &mut RoleContext<'_>, connection: ConnectionId, mut by_part: Vec<EffectsOfPart>) {
    if by_part.is_empty() {
        return;
    }
    by_part.sort_by_key(|of| (of.position, of.stage, of.core));
    let mut effects: Vec<Effect> = Vec::new();
    let (mut last, mut command_starts) = (None, 0);
    for EffectsOfPart { position, effects: of_core, .. } in by_part {
        if last != Some(position) {
            (last, command_starts) = (Some(position), effects.len());
        }
        let mut of_others = effects.split_off(command_starts);
        of_others.retain(|effect| !matches!(effect, Effect::Propagated(_)) || !of_core.contains(effect));
        effects.extend(of_others.into_iter().chain(of_core));
    }
    let session = core.session(connection);
    session.note_shows(THIS_TURN);
    let by = Some(session.asker());
    core.readers.tell(core.state, by, effects);
}
