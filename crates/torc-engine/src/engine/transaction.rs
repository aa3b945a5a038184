//! MULTI's queue, EXEC, and the beginning of whatever needs several replies. A MULTI whose keys are all here runs at once, straight
//! into the output; any other is begun as a unit of another core or as a transaction over several (`coordinator`).

use torc_resp::{Args, CompleteReply, OutputBuffer, Reply};

use super::coordination::Participation;
use super::coordinator::Coordinator;
use super::dispatch::{Flow, answer, hard_limit, merge_gathered};
use super::host::{HostPart, ask_host_first};
use super::pubsub::hold_reply;
use super::stages::{QueueProgram, ScriptClaims, StageContext};
use super::{Engine, Roles};
use crate::acl::{DenialContext, Reason};
use crate::command::{Command, Databases, Flags, Merge, Route, Row, Run};
use crate::commands::connection::describe_client;
use crate::error::CommandError;
use crate::gather::{Gather, Walking};
use crate::message::{Address, Batch};
use crate::plan::{Mode, Place, Plan, Scope, plan};
use crate::route::CoreId;
use crate::run::{Call, Outcome, Reach, Task, run};
use crate::script::{Named, Reaches};
use crate::session::{CommandQueue, ConnectionId, Session, Wait, Watch};
use crate::state::CoreState;
use crate::task::Answered;
use crate::transaction::{Footprint, ToParticipant, footprints, lock_hash};

impl Engine {
    /// Queues a command of an open transaction.
    pub(super) fn enqueue(&mut self, connection: ConnectionId, command: &'static Command, args: Args<'_>) -> Flow {
        let bytes_max = self.state.config.client_query_buffer_limit_bytes as usize;
        let session = self.session(connection);
        session.last_command = command.full_name;
        let transaction = session.transaction.as_mut().expect("a transaction is open");
        if !transaction.push(command, args, bytes_max) {
            let error = CommandError::fixed("ERR Transaction is larger than client-query-buffer-limit");
            return self.refuse(connection, Some(command), &error);
        }
        let silent = session.take_silence();
        if !silent {
            let protocol = session.protocol;
            answer(session, |out| Reply::new(out, protocol).simple("QUEUED"));
        }
        Flow::Next
    }

    /// Runs the open transaction of a session. EXEC itself was admitted and counted.
    pub(super) fn exec(&mut self, connection: ConnectionId, command: &'static Command) -> Flow {
        let Engine { state, sessions, participant, waitlist, .. } = self;
        let session = sessions.get(connection).expect("the session of a request exists");
        assert!(!session.is_waiting(), "EXEC waits until nothing is owed");
        let mut queue = session.transaction.take().expect("EXEC was checked against an open transaction");
        if session.is_limited {
            refuse_denied(state, session, &mut queue);
        }
        session.commands += queue.len() as u64;
        let is_alone =
            participant.claims().is_idle() && waitlist.is_empty() && !queue.may_ask_host() && !queue.has_scripts();
        if is_alone && is_here(state, session.scope(), &queue, &session.watches) {
            self.exec_here(connection, command, &queue);
        } else {
            let silent = session.take_silence();
            self.begin(connection, Gather::new(command, *queue, true, silent), None);
        }
        Flow::Next
    }

    /// All keys are on this core, and nobody claims any: the whole transaction runs now.
    fn exec_here(&mut self, connection: ConnectionId, command: &'static Command, queue: &CommandQueue) {
        let Engine { state, sessions, .. } = self;
        let session = sessions.get(connection).expect("the session of a request exists");
        let (silent, protocol) = (session.take_silence(), session.protocol);
        let mut encoded = OutputBuffer::new();
        encoded.set_limit(hard_limit(&state.config));
        if watches_hold(state, session, command) {
            Reply::new(&mut encoded, protocol).array(queue.len());
            for (index, (queued, args)) in queue.commands().enumerate() {
                match queue.refusal(index) {
                    Some(refusal) => Reply::new(&mut encoded, protocol).error(refusal.text()),
                    None => self.exec_one(connection, queued, args, &mut encoded),
                }
            }
        } else {
            Reply::new(&mut encoded, protocol).null_array();
        }
        let shows = self.state.shown.take();
        let session = self.session(connection);
        session.note_shows(shows);
        let asker = session.asker();
        // What its client is told of keys that it has read here follows the reply.
        let reply_start = session.out.len();
        if !silent {
            answer(session, |out| out.append(&mut encoded));
        }
        let is_registering = session.has_unregistered();
        if is_registering {
            hold_reply(session, reply_start);
        }
        self.end_unit(Some(asker));
        self.session(connection).unwatch();
        if is_registering {
            self.register(connection);
        }
        self.tell_unwatched(connection);
    }

