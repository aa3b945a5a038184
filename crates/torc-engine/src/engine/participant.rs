//! The participant: it grants and refuses claims, runs units and hops, and says what of that has to be served to waiters.
//!
//! ```text
//!   unit         nobody claims what it needs? --yes--> runs now
//!                  \--no--> claimed --granted--> runs --nobody waits for its changes--> released, LateReplies
//!                                                  \--somebody does--> ToServe --served--^
//!   transaction  Schedule --> refused | claimed --granted--> Granted --Hop--> Done ... --Serve--> ToServe --> ServingDone
//!                                                    \--(a hop came along)--> Done          --Release--> released
//!   cut          Probe --> stands by, Here        Schedule ... as above, or --Withdraw--> released
//! ```
//! Units run at once while nobody has a claim on what they need (`may_run_now`); only the others are copied and wait.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};

use torc_resp::{Args, OutputBuffer};

use super::dispatch::hard_limit;
use super::waitlist::{ToServe, Waitlist};
use super::{Engine, RoleContext, Roles, ahead};
use crate::asker::{Asker, ConnectionId};
use crate::command::{Command, ProgramOrder};
use crate::config::PipelineOrder;
use crate::effect::Effect;
use crate::message::{Address, Batch, Request};
use crate::plan::Mode;
use crate::route::CoreId;
use crate::run::{Call, Outcome, Reach, Task, run};
use crate::session::WINDOW_REQUESTS;
use crate::state::CoreState;
use crate::transaction::{
    ChangedKey, Claim, Claims, Done, Footprint, Hop, Schedule, ShutOut, ToConnection, ToCoordinator, ToParticipant,
    TransactionId, footprint_here, lock_hash,
};

/// What claims the keys of this core, and the order in which that runs.
#[derive(Default)]
pub(super) struct Participant {
    /// Units and transactions that hold or await locks, and the gate.
    claims: Claims,
    /// Connections of other cores, by the origin, of which a request waits, and others behind it.
    behind: HashMap<(CoreId, ConnectionId), Behind>,
}

/// What a connection has sent behind a request that waits for a claim, for room for its reply or for the next turn. It holds no lock,
/// so nothing waits for it.
#[derive(Default)]
struct Behind {
    /// That claim; `None`: what lets the next one go on is a message.
    claim: Option<TransactionId>,
    /// The requests, each a unit, in their order.
    units: VecDeque<Box<Batch>>,
    /// Bytes of replies since there was room.
    reply_bytes: usize,
}

/// What a hop or unit has done, by the part of the gather that has done it.
#[derive(Default)]
struct Ran {
    /// Keys that somebody waits for and that were changed.
    changed: Vec<(u32, ChangedKey)>,
    /// All other effects.
    effects: Vec<(u32, Vec<Effect>)>,
    /// Its only request, a script, takes long: it runs again.
    is_suspended: bool,
}

/// What a unit claims that cannot run to its end now.
enum Needs {
    /// The locks of its requests: it has not begun.
    Own(Footprint),
    /// Whatever the script may do that has begun, and takes long: it holds its core's keys.
    WholeCore,
}

/// All keys of this core.
fn whole_core() -> Footprint {
    let mut footprint = Footprint::default();
    footprint.add_whole(Mode::Exclusive);
    footprint.seal();
    footprint
}

/// The request that a unit stands for; `None`: keys have expired.
fn asker_of(batch: &Batch) -> Option<Asker> {
    (!batch.is_empty()).then(|| batch.request(0).0.asker())
}

