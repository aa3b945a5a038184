//! This core as a coordinator: it drives the transactions of its own connections from state to state.
//!
//! ```text
//!   begin -> (one core has all keys: a unit) -> deliver
//!         -> schedule -> on_granted .. on_refused -> stage -> on_done -> .. -> end_transaction
//! ```

use std::collections::VecDeque;

use torc_resp::{Args, Span};

use super::Engine;
use super::dispatch::Flow;
use crate::command::{ApplyOn, Blocking, Command, Fetched, Run};
use crate::effect::{Effect, UnitEffects};
use crate::gather::Gather;
use crate::mesh::Mesh;
use crate::message::{Address, Answered, Asker, Batch};
use crate::plan::{Plan, plan};
use crate::route::CoreId;
use crate::run::{Call, Reach, Task, run};
use crate::session::{CommandQueue, ConnectionId, Session, Watch};
use crate::state::CoreState;
use crate::transaction::WaiterId;
use crate::transaction::coordination::{Joined, Script, Serving, StageHop};
use crate::transaction::token::{Applicant, KEEPER};
use crate::transaction::{
    ChangedKey, Coordination, Footprint, Hop, Letter, Mode, Participation, Running, Schedule, Scheduling, State,
    TransactionId, footprints, lock_hash,
};

impl Engine {
    /// A command whose parts are to be merged, as a unit or as a transaction.
    pub(super) fn begin_command(
        &mut self,
        connection: ConnectionId,
        command: &'static Command,
        args: Args<'_>,
    ) -> Flow {
        if self.session(connection).is_waiting() {
            return Flow::Stall;
        }
        self.session(connection).note_command(command);
        self.begin(connection, command, CommandQueue::of(command, args), false);
        Flow::Next
    }

    /// Runs the commands of `queue` as one: a command, or an EXEC with the session's watches.
    pub(super) fn begin(
        &mut self,
        connection: ConnectionId,
        command: &'static Command,
        queue: CommandQueue,
        is_exec: bool,
    ) {
        let silent = self.session(connection).take_silence();
        self.begin_silently(connection, command, queue, is_exec, silent);
    }

    /// The same with CLIENT REPLY looked at already. `silent`: nobody hears the reply.
    pub(super) fn begin_silently(
        &mut self,
        connection: ConnectionId,
        command: &'static Command,
        queue: CommandQueue,
        is_exec: bool,
        silent: bool,
    ) {
        let Engine { state, sessions, .. } = self;
        let session = sessions.get(connection).expect("the session of a request exists");
        let watches: &[Watch] = if is_exec { &session.watches } else { &[] };
        let participants = participants(state, &queue, watches);
        let compares = !watches.is_empty();
        let about_session = queue.commands().any(|(command, _)| matches!(command.row.run, Run::Session(_)));
        let mut gather = Gather::new(command, queue, is_exec, silent);
        gather.may_wait = session.wait.as_ref().map(|wait| wait.number);
        session.gather = Some(Box::new(gather));
        // What is about the session runs here while hops are put together, so not before the watches are known.
        if participants.len() <= 1 && !(compares && about_session) {
            return self.begin_unit(
                connection,
                participants.first().map_or(self.state.core, |only| only.core),
                compares,
            );
        }
        let id = self.clock.next(self.state.now_us);
        let session = self.session(connection);
        session.gather.as_mut().expect("just opened").hold();
        let script = Script { compares, ..Script::default() };
        session.coordination = Some(Box::new(Coordination::new(id, participants, script)));
        self.attempt(connection);
    }

    /// All keys are on one core: one message there and one back.
    fn begin_unit(&mut self, connection: ConnectionId, core: CoreId, compares: bool) {
        let Engine { state, sessions, mesh, .. } = self;
        let session = sessions.get(connection).expect("the session of a request exists");
        let mut gather = session.gather.take().expect("a gather is open");
        gather.hold();
        let mut stage = Stage::new(mesh, vec![core]);
        if compares {
            push_checks(session, &mut gather, &mut stage);
        }
        let mut script = Script::default();
        compose(state, session, &mut gather, &mut script, &mut stage);
        assert!(script.next == gather.queue.len() && !script.applies, "a unit has one stage");
        let hop = stage.hops.pop();
        let done = gather.release();
        session.gather = Some(gather);
        let Some(StageHop { batch, .. }) = hop else {
            assert!(done, "without a hop nothing is awaited");
            return self.finish_gather(connection);
        };
        if core == self.state.core {
            self.admit_unit(core, batch);
        } else {
            self.state.stats.hops += batch.len() as u64;
            self.post(core, Letter::Unit(batch));
        }
    }