    /// A command whose parts are to be merged, as a unit or as a transaction.
    pub(super) fn begin_command(
        &mut self,
        connection: ConnectionId,
        command: &'static Command,
        args: Args<'_>,
    ) -> Flow {
        let session = self.session(connection);
        if session.is_waiting() {
            return Flow::Stall;
        }
        session.note_command(command);
        let silent = session.take_silence();
        let walk = match (command.row.route, session.scope()) {
            (Route::Walk(walk), Scope::Server) => Some(walk),
            _ => None,
        };
        let mut gather = Gather::new(command, CommandQueue::of(command, args), false, silent);
        gather.walk = walk.map(|walk| Walking { walk, found: 0 });
        self.begin(connection, gather, None);
        Flow::Next
    }

    /// The same for one on all cores, when the host has done its part.
    pub(super) fn begin_after_host(
        &mut self,
        connection: ConnectionId,
        command: &'static Command,
        args: Args<'_>,
    ) -> Flow {
        let Engine { state, sessions, .. } = self;
        let session = sessions.get(connection).expect("the session of a request exists");
        if session.is_waiting() {
            return Flow::Stall;
        }
        let mut queue = CommandQueue::of(command, args);
        match ask_host_first(state, session, command, args, false) {
            HostPart::Done => {}
            HostPart::Gave(bytes) => queue.add_argument(0, &bytes),
            HostPart::Awaited => return Flow::Stall,
            HostPart::Replied(reply) => return self.reply_by_host(connection, command, args, reply),
        }
        session.note_command(command);
        let silent = session.take_silence();
        self.begin(connection, Gather::new(command, queue, false, silent), None);
        Flow::Next
    }