impl Engine {
    /// A message to this core as a participant.
    pub(super) fn on_participant_message(&mut self, from: CoreId, message: ToParticipant) {
        let Roles { mut core, participant, waitlist, .. } = self.roles();
        let core = &mut core;
        let to_serve = match message {
            ToParticipant::Unit(batch) => participant.admit_unit(core, waitlist, from, batch),
            ToParticipant::Serve { id, keys, now_us } => Some(participant.serve_for(id, keys, now_us)),
            ToParticipant::Schedule(schedule) => {
                participant.schedule(core, waitlist, from, *schedule);
                None
            }
            ToParticipant::Hop(id, hop) => {
                participant.run_hop(core, waitlist, id, hop);
                None
            }
            ToParticipant::Release { id, finished } => {
                participant.end_claim(core, waitlist, id, finished);
                None
            }
            ToParticipant::Probe { connection, id, how_long } => {
                core.begin_stand_by(id, how_long);
                core.outbox.post(from, ToCoordinator::Here { connection, id });
                None
            }
            ToParticipant::Withdraw { id, age } => {
                participant.end_claim(core, waitlist, id, false);
                core.end_stand_by_for(id);
                participant.open_gate(core, age);
                None
            }
            ToParticipant::Busy { kind, is_held } => {
                core.state.note_busy_holder(kind, is_held);
                None
            }
            ToParticipant::Relieve => {
                core.state.memory.is_asked();
                // Who is asked asks nobody: who has asked has asked all.
                self.relieve_own();
                return;
            }
            ToParticipant::GoOnWithScript(id) => participant.run_unit(core, waitlist, id),
            ToParticipant::GoOn(origin, connection) => participant.go_on(core, waitlist, origin, connection),
            ToParticipant::HasRoom(connection) => participant.go_on_with_room(core, waitlist, from, connection),
            ToParticipant::Unwatch(keys) => {
                keys.iter().for_each(|(db, key)| core.state.keyspace.unwatch(*db, key));
                None
            }
        };
        self.serve_waiters(to_serve);
    }

    /// A claim holds all its locks.
    pub(super) fn on_claim_granted(&mut self, id: TransactionId) {
        let Roles { mut core, participant, waitlist, .. } = self.roles();
        let to_serve = participant.granted(&mut core, waitlist, id);
        self.serve_waiters(to_serve);
    }

    /// A request that must wait becomes a unit of its own.
    #[cold]
    pub(super) fn wait_as_unit(&mut self, origin: CoreId, call: Call<'_>, address: Address) {
        let mut batch = self.outbox.spare_batch();
        batch.push(call.asker, address, call.task, call.command, call.args);
        self.admit_unit(origin, batch);
    }

    /// A script takes long: it goes on as a unit that claims all keys of this core.
    #[cold]
    pub(super) fn suspend(&mut self, origin: CoreId, call: Call<'_>, address: Address) {
        // Nothing of it is answered now.
        self.state.shown.take();
        let mut batch = self.outbox.spare_batch();
        batch.push(call.asker, address, call.task, call.command, call.args);
        let Roles { mut core, participant, waitlist, .. } = self.roles();
        let to_serve = participant.claim_for_unit(&mut core, waitlist, origin, batch, Needs::WholeCore);
        self.serve_waiters(to_serve);
    }

    /// A request waits until those of its connection have had their effect that came before it.
    #[cold]
    pub(super) fn wait_behind(&mut self, origin: CoreId, call: Call<'_>, address: Address) {
        let mut batch = self.outbox.spare_batch();
        batch.push(call.asker, address, call.task, call.command, call.args);
        let behind = self.participant.behind.get_mut(&(origin, call.asker.connection));
        behind.expect("its connection has something waiting").units.push_back(batch);
    }

    /// A request waits until the next turn.
    #[cold]
    pub(super) fn wait_for_time(&mut self, origin: CoreId, call: Call<'_>, address: Address) {
        let connection = call.asker.connection;
        self.begin_waiting_behind(origin, call, address);
        self.outbox.post(self.state.core, ToParticipant::GoOn(origin, connection));
    }

    /// A request is the first of its connection that waits here.
    fn begin_waiting_behind(&mut self, origin: CoreId, call: Call<'_>, address: Address) {
        let behind = self.participant.behind.insert((origin, call.asker.connection), Behind::default());
        assert!(behind.is_none(), "what is behind others waits with them");
        self.wait_behind(origin, call, address);
    }

