//! Commands that are about their connection: on the core that holds it, beside no key. Some wait before they run (a login behind many that have
//! failed, what the host does first), some run in portions (very many subscriptions), and some have their reply wait (`register`).

use torc_resp::{Args, OutputBuffer};

use super::Engine;
use super::dispatch::{Flow, answer, keeps_order};
use super::host::{HostPart, ask_host_first};
use super::pubsub::hold_reply;
use super::waitlist::Deadlines;
use crate::command::{Command, Flags, ProgramOrder};
use crate::run::{Call, Reach, Task, run};
use crate::session::{Closing, ConnectionId, ReplyMode, Session};
use crate::state::CoreState;

impl Engine {
    /// Runs a command that is about its connection.
    pub(super) fn run_session(&mut self, connection: ConnectionId, command: &'static Command, args: Args<'_>) -> Flow {
        let Engine { state, sessions, login_deadlines, .. } = self;
        let session = sessions.get(connection).expect("the session of a request exists");
        let ends_transaction = session.transaction.is_some() && command.row.flags.has(Flags::ENDS_TRANSACTION);
        let subscribes = command.row.flags.has(Flags::SUBSCRIBES);
        let goes_alone = subscribes || (command.order == ProgramOrder::Alone && keeps_order(state));
        if (ends_transaction || goes_alone) && session.is_waiting() {
            return Flow::Stall;
        }
        if command.row.logs_in.is_some_and(|logs_in| logs_in(args))
            && must_wait_to_log_in(state, session, login_deadlines)
        {
            return Flow::Stall;
        }
        if command.row.host_step.is_some() {
            if session.is_waiting() {
                return Flow::Stall;
            }
            match ask_host_first(state, session, command, args, false) {
                HostPart::Done => {}
                HostPart::Awaited => return Flow::Stall,
                HostPart::Replied(reply) => return self.reply_by_host(connection, command, args, reply),
                HostPart::Gave(_) => unreachable!("what is about a session is given nothing"),
            }
        }
        let is_first = session.portion.done == 0;
        if is_first {
            session.note_command(command);
        }
        session.portion.names_max = state.reply_bounds.confirmations;
        let (asker, reply_start) = (session.asker(), session.out.len());
        run_for_session(state, session, command, args, is_first);
        session.portion.names_max = 0;
        session.note_shows(state.shown.take());
        self.end_unit(Some(asker));
        let session = self.session(connection);
        if !session.dropped_watches.is_empty() {
            self.tell_unwatched(connection);
        }
        let session = self.session(connection);
        if subscribes && session.has_unregistered() {
            hold_reply(session, reply_start);
            self.register(connection);
        }
        let session = self.session(connection);
        if std::mem::take(&mut session.portion.is_unfinished) {
            self.sessions.mark_runnable(connection);
            return Flow::Stall;
        }
        session.portion.done = 0;
        if session.transaction.as_ref().is_some_and(|queue| queue.is_executing()) {
            return self.exec(connection, command);
        }
        if session.closing >= Closing::Now { Flow::Close } else { Flow::Next }
    }
}

/// Whether a login is to wait, since many have failed. Its connection goes on when the time has come (`end_overdue_waits`).
#[cold]
fn must_wait_to_log_in(state: &CoreState, session: &mut Session, deadlines: &mut Deadlines) -> bool {
    let connection = session.connection;
    match session.login_due_ms {
        None => {
            let delay_ms = state.logins.delay_ms(session.info.source, state.wall_ms());
            session.login_due_ms = (delay_ms > 0).then_some(state.wall_ms() + delay_ms);
            deadlines.add(session.login_due_ms, connection);
        }
        // It was woken by something else.
        Some(due_ms) if state.wall_ms() < due_ms => {}
        Some(_) => deadlines.remove(session.login_due_ms.take(), connection),
    }
    session.login_due_ms.is_some()
}

/// Runs a command that is about its connection, and puts its reply where it belongs. `is_first`: it has not run before, for other names.
fn run_for_session(
    state: &mut CoreState,
    session: &mut Session,
    command: &'static Command,
    args: Args<'_>,
    is_first: bool,
) {
    if session.reply_mode == ReplyMode::Skip {
        session.reply_mode = ReplyMode::Skipping;
    }
    let straight = session.replies.is_empty();
    let mut out = if straight { std::mem::take(&mut session.out) } else { OutputBuffer::new() };
    let start = out.len();
    let task = if is_first { Task::Whole } else { Task::Share };
    let call = Call { task, asker: session.asker(), command, args };
    run(state, Reach::Session(session), call, &mut out);
    // The mode after the command decides: CLIENT REPLY ON answers although replies were off before it. Confirmations of subscriptions
    // are messages, which come in any case.
    let confirms = command.row.flags.has(Flags::PUBSUB.and(Flags::SUBSCRIBES));
    if matches!(session.reply_mode, ReplyMode::Off | ReplyMode::Skipping) && !confirms {
        out.truncate(start);
    }
    if session.reply_mode == ReplyMode::Skipping {
        session.reply_mode = ReplyMode::On;
    }
    if straight {
        session.out = out;
    } else if !out.is_empty() {
        answer(session, |parked| parked.append(&mut out));
    }
}