    /// Sends the schedules of an attempt.
    fn attempt(&mut self, connection: ConnectionId) {
        let own = self.state.core;
        let coordination = self.coordination(connection);
        let others = coordination.participants.iter().filter(|participation| participation.core != own).count();
        let own_first = others == 1 && coordination.participants.len() == 2 && coordination.refusals == 0;
        let missing = coordination.participants.len();
        coordination.state = State::Scheduling(Scheduling { missing, now_us: 0, awaited: false, own_first });
        for index in 0..missing {
            let core = self.coordination(connection).participants[index].core;
            if !own_first || core == own {
                self.send_schedule(connection, index, None);
            }
        }
    }

    fn send_schedule(&mut self, connection: ConnectionId, index: usize, hop: Option<Hop>) {
        let coordination = self.coordination(connection);
        let Participation { core, footprint } = &coordination.participants[index];
        let (core, footprint) = (*core, footprint.clone());
        let &mut Coordination { id, age, refusals, .. } = coordination;
        self.post(core, Letter::Schedule(Box::new(Schedule { connection, id, age, refusals, footprint, hop })));
    }

    /// A participant holds its locks.
    pub(super) fn on_granted(&mut self, connection: ConnectionId, id: TransactionId, now_us: i64, awaited: bool) {
        let Some(coordination) = self.current(connection, id) else { return };
        let State::Scheduling(scheduling) = &mut coordination.state else {
            unreachable!("grants come while scheduling")
        };
        scheduling.missing -= 1;
        scheduling.now_us = scheduling.now_us.max(now_us);
        scheduling.awaited |= awaited;
        if scheduling.own_first && !scheduling.awaited {
            return self.join(connection, now_us);
        }
        if std::mem::take(&mut scheduling.own_first) {
            self.schedule_others(connection);
        } else if scheduling.missing == 0 {
            let (now_us, awaited) = (scheduling.now_us, scheduling.awaited);
            coordination.state = State::Running(Running { now_us, awaited, missing: 0, is_last: false });
            self.next_stage(connection);
        }
    }

    /// The own claim has to wait: the others are scheduled meanwhile.
    pub(super) fn on_queued(&mut self, connection: ConnectionId, id: TransactionId) {
        let Some(coordination) = self.current(connection, id) else { return };
        let State::Scheduling(scheduling) = &mut coordination.state else { unreachable!("it is not granted") };
        if std::mem::take(&mut scheduling.own_first) {
            self.schedule_others(connection);
        }
    }

    fn schedule_others(&mut self, connection: ConnectionId) {
        let own = self.state.core;
        for index in 0..self.coordination(connection).participants.len() {
            if self.coordination(connection).participants[index].core != own {
                self.send_schedule(connection, index, None);
            }
        }
    }

    /// The own claim is granted and one other core is left. If there is one stage, its hop goes along with the schedule.
    fn join(&mut self, connection: ConnectionId, now_us: i64) {
        let own = self.state.core;
        let script = &self.coordination(connection).script;
        if !script.compares && script.composed.is_none() {
            let hops = self.compose_stage(connection);
            self.coordination(connection).script.composed = Some(hops);
        }
        let single_stage = self.is_single_stage(connection);
        let coordination = self.coordination(connection);
        let other = coordination.participants.iter().position(|participation| participation.core != own);
        let other = other.expect("there is one other participant");
        if !single_stage {
            let State::Scheduling(scheduling) = &mut coordination.state else {
                unreachable!("it was granted just now")
            };
            scheduling.own_first = false;
            return self.send_schedule(connection, other, None);
        }
        let (mut own_hop, mut other_hop) = (None, None);
        for StageHop { core, batch } in coordination.script.composed.take().expect("put together above") {
            let hop = Some(Hop { batch, now_us, concludes: true });
            *(if core == own { &mut own_hop } else { &mut other_hop }) = hop;
        }
        coordination.state = State::Joined(Joined { own_hop });
        let empty = self.mesh.spare_batch();
        let hop = other_hop.unwrap_or(Hop { batch: empty, now_us, concludes: true });
        self.send_schedule(connection, other, Some(hop));
    }