    /// A request waits until the connection's core has room for its reply.
    #[cold]
    pub(super) fn wait_for_room(&mut self, origin: CoreId, call: Call<'_>, sequence: u64) {
        let connection = call.asker.connection;
        self.begin_waiting_behind(origin, call, Address::Pipeline(sequence));
        self.outbox.post(origin, ToConnection::NeedsRoom { connection, sequence });
    }

    /// Runs a unit now, or when its claim is granted.
    pub(super) fn admit_unit(&mut self, origin: CoreId, batch: Box<Batch>) {
        let Roles { mut core, participant, waitlist, .. } = self.roles();
        let to_serve = participant.admit_unit(&mut core, waitlist, origin, batch);
        self.serve_waiters(to_serve);
    }

    /// Keys that somebody waits for have changed outside of all units: they have expired. If that is something for who waits, a unit
    /// without commands claims the key and serves them.
    pub(super) fn serve_expired(&mut self) {
        self.end_idle_unit();
        for (db, key) in self.waitlist.take_expired() {
            let Roles { mut core, participant, waitlist, .. } = self.roles();
            let is_waited_for = waitlist.is_waited_for(core.state, db, &key);
            assert!(!core.state.keyspace.has_changes(), "whoever looks whether a key is ready changes nothing");
            if is_waited_for {
                let to_serve = participant.claim_expired(&mut core, waitlist, db, key);
                self.serve_waiters(to_serve);
            }
        }
    }
}

impl Participant {
    /// Whether nothing is left of any unit or transaction.
    pub fn is_idle(&self) -> bool {
        self.claims.is_empty() && self.behind.is_empty()
    }

    /// The claims, only to look at.
    pub fn claims(&self) -> &Claims {
        &self.claims
    }

    /// The next claim that a release has granted.
    pub fn next_granted(&mut self) -> Option<TransactionId> {
        self.claims.next_granted()
    }

    /// Whether a request, or a share of one, may run here without a claim.
    #[inline]
    pub fn may_run_now(&self, state: &CoreState, waitlist: &Waitlist, command: &Command, args: Args<'_>) -> bool {
        (self.claims.is_idle() && waitlist.is_empty()) || self.concerns_nobody(state, waitlist, command, args)
    }

    /// Whether nobody has a claim on what the request needs, and nobody waits for what it may write.
    #[cold]
    fn concerns_nobody(&self, state: &CoreState, waitlist: &Waitlist, command: &Command, args: Args<'_>) -> bool {
        let mut footprint = Footprint::default();
        footprint_here(state, command, args, &mut footprint);
        footprint.seal();
        self.claims.locks().is_free(&footprint) && !waitlist.concern(&footprint)
    }

    /// Runs a unit now, or when its claim is granted.
    fn admit_unit(
        &mut self,
        core: &mut RoleContext<'_>,
        waitlist: &mut Waitlist,
        origin: CoreId,
        batch: Box<Batch>,
    ) -> Option<ToServe> {
        match self.run_unit_now(core, waitlist, origin, batch) {
            Ok(_) => None,
            Err((batch, needs)) => self.claim_for_unit(core, waitlist, origin, batch, needs),
        }
    }

    /// Runs a unit, and gives the length of its replies, unless somebody has a claim on what it needs or waits for what it may write;
    /// then gives it back.
    fn run_unit_now(
        &mut self,
        core: &mut RoleContext<'_>,
        waitlist: &mut Waitlist,
        origin: CoreId,
        mut batch: Box<Batch>,
    ) -> Result<usize, (Box<Batch>, Needs)> {
        assert!(!batch.is_empty(), "a unit that is asked for has requests");
        let footprint = footprint_of(core.state, &batch);
        if !self.claims.locks().is_free(&footprint) || waitlist.concern(&footprint) {
            return Err((batch, Needs::Own(footprint)));
        }
        let Ran { changed, effects, is_suspended } = run_batch(core, waitlist, origin, &mut batch);
        if is_suspended {
            return Err((batch, Needs::WholeCore));
        }
        // Nobody waits for what this unit writes; but it may have read a key that had expired.
        waitlist.note_expired(changed.into_iter().map(|(_, key)| key));
        tell_unit(core, &batch, effects);
        let reply_bytes = batch.reply_bytes();
        core.outbox.post(origin, ToConnection::LateReplies(batch));
        Ok(reply_bytes)
    }

