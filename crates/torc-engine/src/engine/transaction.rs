//! MULTI's queue and EXEC. A transaction whose keys are all here runs at once, straight into the output; any other
//! is begun as a unit of another core or as a transaction over several (`coordinate`).

use torc_resp::{Args, Reply};

use super::Engine;
use super::dispatch::{Flow, answer, merge_gathered};
use crate::command::Command;
use crate::error::CommandError;
use crate::gather::Gather;
use crate::message::{Answered, Asker};
use crate::plan::{Place, Plan, plan};
use crate::run::{Call, Reach, Task, run};
use crate::session::{CommandQueue, ConnectionId, Watch};
use crate::state::CoreState;

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
        let Engine { state, sessions, claims, waiters, .. } = self;
        let session = sessions.get(connection).expect("the session of a request exists");
        assert!(!session.is_waiting(), "EXEC waits until nothing is owed");
        let queue = session.transaction.take().expect("EXEC was checked against an open transaction");
        if claims.is_idle() && waiters.is_empty() && is_here(state, &queue, &session.watches) {
            self.exec_here(connection, &queue);
        } else {
            self.begin(connection, command, *queue, true);
        }
        Flow::Next
    }

    /// All keys are on this core, and nobody claims any: the whole transaction runs now.
    fn exec_here(&mut self, connection: ConnectionId, queue: &CommandQueue) {
        let Engine { state, sessions, .. } = self;
        let session = sessions.get(connection).expect("the session of a request exists");
        let (silent, protocol) = (session.take_silence(), session.protocol);
        let mut encoded = Vec::new();
        if watches_hold(state, session.asker(), &session.watches) {
            Reply::new(&mut encoded, protocol).array(queue.len());
            for (queued, args) in queue.commands() {
                self.exec_one(connection, queued, args, &mut encoded);
            }
        } else {
            Reply::new(&mut encoded, protocol).null_array();
        }
        let session = self.session(connection);
        let asker = session.asker();
        self.end_unit(Some(asker));
        let session = self.session(connection);
        session.unwatch();
        if !silent {
            answer(session, |out| out.extend_from_slice(&encoded));
        }
        self.tell_unwatched(connection);
    }

    fn exec_one(&mut self, connection: ConnectionId, queued: &'static Command, args: Args<'_>, out: &mut Vec<u8>) {
        let Engine { state, sessions, .. } = self;
        let session = sessions.get(connection).expect("the session of a request exists");
        let whole = Call { task: Task::Whole, asker: session.asker(), command: queued, args };
        match plan(state, queued, args) {
            Plan::Session => _ = run(state, Reach::Session(session), whole, out),
            Plan::One(_) => _ = run(state, Reach::Core(sessions), whole, out),
            Plan::Every(merge) | Plan::Split { merge, .. } => {
                let mut gather = Gather::new(queued, CommandQueue::of(queued, args), false, false);
                gather.open_element(Some(merge));
                let (part, mut reply) = (gather.expect(Vec::new()), Vec::new());
                let outcome = run(state, Reach::Core(sessions), Call { task: Task::Share, ..whole }, &mut reply);
                gather.deliver(part, Answered::Ran(outcome), &reply);
                let session = sessions.get(connection).expect("it exists");
                merge_gathered(state, session, &gather, out);
            }
            Plan::Relay(_) => unreachable!("all keys are on this core"),
        }
    }
}

/// Whether all commands of a transaction, and all watched keys, are about this core.
fn is_here(state: &CoreState, queue: &CommandQueue, watches: &[Watch]) -> bool {
    if state.cores == 1 {
        return true;
    }
    let own = state.core;
    watches.iter().all(|watch| watch.owner == own)
        && queue.commands().all(|(command, args)| Place::of(state, command, args).only_core(own) == Some(own))
}

/// Whether no watched key, all of which are on this core, has changed.
fn watches_hold(state: &mut CoreState, asker: Asker, watches: &[Watch]) -> bool {
    if watches.is_empty() {
        return true;
    }
    let now_ms = state.now_ms;
    let keyspace = &mut state.keyspace;
    let changed = watches.iter().any(|watch| keyspace.has_changed(watch.db, &watch.key, watch.version, now_ms));
    state.recorder.compared(&asker, changed, state.now_us);
    !changed
}