    /// Whether the stage that was put together is the only one.
    fn is_single_stage(&mut self, connection: ConnectionId) -> bool {
        let session = self.session(connection);
        let gather = session.gather.as_ref().expect("a transaction gathers");
        let script = &session.coordination.as_ref().expect("it is under way").script;
        !script.compares && !script.applies && script.next == gather.queue.len()
    }

    /// A participant could not keep the order: nothing has run; again with a higher id.
    pub(super) fn on_refused(
        &mut self,
        from: CoreId,
        connection: ConnectionId,
        id: TransactionId,
        clock: TransactionId,
        hop: Option<Hop>,
        shut: bool,
    ) {
        self.clock.observe(clock);
        let now_us = self.state.now_us;
        if self.current(connection, id).is_none() {
            return;
        }
        let next = self.clock.next(now_us);
        let own = self.state.core;
        let coordination = self.coordination(connection);
        let only_own_is_out = match &mut coordination.state {
            State::Scheduling(scheduling) => scheduling.own_first,
            State::Joined(joined) => {
                // What was put together is kept for the next attempt.
                let hops = [(own, joined.own_hop.take()), (from, hop)];
                let kept =
                    hops.into_iter().filter_map(|(core, hop)| hop.map(|hop| StageHop { core, batch: hop.batch }));
                coordination.script.composed = Some(kept.collect());
                false
            }
            _ => unreachable!("nothing is asked for"),
        };
        coordination.id = next;
        coordination.refusals += 1;
        let others: Vec<CoreId> = coordination.participants.iter().map(|participation| participation.core).collect();
        for core in others {
            if core != from && (core == own || !only_own_is_out) {
                self.post(core, Letter::Release { id, finished: false });
            }
        }
        self.state.stats.refused_transactions += 1;
        if shut {
            self.coordination(connection).state = State::ShutOut(id);
        } else {
            self.attempt(connection);
        }
    }

    /// A gate is open again.
    fn on_opened(&mut self, connection: ConnectionId, id: TransactionId) {
        let coordination = self.sessions.get(connection).and_then(|session| session.coordination.as_deref());
        if coordination.is_some_and(|coordination| matches!(coordination.state, State::ShutOut(shut) if shut == id)) {
            let now_us = self.state.now_us;
            let next = self.clock.next(now_us);
            self.coordination(connection).id = next;
            self.attempt(connection);
        }
    }

    /// A hop has come back.
    pub(super) fn on_done(&mut self, connection: ConnectionId, mut batch: Box<Batch>, done: Done) {
        if let Some((_, parcel)) = batch.parcel.take() {
            let gather = self.session(connection).gather.as_mut().expect("a transaction gathers");
            gather.parcel = Some(parcel);
        }
        for index in 0..batch.len() {
            let (request, answered, reply) = batch.answer(index);
            self.deliver(connection, request.address, answered, reply);
        }
        self.mesh.recycle(batch);
        let own = self.state.core;
        let coordination = self.coordination(connection);
        coordination.changed.extend(done.changed.into_iter().map(|(part, key)| (part, done.from, key)));
        coordination.effects.extend(done.effects.into_iter().map(|(part, effects)| (part, done.from, effects)));
        match &mut coordination.state {
            State::Joined(joined) => {
                let own_hop = joined.own_hop.take();
                let (now_us, awaited) = (done.now_us, !done.released);
                coordination.state = State::Running(Running { now_us, awaited, missing: 1, is_last: true });
                let id = coordination.id;
                match own_hop {
                    Some(hop) => self.post(own, Letter::Hop(id, Hop { now_us, concludes: !awaited, ..hop })),
                    None if awaited => self.serve_next_core(connection),
                    None => {
                        self.post(own, Letter::Release { id, finished: true });
                        self.end_transaction(connection);
                    }
                }
            }
            State::Running(running) => {
                running.missing -= 1;
                match (running.missing, running.is_last, running.awaited) {
                    (0, false, _) => self.next_stage(connection),
                    (0, true, true) => self.serve_next_core(connection),
                    (0, true, false) => self.end_transaction(connection),
                    _ => {}
                }
            }
            _ => unreachable!("hops run when all claims are granted"),
        }
    }