    /// Claims what a unit needs, and runs it when that is granted. Behind an effect of a connection its later requests wait.
    fn claim_for_unit(
        &mut self,
        core: &mut RoleContext<'_>,
        waitlist: &mut Waitlist,
        origin: CoreId,
        batch: Box<Batch>,
        needs: Needs,
    ) -> Option<ToServe> {
        let id = core.ids.next(core.state.now_us);
        if origin != core.state.core
            && let Some((connection, order)) = plain_request(&batch)
        {
            // Behind reads others wait for the sake of their replies: they would all be made when the claim is granted.
            let keeps_order =
                order == ProgramOrder::Overlaps || core.state.config.pipeline_order == PipelineOrder::Writes;
            match self.behind.entry((origin, connection)) {
                Entry::Occupied(mut behind) => behind.get_mut().claim = Some(id),
                Entry::Vacant(vacant) if keeps_order => {
                    vacant.insert(Behind { claim: Some(id), ..Behind::default() });
                }
                Entry::Vacant(_) => {}
            }
        }
        let (footprint, has_begun) = match needs {
            Needs::Own(footprint) => (footprint, false),
            Needs::WholeCore => (whole_core(), true),
        };
        let granted = self.claims.claim_unit(id, footprint, origin, batch, Vec::new());
        if has_begun {
            self.note_pause(core.state, id);
        }
        if granted { self.granted(core, waitlist, id) } else { None }
    }

    /// A script that is a unit has had a slice: what it may still read at its time is not removed for having expired since.
    fn note_pause(&mut self, state: &mut CoreState, id: TransactionId) {
        self.claims.unit_has_begun(id, state.now_us);
        self.follow_floor(state);
    }

    /// Whether a request of this connection has to wait behind others of it that are here.
    #[inline]
    pub fn is_behind(&self, origin: CoreId, connection: ConnectionId) -> bool {
        !self.behind.is_empty() && self.behind.contains_key(&(origin, connection))
    }

    /// A request of a connection has been done: the next one behind it runs, or claims what it needs.
    fn go_on(
        &mut self,
        core: &mut RoleContext<'_>,
        waitlist: &mut Waitlist,
        origin: CoreId,
        connection: ConnectionId,
    ) -> Option<ToServe> {
        let behind = self.behind.get_mut(&(origin, connection)).expect("it is kept until nothing is behind");
        let Some(next) = behind.units.front() else {
            self.behind.remove(&(origin, connection));
            return None;
        };
        if core.state.stand_by.is_on() && takes_long(next) {
            core.state.stand_by.put_behind(origin, connection);
            return None;
        }
        let batch = behind.units.pop_front().expect("looked at just now");
        behind.claim = None;
        match self.run_unit_now(core, waitlist, origin, batch) {
            Ok(reply_bytes) => {
                self.go_on_or_wait_for_room(core, origin, connection, reply_bytes);
                None
            }
            // The next one goes on when its claim ends.
            Err((batch, needs)) => self.claim_for_unit(core, waitlist, origin, batch, needs),
        }
    }