    /// Runs the commands of a gather as one: a command, or an EXEC with the session's watches. `wait`: it waits if it finds nothing.
    pub(super) fn begin(&mut self, connection: ConnectionId, mut gather: Gather, wait: Option<Wait>) {
        let Engine { state, sessions, .. } = self;
        let session = sessions.get(connection).expect("the session of a request exists");
        let watches: &[Watch] = if gather.is_exec { &session.watches } else { &[] };
        let participants = participants(state, session.scope(), &gather.queue, watches);
        let compares = !watches.is_empty();
        let is_about_session = |(command, _): (&Command, Args<'_>)| matches!(command.row.run, Run::Session(_));
        let about_session = gather.queue.commands().any(is_about_session);
        gather.may_wait = wait.as_ref().map(|wait| wait.number);
        let asks_host = gather.is_exec && gather.queue.may_ask_host();
        let gather_tells_time = gather.queue.tells_time();
        let has_scripts = gather.queue.has_scripts();
        let claims = script_claims(state, &gather.queue);
        let is_cut = gather.is_cut && participants.len() > 1;
        session.activity.begin(gather, wait);
        // A time that is told is that of the transaction, which is known when all cores have granted their claims.
        let tells_time =
            gather_tells_time && participants.iter().any(|participation| participation.core != self.state.core);
        let program = QueueProgram::new(compares, asks_host, tells_time);
        let program = if has_scripts { program.with_scripts(claims) } else { program };
        // What is about the session runs here while hops are put together, so not before the watches are known.
        // What the host has a part in is a stage of its own.
        let is_unit =
            participants.len() <= 1 && !(has_scripts || asks_host || tells_time || (compares && about_session));
        if is_unit {
            let core = participants.first().map_or(self.state.core, |only| only.core);
            return self.begin_unit(connection, core, program);
        }
        let Roles { mut core, coordinator, .. } = self.roles();
        let begin = if is_cut { Coordinator::begin_cut } else { Coordinator::begin };
        begin(coordinator, &mut core, connection, participants, Box::new(program));
    }

    /// All keys are on one core: one message there and one back.
    fn begin_unit(&mut self, connection: ConnectionId, core: CoreId, program: QueueProgram) {
        let Engine { state, sessions, outbox, .. } = self;
        let session = sessions.get(connection).expect("the session of a request exists");
        let mut activity = std::mem::take(&mut session.activity);
        let gather = activity.gather_mut().expect("a gather is open");
        gather.hold();
        let unit = program.into_unit(&mut StageContext { state, session, gather, outbox, cores: &[core] });
        let is_complete = gather.release();
        session.activity = activity;
        let Some(batch) = unit else {
            assert!(is_complete, "without a unit nothing is awaited");
            return self.finish_gather(connection);
        };
        assert!(!is_complete, "the replies of the unit are awaited");
        self.post_unit(core, batch);
    }

    fn post_unit(&mut self, core: CoreId, batch: Box<Batch>) {
        if core == self.state.core {
            self.admit_unit(core, batch);
        } else {
            self.state.stats.hops += batch.len() as u64;
            self.outbox.post(core, ToParticipant::Unit(batch));
        }
    }

    /// A walk goes on: the next core's part is asked for.
    pub(super) fn walk_on(&mut self, connection: ConnectionId, core: CoreId, words: &[Vec<u8>]) {
        let session = self.session(connection);
        let asker = session.asker();
        let gather = session.gather();
        let (command, address) = (gather.command, Address::Part(gather.expect(Vec::new())));
        let mut batch = self.outbox.spare_batch();
        batch.push_words(asker, address, Task::Share, command, words.iter().map(Vec::as_slice));
        self.post_unit(core, batch);
    }

    fn exec_one(&mut self, connection: ConnectionId, queued: &'static Command, args: Args<'_>, out: &mut OutputBuffer) {
        let Engine { state, sessions, .. } = self;
        let session = sessions.get(connection).expect("the session of a request exists");
        let whole = Call { task: Task::Whole, asker: session.asker(), command: queued, args };
        match plan(state, session.scope(), queued, args) {
            Plan::Session => _ = run(state, Reach::Session(session), whole, out),
            Plan::One(_) => _ = run(state, Reach::Core(sessions), whole, out),
            Plan::Every(_, merge) | Plan::Split { merge, .. } => self.exec_share(connection, whole, merge, out),
            Plan::Walk(_, walk) => self.exec_share(connection, whole, Merge::Custom(walk.merge), out),
            Plan::Relay(_) => unreachable!("all keys are on this core"),
            Plan::Script => unreachable!("a transaction with scripts is put together in stages"),
        }
    }

    /// A command whose only part is this core's, which is merged all the same.
    fn exec_share(&mut self, connection: ConnectionId, whole: Call<'_>, merge: Merge, out: &mut OutputBuffer) {
        let Engine { state, sessions, .. } = self;
        let mut gather = Gather::new(whole.command, CommandQueue::of(whole.command, whole.args), false, false);
        gather.open_element(Some(merge));
        let (part, mut reply) = (gather.expect(Vec::new()), Box::new(OutputBuffer::new()));
        let outcome = run(state, Reach::Core(sessions), Call { task: Task::Share, ..whole }, &mut reply);
        gather.deliver(part, Answered::Ran(outcome), CompleteReply::Long(reply));
        let session = sessions.get(connection).expect("the session of a request exists");
        merge_gathered(state, session, &gather, out);
    }
}

/// Finds out which commands of a transaction its user has no right to any more.
#[cold]
fn refuse_denied(state: &mut CoreState, session: &Session, queue: &mut CommandQueue) {
    let mut db = session.db;
    for index in 0..queue.len() {
        let (command, args) = queue.get(index);
        let Err(error) = session.user().permit(command, args, db) else {
            let selected = || torc_resp::number::parse_i64(args.get(1)).and_then(|number| u16::try_from(number).ok());
            if matches!(command.row.databases, Databases::Selected)
                && let Some(selected) = selected()
            {
                db = selected;
            }
            continue;
        };
        let error = match &error {
            CommandError::NoPermission(denied) => {
                let client = describe_client(session, &state.facts());
                let what = (Reason::Lacking(denied.lacking), DenialContext::Multi);
                state.note_denial(what, &denied.object, &denied.user, client);
                denied.since_queued()
            }
            _ => error,
        };
        state.stats.count_error(&error.code());
        queue.refuse(index, error);
    }
}

/// Whether all commands of a transaction, and all watched keys, are about this core.
fn is_here(state: &CoreState, scope: Scope, queue: &CommandQueue, watches: &[Watch]) -> bool {
    if state.cores == 1 {
        return true;
    }
    let own = state.core;
    watches.iter().all(|watch| watch.owner == own)
        && queue.commands().all(|(command, args)| Place::of(state, scope, command, args).only_core(own) == Some(own))
}

/// Whether no watched key of a session, all of which are on this core, has changed.
fn watches_hold(state: &mut CoreState, session: &mut Session, command: &'static Command) -> bool {
    if session.watches.is_empty() {
        return true;
    }
    let call = Call { task: Task::Check, asker: session.asker(), command, args: Args::new(&[], &[]) };
    run(state, Reach::Session(session), call, &mut OutputBuffer::new()) == Outcome::Compared { changed: false }
}

/// Whether a transaction names a script that is not known. One of its commands may bring it (EVAL, SCRIPT LOAD), and what it reaches is
/// not known before: so all keys are claimed.
fn has_unknown_script(state: &CoreState, queue: &CommandQueue) -> bool {
    queue.has_scripts()
        && queue.commands().any(|(command, args)| match command.row.run {
            Run::Script(kind) => kind.named == Named::Sha && kind.script(&state.scripts.known, args).is_none(),
            _ => false,
        })
}

/// What the scripts of a transaction claim. Beside a command that claims all keys of all cores to write (FUNCTION LOAD) they need not
/// claim anything: and one of them may call what that has loaded.
fn script_claims(state: &CoreState, queue: &CommandQueue) -> ScriptClaims {
    let mut claims = ScriptClaims::default();
    let claims_all = |row: &Row| {
        matches!(row.route, Route::Every(_)) && row.flags.has(Flags::WRITE) && !row.flags.has(Flags::OF_NODE)
    };
    let claims_all = |queue: &CommandQueue| queue.commands().any(|(command, _)| claims_all(command.row));
    if !queue.has_scripts() || claims_all(queue) || has_unknown_script(state, queue) {
        return claims;
    }
    for (index, (command, args)) in queue.commands().enumerate() {
        let Run::Script(kind) = command.row.run else { continue };
        match state.scripts.reaches(kind, args) {
            (Reaches::Nothing, _) => claims.refused.push(index),
            (_, true) if kind.named == Named::Function => claims.shared.push(index),
            _ => {}
        }
    }
    claims
}

/// The cores that a transaction concerns, with what each must lock.
fn participants(state: &CoreState, scope: Scope, queue: &CommandQueue, watches: &[Watch]) -> Vec<Participation> {
    let mut locks: Vec<Footprint> = (0..state.cores).map(|_| Footprint::default()).collect();
    let mut concerned = vec![false; usize::from(state.cores)];
    for (command, args) in queue.commands() {
        footprints(state, scope, command, args, &mut locks, |core| concerned[usize::from(core)] = true);
    }
    if has_unknown_script(state, queue) {
        concerned.fill(true);
        locks.iter_mut().for_each(|footprint| footprint.add_whole(Mode::Exclusive));
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