    /// What a transaction has changed, in the order of its commands; of one command in an order that does not depend on where the
    /// keys are.
    fn group_changes(&mut self, connection: ConnectionId) -> VecDeque<(CoreId, Vec<ChangedKey>)> {
        let session = self.session(connection);
        let gather = session.gather.as_ref().expect("a transaction gathers");
        let coordination = session.coordination.as_mut().expect("a transaction is under way");
        let mut changed = std::mem::take(&mut coordination.changed);
        changed.sort_by_cached_key(|(part, _, key)| (gather.command_of(*part), key.clone()));
        let mut groups: VecDeque<(CoreId, Vec<ChangedKey>)> = VecDeque::new();
        for (_, core, key) in changed {
            match groups.back_mut() {
                Some((last, keys)) if *last == core => keys.push(key),
                _ => groups.push_back((core, vec![key])),
            }
        }
        groups
    }

    /// All has run and no claim is released: who waits for what was changed is served, in the order of the changes.
    fn serve_next_core(&mut self, connection: ConnectionId) {
        if let State::Running(_) = self.coordination(connection).state {
            let groups = self.group_changes(connection);
            let coordination = self.coordination(connection);
            let State::Running(Running { now_us, .. }) = coordination.state else { unreachable!("it is") };
            let (id, has_token) = (coordination.id, !groups.is_empty());
            coordination.state = State::Serving(Serving { groups, now_us, has_token });
            if has_token {
                return self.post(KEEPER, Letter::TokenRequest { id, connection: Some(connection) });
            }
        }
        let coordination = self.coordination(connection);
        let State::Serving(serving) = &mut coordination.state else { unreachable!("it serves") };
        let (id, now_us) = (coordination.id, serving.now_us);
        match serving.groups.pop_front() {
            Some((core, keys)) => {
                self.post(core, Letter::Serve { id, keys, now_us });
            }
            None => {
                let has_token = serving.has_token;
                self.release_all(connection, |_| true);
                if has_token {
                    self.post(KEEPER, Letter::TokenReturn(id));
                }
                self.end_transaction(connection);
            }
        }
    }

    /// A participant has served all who wait for what was changed there.
    fn on_settled(&mut self, connection: ConnectionId, id: TransactionId) {
        assert_eq!(self.coordination(connection).id, id, "a claim that serves is of the attempt that ran");
        self.serve_next_core(connection);
    }

    /// Sends the hops of the next stage; those of the last one release their claims.
    fn next_stage(&mut self, connection: ConnectionId) {
        let gather = self.session(connection).gather.as_ref().expect("a transaction gathers");
        if gather.is_aborted() {
            self.release_all(connection, |_| true);
            return self.end_transaction(connection);
        }
        let hops = match self.coordination(connection).script.composed.take() {
            Some(hops) => hops,
            None => self.compose_stage(connection),
        };
        let is_last = self.is_single_stage(connection);
        let coordination = self.coordination(connection);
        let id = coordination.id;
        let State::Running(running) = &mut coordination.state else { unreachable!("all claims are granted") };
        (running.missing, running.is_last) = (hops.len(), is_last);
        let now_us = running.now_us;
        let concludes = is_last && !running.awaited;
        if concludes {
            self.release_all(connection, |core| hops.iter().all(|hop| hop.core != core));
        }
        if hops.is_empty() {
            assert!(is_last, "only the last stage can have nothing to run");
            if !concludes {
                return self.serve_next_core(connection);
            }
            return self.end_transaction(connection);
        }
        for StageHop { core, batch } in hops {
            self.state.stats.hops += batch.len() as u64;
            self.post(core, Letter::Hop(id, Hop { batch, now_us, concludes }));
        }
    }

    fn release_all(&mut self, connection: ConnectionId, wanted: impl Fn(CoreId) -> bool) {
        let coordination = self.coordination(connection);
        let id = coordination.id;
        let cores: Vec<CoreId> = coordination.participants.iter().map(|participation| participation.core).collect();
        for core in cores.into_iter().filter(|&core| wanted(core)) {
            self.post(core, Letter::Release { id, finished: true });
        }
    }

    fn end_transaction(&mut self, connection: ConnectionId) {
        self.tell_transaction(connection);
        let session = self.session(connection);
        session.coordination = None;
        if session.gather.as_mut().expect("a transaction gathers").release() {
            self.finish_gather(connection);
        }
    }