    /// A request of a connection was answered with so many bytes: the next one behind it goes on, or asks for room first.
    fn go_on_or_wait_for_room(
        &mut self,
        core: &mut RoleContext<'_>,
        origin: CoreId,
        connection: ConnectionId,
        reply_bytes: usize,
    ) {
        let behind = self.behind.get_mut(&(origin, connection)).expect("it is kept until nothing is behind");
        behind.reply_bytes += reply_bytes;
        match behind.units.front().map(|next| next.request(0).0.address) {
            Some(Address::Pipeline(sequence)) if behind.reply_bytes > core.state.reply_bounds.ahead_bytes => {
                core.outbox.post(origin, ToConnection::NeedsRoom { connection, sequence });
            }
            _ => core.outbox.post(core.state.core, ToParticipant::GoOn(origin, connection)),
        }
    }

    /// There is room for replies again.
    fn go_on_with_room(
        &mut self,
        core: &mut RoleContext<'_>,
        waitlist: &mut Waitlist,
        origin: CoreId,
        connection: ConnectionId,
    ) -> Option<ToServe> {
        let behind = self.behind.get_mut(&(origin, connection)).expect("it is kept until nothing is behind");
        behind.reply_bytes = 0;
        self.go_on(core, waitlist, origin, connection)
    }

    /// A unit without requests claims a key that has expired, to serve those who wait for it.
    fn claim_expired(
        &mut self,
        core: &mut RoleContext<'_>,
        waitlist: &mut Waitlist,
        db: u16,
        key: Box<[u8]>,
    ) -> Option<ToServe> {
        let mut footprint = Footprint::default();
        footprint.add(lock_hash(&key), Mode::Exclusive);
        let (id, own) = (core.ids.next(core.state.now_us), core.state.core);
        let batch = core.outbox.spare_batch();
        let granted = self.claims.claim_unit(id, footprint, own, batch, vec![(db, key)]);
        if granted { self.granted(core, waitlist, id) } else { None }
    }

    /// Runs a unit under its claim. Gives what it has changed for those who wait, before the claim ends.
    fn run_unit(&mut self, core: &mut RoleContext<'_>, waitlist: &mut Waitlist, id: TransactionId) -> Option<ToServe> {
        self.extend_for_moves(waitlist, id);
        let (origin, mut batch, mut changed) = self.claims.begin_unit(id);
        let now_us = self.claims.unit_began_us(id).unwrap_or(core.state.now_us);
        let ran = run_batch(core, waitlist, origin, &mut batch);
        if ran.is_suspended {
            self.claims.unit_pauses(id, batch);
            self.note_pause(core.state, id);
            core.state.turn.note((core.state.host.clock_ns)());
            core.outbox.post(core.state.core, ToParticipant::GoOnWithScript(id));
            return None;
        }
        changed.extend(self.divert_expired(waitlist, id, ran.changed).into_iter().map(|(_, key)| key));
        let by = asker_of(&batch);
        tell_unit(core, &batch, ran.effects);
        self.claims.unit_has_run(id, batch);
        if changed.is_empty() {
            self.end_serving(core, waitlist, id);
            return None;
        }
        Some(ToServe { id, keys: changed, by, now_us, has_token: false })
    }

    /// Keys that a claim does not write have changed because they have expired: they are looked at by themselves. Gives the others.
    fn divert_expired(
        &self,
        waitlist: &mut Waitlist,
        id: TransactionId,
        changed: Vec<(u32, ChangedKey)>,
    ) -> Vec<(u32, ChangedKey)> {
        let footprint = self.claims.locks().footprint(id);
        let (written, expired): (Vec<_>, Vec<_>) = changed.into_iter().partition(|(_, (_, key))| {
            let hash = lock_hash(key);
            footprint.writes(|written| written == hash)
        });
        waitlist.note_expired(expired.into_iter().map(|(_, key)| key));
        written
    }

    /// The waiters of what a claim has changed are served from now on, at the time of that change.
    pub fn begin_serving(&mut self, state: &mut CoreState, to_serve: &ToServe) {
        assert!(self.claims.locks().is_granted(to_serve.id), "waiters are served under the claim of what changed");
        self.claims.note_granted(to_serve.id, to_serve.now_us);
        self.follow_floor(state);
    }

