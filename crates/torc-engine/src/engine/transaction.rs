//! MULTI's queue and EXEC, for transactions whose keys live on one core: they run there as one message.
//!
//! Commands about the session (SELECT, CLIENT, PING, ...) inside a transaction run on the session's own
//! core when EXEC arrives; the others travel together and nothing runs between them.

use torc_resp::{Args, Reply};

use super::Engine;
use super::dispatch::Flow;
use super::execute::{self, answer};
use crate::command::{Command, Route, Run};
use crate::error::CommandError;
use crate::gather::{Finish, Gather};
use crate::plan::{Plan, owner_of_all, plan};
use crate::route::CoreId;
use crate::session::{ConnectionId, Session, Transaction};
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
    pub(super) fn exec(&mut self, connection: ConnectionId, command: &'static Command, args: Args<'_>) -> Flow {
        let Engine { state, sessions, mesh, .. } = self;
        let session = sessions.get(connection).expect("the session of a request exists");
        assert!(!session.is_waiting(), "EXEC waits until nothing is owed");
        let transaction = session.transaction.take().expect("EXEC was checked against an open transaction");
        let owner = match owner(state, &transaction) {
            Ok(owner) => owner,
            Err(error) => return self.refuse(connection, Some(command), &error),
        };
        if owner == state.core {
            return self.exec_here(connection, &transaction);
        }
        if !mesh.has_room(owner) {
            session.transaction = Some(transaction);
            self.credit_waiters.push(connection);
            return Flow::Stall;
        }
        let mut gather = Gather::new(command, args, Finish::Exec, session.take_silence());
        gather.hold();
        session.gather = Some(Box::new(gather));
        for (queued, args) in transaction.commands() {
            if let Run::Session(_) = queued.row.run {
                self.exec_session_part(connection, queued, args);
            } else {
                self.send_part(connection, owner, queued, args, Vec::new());
            }
        }
        self.end_of_parts(connection)
    }

    /// All keys are on this core: the whole transaction runs now.
    fn exec_here(&mut self, connection: ConnectionId, transaction: &Transaction) -> Flow {
        let session = self.session(connection);
        let silent = session.take_silence();
        let mut encoded = Vec::new();
        Reply::new(&mut encoded, session.protocol).array(transaction.len());
        for (queued, args) in transaction.commands() {
            self.exec_one(connection, queued, args, &mut encoded);
        }
        if !silent {
            answer(self.session(connection), |out| out.extend_from_slice(&encoded));
        }
        Flow::Next
    }

    fn exec_one(&mut self, connection: ConnectionId, queued: &'static Command, args: Args<'_>, out: &mut Vec<u8>) {
        let Engine { state, sessions, .. } = self;
        let session = sessions.get(connection).expect("the session of a request exists");
        if let Run::Session(_) = queued.row.run {
            execute::in_session(state, session, queued, args, out);
        } else if let Ok(Plan::Every(merge)) = plan(state, queued, args) {
            assert_eq!(state.cores, 1, "a transaction over all cores was refused");
            let mut gather = Gather::new(queued, args, Finish::Merge(merge), false);
            let part = gather.expect(Vec::new());
            let (asker, mut encoded) = (session.asker(), Vec::new());
            execute::count_call(state, queued);
            execute::share_on_core(state, sessions, asker, queued, args, &mut encoded);
            gather.deliver(part, &encoded);
            finish_into(state, self.sessions.get(connection).expect("it exists"), &gather, out);
        } else {
            let asker = session.asker();
            execute::on_core(state, sessions, asker, queued, args, out);
        }
    }

    /// A command about the session inside a transaction that runs on another core.
    fn exec_session_part(&mut self, connection: ConnectionId, queued: &'static Command, args: Args<'_>) {
        let Engine { state, sessions, .. } = self;
        let session = sessions.get(connection).expect("the session of a request exists");
        let mut encoded = Vec::new();
        execute::in_session(state, session, queued, args, &mut encoded);
        let gather = session.gather.as_mut().expect("a gather is open");
        let part = gather.expect(Vec::new());
        gather.deliver(part, &encoded);
    }
}

/// Writes a gather's reply to `out` instead of the session's output.
fn finish_into(state: &mut CoreState, session: &mut Session, gather: &Gather, out: &mut Vec<u8>) {
    let before = std::mem::take(&mut session.out);
    execute::finish(state, session, gather);
    out.append(&mut session.out);
    session.out = before;
}

/// The one core on which all commands of the transaction run.
fn owner(state: &CoreState, transaction: &Transaction) -> Result<CoreId, CommandError> {
    let mut owner = None;
    for (command, args) in transaction.commands() {
        let core = match command.row.route {
            Route::Session => continue,
            // Without keys (MSETEX 0 ...) it fails alike everywhere, so it goes where the others go.
            Route::Owner | Route::Relay(_) | Route::Split { .. } if command.row.key_indexes(args).next().is_none() => {
                continue;
            }
            Route::Owner | Route::Relay(_) | Route::Split { .. } => owner_of_all(state, command, args),
            Route::Every(_) => (state.cores == 1).then_some(0),
            Route::Pick(pick) => Some(pick(args, state.cores).unwrap_or(state.core)),
        };
        match (core, owner) {
            (None, _) => return Err(CommandError::CrossCore("exec")),
            (Some(core), None) => owner = Some(core),
            (Some(core), Some(known)) if core == known => {}
            (Some(_), Some(_)) => return Err(CommandError::CrossCore("exec")),
        }
    }
    Ok(owner.unwrap_or(state.core))
}