    /// A transaction has run: its effects have come home, and are told in the order of its commands. What several cores propagate
    /// alike for one command is propagated once.
    fn tell_transaction(&mut self, connection: ConnectionId) {
        let session = self.session(connection);
        let coordination = session.coordination.as_mut().expect("a transaction is under way");
        if coordination.effects.is_empty() {
            return;
        }
        let mut by_part = std::mem::take(&mut coordination.effects);
        let gather = session.gather.as_ref().expect("a transaction gathers");
        by_part.sort_by_key(|(part, core, _)| (gather.command_of(*part), *core));
        let mut effects: Vec<Effect> = Vec::new();
        let (mut last_command, mut command_starts) = (usize::MAX, 0);
        for (part, _, of_core) in by_part {
            let command = gather.command_of(part);
            if command != last_command {
                (last_command, command_starts) = (command, effects.len());
            }
            let before = effects.len();
            for effect in of_core {
                let known = &effects[command_starts..before];
                if !matches!(effect, Effect::Propagated(_)) || !known.contains(&effect) {
                    effects.push(effect);
                }
            }
        }
        let by = Some(session.asker());
        self.tell_readers(UnitEffects { by, effects });
    }

    /// Puts the next commands into hops, up to one that needs what they bring.
    fn compose_stage(&mut self, connection: ConnectionId) -> Vec<StageHop> {
        let Engine { state, sessions, mesh, .. } = self;
        let session = sessions.get(connection).expect("the session stays while it gathers");
        let mut gather = session.gather.take().expect("a transaction gathers");
        let mut coordination = session.coordination.take().expect("it is under way");
        let cores = coordination.participants.iter().map(|participation| participation.core).collect();
        let mut stage = Stage::new(mesh, cores);
        if std::mem::take(&mut coordination.script.compares) {
            push_checks(session, &mut gather, &mut stage);
        } else {
            compose(state, session, &mut gather, &mut coordination.script, &mut stage);
        }
        let hops = stage.hops;
        session.gather = Some(gather);
        session.coordination = Some(coordination);
        hops
    }

    /// The transaction of a session, if this is still its attempt.
    fn current(&mut self, connection: ConnectionId, id: TransactionId) -> Option<&mut Coordination> {
        let coordination = self.sessions.get(connection)?.coordination.as_deref_mut()?;
        (coordination.id == id).then_some(coordination)
    }

    fn coordination(&mut self, connection: ConnectionId) -> &mut Coordination {
        self.session(connection).coordination.as_deref_mut().expect("a transaction is under way")
    }

    /// A letter for this core.
    pub(super) fn on_letter(&mut self, from: CoreId, letter: Letter) {
        match letter {
            Letter::Schedule(schedule) => self.schedule(from, *schedule),
            Letter::Hop(id, hop) => self.run_hop(id, hop),
            Letter::Release { id, finished } => self.end_claim(id, finished),
            Letter::Granted { connection, id, now_us, awaited } => self.on_granted(connection, id, now_us, awaited),
            Letter::Queued { connection, id } => self.on_queued(connection, id),
            Letter::Refused { connection, id, clock, hop, shut } => {
                self.on_refused(from, connection, id, clock, hop, shut)
            }
            Letter::Opened { connection, id } => self.on_opened(connection, id),
            Letter::Done { connection, batch, now_us, released, changed, effects, .. } => {
                self.on_done(connection, batch, Done { from, now_us, released, changed, effects });
            }
            Letter::Serve { id, keys, now_us } => self.serve_for(id, keys, now_us),
            Letter::Settled { connection, id } => self.on_settled(connection, id),
            Letter::TokenRequest { id, connection } => {
                let next = self.token.apply(Applicant { core: from, id, connection });
                self.pass_token(next);
            }
            Letter::TokenReturn(id) => {
                let next = self.token.take_back(id);
                self.pass_token(next);
            }
            Letter::Token { connection: Some(connection), .. } => self.serve_next_core(connection),
            Letter::Token { id, connection: None } => self.on_token(id),
            Letter::Offer { connection, wait, id, runs_again } => self.on_offer(from, connection, wait, id, runs_again),
            Letter::Answer { id, accepted } => self.on_answer(id, accepted),
            Letter::Served { connection, reply } => self.on_served(connection, reply),
            Letter::Forget { connection, wait } => self.forget(WaiterId { origin: from, connection, wait }),
            Letter::Unit(batch) => self.admit_unit(from, batch),
            Letter::Answers(batch) => {
                let mut batch = batch;
                for index in 0..batch.len() {
                    let (request, answered, reply) = batch.answer(index);
                    self.deliver(request.asker().connection, request.address, answered, reply);
                }
                self.mesh.recycle(batch);
            }
            Letter::Unwatch(keys) => keys.iter().for_each(|(db, key)| self.state.keyspace.unwatch(*db, key)),
        }
    }