    /// Nobody waits any longer for what a unit or transaction has changed.
    pub fn end_serving(&mut self, core: &mut RoleContext<'_>, waitlist: &mut Waitlist, id: TransactionId) {
        if let Some(&mut Claim::Transaction { coordinator, connection, .. }) = self.claims.get(id) {
            return core.outbox.post(coordinator, ToCoordinator::ServingDone { connection, id });
        }
        let Claim::Unit { origin, batch, .. } = self.claims.release(id) else { unreachable!("it is a unit") };
        assert!(batch.is_complete(), "the claim of a unit ends when the unit has run");
        self.follow_floor(core.state);
        waitlist.tell_served(core.outbox, id);
        if let Some((connection, _)) = plain_request(&batch)
            && self.behind.get(&(origin, connection)).is_some_and(|behind| behind.claim == Some(id))
        {
            self.go_on_or_wait_for_room(core, origin, connection, batch.reply_bytes());
        }
        core.outbox.post(origin, ToConnection::LateReplies(batch));
    }

    /// A transaction wants a claim.
    fn schedule(
        &mut self,
        core: &mut RoleContext<'_>,
        waitlist: &mut Waitlist,
        coordinator: CoreId,
        schedule: Schedule,
    ) {
        let (connection, id) = (schedule.connection, schedule.id);
        core.ids.observe(id);
        if let Some(how_long) = schedule.stand_by {
            core.begin_stand_by(id, how_long);
        }
        match self.claims.schedule(coordinator, schedule) {
            Ok(true) => self.grant_transaction(core, waitlist, id),
            Ok(false) if coordinator == core.state.core => {
                core.outbox.post(coordinator, ToCoordinator::Queued { connection, id });
            }
            Ok(false) => {}
            Err((hop, shut)) => {
                let clock = core.ids.latest();
                core.outbox.post(coordinator, ToCoordinator::Refused { connection, id, clock, hop, shut });
            }
        }
    }

    /// A claim holds all its locks. Gives what a unit has changed for those who wait.
    fn granted(&mut self, core: &mut RoleContext<'_>, waitlist: &mut Waitlist, id: TransactionId) -> Option<ToServe> {
        match self.claims.get(id).expect("a claim that is granted exists") {
            Claim::Unit { .. } => self.run_unit(core, waitlist, id),
            Claim::Transaction { .. } => {
                self.grant_transaction(core, waitlist, id);
                None
            }
        }
    }

    /// A transaction's claim holds all its locks.
    fn grant_transaction(&mut self, core: &mut RoleContext<'_>, waitlist: &mut Waitlist, id: TransactionId) {
        let now_us = core.state.now_us;
        let (coordinator, connection, hop) = self.claims.grant_transaction(id, now_us);
        self.claims.note_granted(id, now_us);
        self.follow_floor(core.state);
        self.extend_for_moves(waitlist, id);
        let awaited = waitlist.concern(self.claims.locks().footprint(id));
        match hop {
            Some(hop) => {
                let (now_us, concludes) = (hop.now_us.max(now_us), hop.concludes && !awaited);
                self.run_hop(core, waitlist, id, Hop { now_us, concludes, ..hop });
            }
            None => core.outbox.post(coordinator, ToCoordinator::Granted { connection, id, now_us, awaited }),
        }
    }

    /// The hop of a transaction whose claims are all granted.
    fn run_hop(&mut self, core: &mut RoleContext<'_>, waitlist: &mut Waitlist, id: TransactionId, hop: Hop) {
        core.end_stand_by_for(id);
        let Hop { connection, mut batch, now_us, concludes } = hop;
        let coordinator = self.claims.begin_hop(id, connection, now_us, asker_of(&batch));
        let own_us = core.state.enter_time(now_us);
        let ran = run_batch(core, waitlist, coordinator, &mut batch);
        let changed = self.divert_expired(waitlist, id, ran.changed);
        let effects = self.tell_expired(core, id, asker_of(&batch), ran.effects);
        core.state.leave_time(own_us);
        self.claims.note_unserved(id, changed.iter().map(|(_, key)| key.clone()));
        if concludes {
            assert!(changed.is_empty(), "nobody waits for what this transaction writes");
            self.end_claim(core, waitlist, id, true);
        }
        let done = Done { connection, id, batch, now_us, released: concludes, changed, effects };
        core.outbox.post(coordinator, ToCoordinator::Done(Box::new(done)));
    }

    /// Under a claim that writes nothing nothing changes but what has expired. That is told at once: who waits for the claim may write the
    /// key again before the transaction has ended, and only then its effects are told. Gives the others, which are events.
    fn tell_expired(
        &self,
        core: &mut RoleContext<'_>,
        id: TransactionId,
        by: Option<Asker>,
        effects: Vec<(u32, Vec<Effect>)>,
    ) -> Vec<(u32, Vec<Effect>)> {
        if effects.is_empty() || self.claims.locks().footprint(id).writes(|_| true) {
            return effects;
        }
        let (mut expired, mut others) = (Vec::new(), Vec::new());
        for (part, effects) in effects {
            let (events, changes): (Vec<_>, Vec<_>) =
                effects.into_iter().partition(|effect| matches!(effect, Effect::Event(_)));
            expired.extend(changes);
            if !events.is_empty() {
                others.push((part, events));
            }
        }
        core.readers.tell(core.state, by, expired);
        others
    }

    /// The coordinator has all that a transaction has changed, and it is this core's turn to serve those who wait.
    fn serve_for(&mut self, id: TransactionId, keys: Vec<ChangedKey>, now_us: i64) -> ToServe {
        let by = self.claims.take_unserved(id, &keys);
        ToServe { id, keys, by: Some(by), now_us, has_token: true }
    }

    /// Ends a transaction's claim; `finished`: all of it has run here.
    fn end_claim(&mut self, core: &mut RoleContext<'_>, waitlist: &mut Waitlist, id: TransactionId, finished: bool) {
        // An attempt that was refused by several is called off at each of them.
        if !finished && self.claims.get(id).is_none() {
            return;
        }
        assert!(!waitlist.serves(id), "a claim stays while waiters are served under it");
        if finished && core.state.shown.is_on() {
            core.state.shown.note_claim_written(self.claims.locks().footprint(id));
        }
        let Claim::Transaction { age, granted_us, by, .. } = self.claims.release(id) else {
            unreachable!("units end by themselves")
        };
        assert!(!finished || granted_us.is_some(), "what has run was granted");
        assert!(finished || by.is_none(), "nothing of an attempt that is called off has run");
        self.follow_floor(core.state);
        waitlist.tell_served(core.outbox, id);
        core.end_stand_by_for(id);
        if finished {
            self.open_gate(core, age);
        }
    }

    /// The transaction of this age keeps nobody out any more.
    fn open_gate(&mut self, core: &mut RoleContext<'_>, age: TransactionId) {
        for ShutOut { coordinator, connection, id } in self.claims.open_gate(age) {
            core.outbox.post(coordinator, ToCoordinator::Opened { connection, id });
        }
    }

    /// A claim is granted under which keys may be written from which others wait to move elements on: it gets the locks of those keys
    /// as well, as far as nobody else has them. What is moved to others runs again.
    fn extend_for_moves(&mut self, waitlist: &Waitlist, id: TransactionId) {
        for hash in waitlist.waiters().reached_under(self.claims.locks().footprint(id)) {
            self.claims.extend(id, hash);
        }
    }

    /// What a transaction may still read at the time of its grant is not removed for having expired since.
    fn follow_floor(&mut self, state: &mut CoreState) {
        let floor_ms = self.claims.oldest_granted_us().map_or(i64::MAX, |granted_us| granted_us / 1000);
        state.set_claims_floor(floor_ms);
    }
}