    /// Sends a letter; one to this core is read before the engine returns.
    pub(super) fn post(&mut self, to: CoreId, letter: Letter) {
        if to == self.state.core {
            self.desk.push_back(letter);
        } else {
            self.mesh.post(to, letter);
        }
    }
}

/// What a participant tells with a hop that has run; see [`Letter::Done`].
pub(super) struct Done {
    from: CoreId,
    now_us: i64,
    released: bool,
    changed: Vec<(u32, ChangedKey)>,
    effects: Vec<(u32, Vec<Effect>)>,
}

/// The hops of one stage while they are put together.
struct Stage<'a> {
    mesh: &'a mut Mesh,
    /// The participants.
    cores: Vec<CoreId>,
    hops: Vec<StageHop>,
}

impl<'a> Stage<'a> {
    fn new(mesh: &'a mut Mesh, cores: Vec<CoreId>) -> Self {
        Stage { mesh, cores, hops: Vec::new() }
    }

    /// The batch of a core. What has no keys and could run anywhere runs on a participant.
    fn batch(&mut self, core: CoreId) -> &mut Batch {
        let core = if self.cores.contains(&core) { core } else { self.cores[0] };
        let index = self.hops.iter().position(|hop| hop.core == core).unwrap_or_else(|| {
            self.hops.push(StageHop { core, batch: self.mesh.spare_batch() });
            self.hops.len() - 1
        });
        &mut self.hops[index].batch
    }
}

/// The cores that a transaction concerns, with what each must lock.
fn participants(state: &CoreState, queue: &CommandQueue, watches: &[Watch]) -> Vec<Participation> {
    let mut locks: Vec<Footprint> = (0..state.cores).map(|_| Footprint::default()).collect();
    let mut concerned = vec![false; usize::from(state.cores)];
    for (command, args) in queue.commands() {
        footprints(state, command, args, &mut locks, |core| concerned[usize::from(core)] = true);
    }
    for watch in watches {
        concerned[usize::from(watch.owner)] = true;
        locks[usize::from(watch.owner)].add(lock_hash(&watch.key), Mode::Shared);
    }
    let all = (0..state.cores).zip(locks).zip(concerned);
    all.filter(|(_, concerned)| *concerned)
        .map(|((core, mut footprint), _)| {
            footprint.seal();
            Participation { core, footprint }
        })
        .collect()
}

/// One comparison for each core and database with watched keys.
fn push_checks(session: &mut Session, gather: &mut Gather, stage: &mut Stage<'_>) {
    let command = gather.command;
    let mut watches: Vec<&Watch> = session.watches.iter().collect();
    watches.sort_unstable_by_key(|watch| (watch.owner, watch.db));
    for group in watches.chunk_by(|a, b| (a.owner, a.db) == (b.owner, b.db)) {
        let mut asker = session.asker();
        asker.db = group[0].db;
        let versions: Vec<[u8; 8]> = group.iter().map(|watch| watch.version.to_le_bytes()).collect();
        let words = group.iter().zip(&versions).flat_map(|(watch, version)| [&watch.key[..], &version[..]]);
        let part = gather.expect_check();
        stage.batch(group[0].owner).push_words(asker, Address::Part(part), Task::Check, command, words);
    }
}

/// Puts commands into batches from where the script is, until all are in or one must fetch first. Commands about the session run here
/// and now.
fn compose(
    state: &mut CoreState,
    session: &mut Session,
    gather: &mut Gather,
    script: &mut Script,
    stage: &mut Stage<'_>,
) {
    let queue = std::mem::take(&mut gather.queue);
    if std::mem::take(&mut script.applies) {
        let (command, args) = queue.get(script.next - 1);
        // None: an error, which is the reply.
        if let Some(values) = gather.take_fetched(command.row.blocking) {
            let earlier = script.fetched.take();
            if earlier.is_none()
                && (push_follow(state, session.asker(), gather, (command, args), &values, stage)
                    || push_hand_over(state, session.asker(), gather, (command, args), &values, stage))
            {
                script.fetched = Some(values);
                script.applies = true;
            } else {
                let values = [earlier.unwrap_or_default(), values].concat();
                push_apply(state, session, gather, (command, args), &values, stage);
            }
        }
    }
    while script.next < queue.len() && !script.applies {
        let (command, args) = queue.get(script.next);
        script.next += 1;
        script.applies = push_element(state, session, gather, command, args, stage);
    }
    gather.queue = queue;
}

/// Puts one command into the batches of the cores it concerns. True: it has to be applied in another stage.
fn push_element(
    state: &mut CoreState,
    session: &mut Session,
    gather: &mut Gather,
    command: &'static Command,
    args: Args<'_>,
    stage: &mut Stage<'_>,
) -> bool {
    let asker = session.asker();
    match plan(state, command, args) {
        Plan::Session => {
            gather.open_whole_element();
            let (address, mut reply) = (gather.expect(Vec::new()), Vec::new());
            let call = Call { task: Task::Whole, asker, command, args };
            let outcome = run(state, Reach::Session(session), call, &mut reply);
            gather.deliver(address, Answered::Ran(outcome), &reply);
        }
        Plan::One(core) => {
            // EXEC's commands are counted where they run; a command by itself where it began.
            let task = match (gather.is_exec, gather.may_wait) {
                (true, _) => Task::Whole,
                (false, Some(_)) => Task::TakeOrWait,
                (false, None) => Task::Share,
            };
            if gather.is_exec {
                gather.open_whole_element();
            } else {
                gather.open_element(None);
            }
            let address = Address::Part(gather.expect(Vec::new()));
            let batch = stage.batch(core);
            batch.push(asker, address, task, command, args);
            batch.set_wait(gather.may_wait.unwrap_or_default());
        }
        Plan::Split { stride, merge } => {
            gather.open_element(Some(merge));
            push_shares(state, asker, gather, command, args, stride, stage);
        }
        Plan::Every(merge) => {
            gather.open_element(Some(merge));
            for core in 0..state.cores {
                let address = Address::Part(gather.expect(Vec::new()));
                stage.batch(core).push(asker, address, Task::Share, command, args);
            }
        }
        Plan::Relay(_) => {
            gather.open_element(None);
            for (core, numbers) in shares(state, command, args) {
                let address = Address::Part(gather.expect(numbers));
                stage.batch(core).push(asker, address, Task::Fetch, command, args);
            }
            return true;
        }
    }
    false
}

/// The numbers of a request's keys by the core that owns them.
fn shares(state: &CoreState, command: &Command, args: Args<'_>) -> Vec<(CoreId, Vec<u32>)> {
    let mut shares: Vec<(CoreId, Vec<u32>)> = Vec::new();
    for (number, index) in command.row.key_indexes(args).enumerate() {
        let owner = state.owner(args.get(index));
        match shares.iter_mut().find(|(core, _)| *core == owner) {
            Some((_, numbers)) => numbers.push(number as u32),
            None => shares.push((owner, vec![number as u32])),
        }
    }
    shares
}

/// Each core gets the command with the keys it owns.
fn push_shares(
    state: &CoreState,
    asker: Asker,
    gather: &mut Gather,
    command: &'static Command,
    args: Args<'_>,
    stride: usize,
    stage: &mut Stage<'_>,
) {
    let first = command.first_key;
    for (core, numbers) in shares(state, command, args) {
        let mut spans = args.spans()[..first].to_vec();
        for &number in &numbers {
            let start = first + number as usize * stride;
            spans.extend_from_slice(&args.spans()[start..start + stride]);
        }
        let address = Address::Part(gather.expect(numbers));
        stage.batch(core).push(asker, address, Task::Share, command, Args::new(args.bytes(), &spans));
    }
}