/// The connection whose plain request this unit is, and what that waits for among the others.
fn plain_request(batch: &Batch) -> Option<(ConnectionId, ProgramOrder)> {
    if batch.len() != 1 {
        return None;
    }
    let (request, _) = batch.request(0);
    let is_plain = matches!(request.address, Address::Pipeline(_));
    is_plain.then(|| (request.asker().connection, request.command.order))
}

/// Whether a request that waits behind others may take long.
fn takes_long(unit: &Batch) -> bool {
    let (request, args) = unit.request(0);
    request.command.takes_long(args)
}

/// The locks of a unit.
fn footprint_of(state: &CoreState, batch: &Batch) -> Footprint {
    let mut footprint = Footprint::default();
    for index in 0..batch.len() {
        let (request, args) = batch.request(index);
        match request.task {
            Task::Check => {
                let keys = (0..args.len()).step_by(2).map(|index| args.get(index));
                keys.for_each(|key| footprint.add(lock_hash(key), Mode::Shared));
            }
            _ => footprint_here(state, request.command, args, &mut footprint),
        }
    }
    footprint.seal();
    footprint
}

/// A unit has run: whoever reads effects is told of it.
fn tell_unit(core: &mut RoleContext<'_>, batch: &Batch, effects: Vec<(u32, Vec<Effect>)>) {
    let effects = effects.into_iter().flat_map(|(_, effects)| effects).collect();
    core.readers.tell(core.state, asker_of(batch), effects);
}

/// Runs all requests of a hop or unit, unless a watched key has changed.
fn run_batch(core: &mut RoleContext<'_>, waitlist: &mut Waitlist, origin: CoreId, batch: &mut Batch) -> Ran {
    let mut ran = Ran::default();
    // What has expired before is none of its business.
    core.end_idle_unit(waitlist);
    assert!(core.state.effects.is_empty(), "a unit begins with an empty list of effects");
    batch.set_reply_limit(hard_limit(&core.state.config));
    for index in 0..batch.len() {
        if index % WINDOW_REQUESTS == 0 {
            ahead::prepare_batch(core.state, batch, index);
        }
        let (request, _) = batch.next();
        let (task, part) = (request.task, request.address.part().unwrap_or_default());
        let asker = request.asker();
        core.state.detached_value = batch.take_detached_for_next();
        let RoleContext { state, sessions, .. } = core;
        let execute = |request: &Request, args: Args<'_>, out: &mut OutputBuffer| {
            run(state, Reach::Core(sessions), request.call(args), out)
        };
        let outcome = batch.execute_next(execute);
        if *outcome == Outcome::Suspended {
            // Nothing of it is answered now.
            core.state.shown.take();
            batch.retract_last();
            assert!(
                batch.len() == 1 && core.state.effects.is_empty(),
                "a script in a transaction is put together in stages"
            );
            ran.is_suspended = true;
            return ran;
        }
        let is_called_off = *outcome == Outcome::Compared { changed: true };
        let waits = *outcome == Outcome::Waits;
        if core.state.shown.is_on() {
            batch.note_shows(core.state.shown.take());
        }
        if waits {
            let (request, args) = batch.request(index);
            waitlist.add_waiter(core.state, origin, request, args);
        }
        if task == Task::HandOver {
            assert!(batch.detached.is_none(), "a transaction moves one value at a time");
            batch.detached = core.state.detached_value.take().map(|value| (index, value));
        }
        assert!(core.state.detached_value.take().is_none(), "a value arrives");
        if !core.state.effects.is_empty() {
            core.tell_subscribers(Some(&asker));
            let (effects, awaited) = (core.state.effects.take(), core.state.effects.take_awaited());
            ran.changed.extend(awaited.into_iter().map(|key| (part, key)));
            if !effects.is_empty() {
                ran.effects.push((part, effects));
            }
        }
        if is_called_off {
            batch.leave_out_rest();
            break;
        }
    }
    assert!(batch.is_complete(), "each request has run or is left out");
    ran
}