/// Between the halves of a relay: the keys that follow from what it has fetched. False: there is nothing to be read.
fn push_follow(
    state: &CoreState,
    asker: Asker,
    gather: &mut Gather,
    (command, args): (&'static Command, Args<'_>),
    values: &[Vec<u8>],
    stage: &mut Stage<'_>,
) -> bool {
    let Some(follow) = command.row.follow.filter(|_| command.row.reaches_all(state.cores, args)) else { return false };
    let (bytes, spans) = laid_together(values);
    let wanted = (follow.keys)(args, Fetched(Args::new(&bytes, &spans)));
    let mut shares: Vec<Vec<u32>> = vec![Vec::new(); usize::from(state.cores)];
    for (number, [key, _]) in wanted.iter().enumerate() {
        shares[usize::from(state.owner(key))].push(number as u32);
    }
    for (core, numbers) in (0..).zip(shares).filter(|(_, numbers)| !numbers.is_empty()) {
        let own = numbers.iter().flat_map(|&number| wanted[number as usize].iter().map(Vec::as_slice));
        let words: Vec<&[u8]> = args.iter().chain(own).collect();
        let count = 2 * numbers.len() as u32;
        let address = Address::Part(gather.expect(numbers));
        stage.batch(core).push_words(asker, address, Task::Follow { count }, command, words.into_iter());
    }
    !wanted.is_empty()
}

/// Between the halves of a relay: a big value is taken out of the first key. False: there is none, or it stays where it is.
fn push_hand_over(
    state: &CoreState,
    asker: Asker,
    gather: &mut Gather,
    (command, args): (&'static Command, Args<'_>),
    values: &[Vec<u8>],
    stage: &mut Stage<'_>,
) -> bool {
    let Some(hand_over) = command.row.hand_over else { return false };
    let (bytes, spans) = laid_together(values);
    let fetched = Fetched(Args::new(&bytes, &spans));
    if (hand_over.refuses)(fetched) || !(hand_over.is_big)(fetched) {
        return false;
    }
    let index = command.row.key_indexes(args).next().expect("a relay has keys");
    let owner = state.owner(args.get(index));
    let address = Address::Part(gather.expect(vec![0]));
    stage.batch(owner).push(asker, address, Task::HandOver, command, args);
    true
}

/// Values one behind another, as arguments are.
fn laid_together(values: &[Vec<u8>]) -> (Vec<u8>, Vec<Span>) {
    let mut bytes = Vec::new();
    let spans = values
        .iter()
        .map(|value| {
            let start = bytes.len() as u32;
            bytes.extend_from_slice(value);
            Span { start, len: value.len() as u32 }
        })
        .collect();
    (bytes, spans)
}

/// The second half of a relay, which is the gather's last element: applied with what was fetched, or its error.
fn push_apply(
    state: &CoreState,
    session: &Session,
    gather: &mut Gather,
    (command, args): (&'static Command, Args<'_>),
    values: &[Vec<u8>],
    stage: &mut Stage<'_>,
) {
    let Plan::Relay(relay) = plan(state, command, args) else { unreachable!("it was relayed before") };
    let mut shares = shares(state, command, args);
    if gather.joins_elements() {
        // Each core adds what it has; those without anything have no part in it, unless asking alone changes their keys.
        let ready: Vec<u32> = Blocking::ready_numbers(values).collect();
        let asks = command.row.blocking.is_some_and(|blocking| blocking.asks.is_some());
        shares.iter_mut().for_each(|(_, numbers)| numbers.retain(|number| ready.contains(number)));
        shares.retain(|(_, numbers)| asks || !numbers.is_empty());
    }
    if let ApplyOn::OwnerOf(number) = relay.apply_on {
        shares.retain(|(_, numbers)| numbers.contains(&(number as u32)));
        assert!(!shares.is_empty(), "the key is one of the request's");
    }
    if relay.apply_on == ApplyOn::LastOwner {
        let last = shares.iter().flat_map(|(_, numbers)| numbers).copied().max();
        shares.retain(|(_, numbers)| numbers.iter().any(|&number| Some(number) == last));
    }
    let mut parcel = gather.parcel.take();
    if parcel.is_some() {
        // The owner of the first key has done its share.
        shares.retain(|(_, numbers)| !numbers.contains(&0));
        assert!(shares.len() == 1, "a value is handed over to one other core");
    }
    for (core, numbers) in shares {
        let address = Address::Part(gather.expect(numbers));
        let fetched = values.len() as u32;
        let task = match gather.may_wait {
            Some(_) => Task::ApplyOrWait { fetched },
            None => Task::Apply { fetched, by_result: gather.has_met_hidden() },
        };
        let words = args.iter().chain(values.iter().map(Vec::as_slice));
        let batch = stage.batch(core);
        batch.push_words(session.asker(), address, task, command, words);
        batch.set_wait(gather.may_wait.unwrap_or_default());
        batch.parcel = parcel.take().map(|parcel| (batch.len() - 1, parcel));
    }
}
