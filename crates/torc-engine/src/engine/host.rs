//! What the host of an engine calls: the server's core, or whoever plays its part (the simulator, a test).
//!
//! An engine does nothing by itself and reaches nothing outside of itself. In each turn its host
//!
//! ```text
//!   tells the time       set_time
//!   hands in             on_message | connect, on_bytes, on_end_of_input, disconnected
//!   lets it go on        run_stalled, end_overdue_waits, upkeep, sweep_sessions
//!   takes out            take_host_requests: what commands ask of it (on_host_answer, where one waits for that)
//!                        flush: messages to other cores
//!                        take_dirty: connections with something to do; for each of them
//!                          output  -> output_sent   as much of it as the socket took
//!                          wants   -> receive, do not receive, close
//! ```
//! and sleeps until [`Engine::next_deadline_ms`] when [`Engine::has_work`] and [`Engine::host_has_work`] say no.
//!
//! Output stays with the engine until the socket has taken it: a client that leaves too much of it untaken is closed.

use std::ops::Range;
use std::sync::Arc;

use torc_resp::{Args, OutputBuffer, Reply};

use super::coordinator::Progress;
use super::upkeep::exceeds_output_limit;
use super::{Engine, Roles, STALLED_COMMANDS_PER_TURN_MAX, STALLED_OUTPUT_BYTES_PER_TURN_MAX, give_room};
use crate::acl::{DenialContext, Reason, User};
use crate::command::{Asking, Command};
use crate::commands::connection::describe_client;
use crate::config::Config;
use crate::effect::follow_need_of_names;
use crate::error::CommandError;
use crate::host_request::{HostAnswer, HostReply, HostRequest};
use crate::message::Message;
use crate::route::CoreId;
use crate::session::{Closing, ConnectionId, ConnectionInfo, Session};
use crate::shown::{self, Inseparable, THIS_TURN};
use crate::state::{CoreState, ProcessUse};
use crate::tls_facts::TlsFacts;

/// Why a connection was not taken; the text is sent before it is closed.
const PROTECTED_MODE_TEXT: &str = "-DENIED Torc is running in protected mode because protected mode is enabled and no \
password is set for the default user. In this mode connections are only accepted from the loopback interface. If you want \
to connect from external computers, you may adopt one of the following solutions: 1) Just disable protected mode sending \
the command 'CONFIG SET protected-mode no' from the loopback interface by connecting from the same host the server is \
running, however MAKE SURE it is not publicly accessible from internet if you do so. 2) Alternatively you can just disable \
protected mode by editing the configuration file, and setting the protected mode option to 'no', and then restarting the \
server. 3) If you started the server manually just for testing, restart it with the '--protected-mode no' option. 4) Set up \
an authentication password for the default user. NOTE: You only need to do one of the above things in order for the server \
to start accepting connections from the outside.\r\n";

/// What a connection has for its client now.
#[derive(Debug)]
pub enum Output<'a> {
    /// Nothing, or the connection is gone.
    Nothing,
    /// Something that waits for replies which other cores owe; the connection becomes dirty again when they come.
    Held,
    /// These bytes.
    Bytes(&'a OutputBuffer),
    /// More than a client may leave untaken: it gets none of it, and the host closes the connection.
    OverLimit,
}

/// What the engine wants its host to do with a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Want {
    /// Receive from it.
    Input,
    /// Leave what the client sends where it is: there is no room for it, or no more is to come.
    NoInput,
    /// Close it: all it is owed is sent, or nobody is to get it.
    Close,
    /// Nothing: the engine does not know it any more.
    Nothing,
}

/// The figures of one core that its host publishes.
#[derive(Debug, Clone, Copy, Default)]
pub struct Figures {
    /// Commands run.
    pub commands: u64,
    /// Commands sent to other cores.
    pub hops: u64,
    /// Batches in which they were sent.
    pub batches: u64,
    /// Open connections.
    pub connections: u64,
    /// Connections taken since the start.
    pub connections_received: u64,
    /// Connections refused since the start.
    pub connections_rejected: u64,
    /// Bytes received from clients.
    pub input_bytes: u64,
    /// Bytes sent to clients.
    pub output_bytes: u64,
    /// Bytes of keys and values.
    pub entries_bytes: u64,
    /// Bytes of the tables that find them.
    pub tables_bytes: u64,
    /// Bytes of connections.
    pub sessions_bytes: u64,
    /// Keys of all databases.
    pub keys: u64,
    /// Keys removed since they had expired.
    pub expired_keys: u64,
    /// Keys removed since memory was short.
    pub evicted_keys: u64,
}

/// Time and connections, handed in.
impl Engine {
    /// A turn begins, at this time, and with this on the clock of [`HostFunctions`](crate::state::HostFunctions). It begins with what
    /// the last one had no time for.
    pub fn begin_turn(&mut self, now_us: i64, clock_ns: u64) {
        self.set_time(now_us);
        self.state.turn.begin(clock_ns);
        self.begin_relief();
        self.run_local_queue();
    }

    /// The time of this turn. Time never goes backwards for commands: an earlier time is ignored.
    pub fn set_time(&mut self, now_us: i64) {
        self.state.advance_time(now_us);
    }

    /// A new connection. In protected mode a stranger gets its refusal and is marked for closing.
    pub fn connect(&mut self, info: ConnectionInfo) -> ConnectionId {
        self.next_client += 1;
        let id = (self.next_client - 1) * u64::from(self.state.cores) + u64::from(self.state.core) + 1;
        let of_certificate = self.user_of_certificate(&info);
        let user = of_certificate.clone().unwrap_or_else(|| Arc::clone(self.state.users.default_user()));
        let is_in = of_certificate.is_some() || user.is_open();
        let is_open_to_all = self.state.config.protected_mode && of_certificate.is_none() && user.needs_no_password();
        let denied = is_open_to_all && !info.unix && !info.local_peer;
        let session = self.sessions.insert(id, info, self.state.wall_ms(), user);
        session.authenticated = is_in;
        let connection = session.connection;
        if denied {
            session.out.extend_from_slice(PROTECTED_MODE_TEXT.as_bytes());
            self.state.stats.rejected_connections += 1;
            self.sessions.close(connection, Closing::AfterFlush);
        } else {
            self.state.stats.connections_received += 1;
        }
        if of_certificate.is_none() {
            self.note_certificate(connection);
        }
        self.state.connections = self.sessions.len();
        connection
    }

    /// The user that a client's certificate logs it in as.
    fn user_of_certificate(&self, info: &ConnectionInfo) -> Option<Arc<User>> {
        let users = info.certificate_users.iter().filter_map(|name| self.state.users.find(name));
        users.into_iter().find(|user| user.is_enabled()).map(Arc::clone)
    }

    /// A certificate that names users, of whom there is none, is a login that was denied.
    fn note_certificate(&mut self, connection: ConnectionId) {
        let Some(session) = self.sessions.get(connection) else { return };
        let Some(name) = session.info.certificate_users.first().cloned() else { return };
        let client = describe_client(session, &self.state.facts());
        self.state.note_denial((Reason::Certificate, DenialContext::TopLevel), b"TLS certificate", &name, client);
    }

    /// The host has refused a connection, for which there was no room.
    pub fn count_rejected_connection(&mut self) {
        self.state.stats.rejected_connections += 1;
    }

    /// A connection has ended before the host could hand it in.
    pub fn count_lost_connection(&mut self) {
        self.state.stats.connections_received += 1;
    }

    /// The peer will send no more: what it has sent is still run and answered, then the session closes.
    pub fn on_end_of_input(&mut self, connection: ConnectionId) {
        self.end_input(connection);
        self.run_local_queue();
    }

    /// The socket is gone. Requests that are out are answered into nothing; a transaction goes on to its end.
    pub fn disconnected(&mut self, connection: ConnectionId) {
        let blocked = self.is_blocked(connection);
        let Some(session) = self.sessions.get(connection) else { return };
        if session.activity.is_idle() {
            return self.bury(connection);
        }
        session.lose_connection();
        if blocked {
            self.give_up(connection);
        }
    }

    /// Goes on with sessions whose reason to wait is over; those for which there is no time wait for the next turn.
    pub fn run_stalled(&mut self) {
        self.forget_gone();
        if !self.sessions.has_runnable() {
            return;
        }
        if self.state.memory.is_choked {
            // Requests that wait for memory are among them.
            self.begin_relief();
        }
        if self.state.turn.is_over() {
            // At least one of them has its turn, whatever came before.
            self.state.turn.begin((self.state.host.clock_ns)());
        }
        let (before, made_before) = (self.state.stats.commands_processed, self.output_made_bytes);
        let mut runnable = self.sessions.take_runnable().into_iter();
        for connection in runnable.by_ref() {
            if let Some(how) = self.sessions.get(connection).and_then(|session| session.activity.take_unblock()) {
                self.end_without(connection, how);
            }
            if self.sessions.get(connection).is_some_and(|session| session.activity.is_held()) {
                self.try_held(connection);
            }
            self.resume(connection);
            if self.state.stats.commands_processed.wrapping_sub(before) >= STALLED_COMMANDS_PER_TURN_MAX
                || self.output_made_bytes - made_before >= STALLED_OUTPUT_BYTES_PER_TURN_MAX
                || self.state.turn.is_over()
            {
                break;
            }
        }
        self.sessions.put_back_runnable(runnable);
        self.run_local_queue();
    }

    /// The host has done what the command of a connection asked for, or could not. The connection, or its transaction, goes on, unless
    /// it is gone.
    pub fn on_host_answer(&mut self, connection: ConnectionId, reply: HostReply) {
        let Some(session) = self.sessions.get(connection) else { return };
        assert_eq!(session.host_answer, HostAnswer::Awaited, "an answer comes once, to who has asked");
        session.host_answer = HostAnswer::Answered(reply);
        if session.activity.is_idle() {
            return self.sessions.mark_runnable(connection);
        }
        let Roles { mut core, coordinator, .. } = self.roles();
        if let Progress::Ended(connection) = coordinator.go_on(&mut core, connection) {
            self.finish_gather(connection);
        }
        self.run_local_queue();
    }

    /// Whether there is work that waits for no event.
    pub fn has_work(&self) -> bool {
        let has_postponed = self.outbox.has_local() || self.participant.claims().has_granted();
        self.sessions.has_runnable() || self.outbox.has_outgoing() || has_postponed || !self.gone.is_empty()
    }
}

/// Requests, messages and output, taken out.
impl Engine {
    /// What commands asked of the host since it last took that.
    pub fn take_host_requests(&mut self) -> Vec<HostRequest> {
        std::mem::take(&mut self.state.host_requests)
    }

    /// Whether commands have asked something of the host that it has not taken.
    pub fn asks_host(&self) -> bool {
        !self.state.host_requests.is_empty()
    }

    /// All is durable up to this number, for which replies wait; [`u64::MAX`]: they wait for nothing.
    pub fn note_durable(&mut self, number: u64) {
        self.state.shown.note_durable(number);
        follow_need_of_names(&mut self.state);
    }

    /// The groups of this turn have their numbers, and nothing has left yet that shows them: this one is the last, or `newest` gives the
    /// last of any core.
    #[inline]
    pub fn settle_shown(&mut self, number: Option<u64>, newest: impl FnOnce() -> u64) {
        if self.state.shown.is_on() && self.state.shown.is_unsettled() {
            self.state.shown.settle(number.unwrap_or_else(newest));
        }
    }

    /// Up to which number all must be durable before the output of a connection leaves. `newest`: the last number of any core.
    pub fn shows(&mut self, connection: ConnectionId, newest: impl FnOnce() -> u64) -> u64 {
        let Some(session) = self.sessions.get(connection) else { return 0 };
        if session.shows == THIS_TURN {
            session.shows = newest();
        }
        session.shows
    }

    /// Hands the messages of this turn to `send`.
    pub fn flush(&mut self, send: impl FnMut(CoreId, Message)) {
        if !self.state.broadcasts.is_empty() {
            self.roles().core.tell_broadcasts();
        }
        self.state.publish_memory();
        let is_read = !self.outbox.has_local() || self.state.turn.is_over();
        assert!(is_read, "the local queue is read before the engine returns, while there is time");
        let sent = self.outbox.flush(self.state.now_us, send);
        self.state.stats.batches += sent as u64;
    }

    /// Connections that have output, or are to be closed, or of which the engine wants something else than before.
    pub fn take_dirty(&mut self, into: &mut Vec<ConnectionId>) {
        self.sessions.take_dirty(into);
    }

    /// Whether the host has something to take that waits for no event: dirty connections, or requests.
    pub fn host_has_work(&self) -> bool {
        self.sessions.has_dirty() || self.asks_host()
    }

    /// The host wants to be told of a connection again: it does something else with it than before.
    pub fn mark_dirty(&mut self, connection: ConnectionId) {
        self.sessions.mark_dirty(connection);
    }

    /// What a connection has for its client now. It stays with the engine until the host says what has become of it.
    #[inline]
    pub fn output(&mut self, connection: ConnectionId) -> Output<'_> {
        let Engine { state, sessions, spare_outputs, .. } = self;
        let Some(session) = sessions.get(connection) else { return Output::Nothing };
        if exceeds_output_limit(state, session) {
            // The host closes it now.
            if session.closing < Closing::Now {
                session.closing = Closing::Now;
                state.stats.output_limit_disconnections += 1;
            }
            return Output::OverLimit;
        }
        if !session.out.is_empty() && session.holds_output(state.now_us) {
            return Output::Held;
        }
        if session.out.is_empty() {
            spare_outputs.take(session);
            return Output::Nothing;
        }
        Output::Bytes(&session.out)
    }

    /// Bytes of a connection's output.
    pub fn output_len(&self, connection: ConnectionId) -> usize {
        self.sessions.peek(connection).map_or(0, |session| session.out.len())
    }

    /// These bytes of a connection's output, which are whole replies, show what may be lost: an error takes the place of each. Gives how
    /// many bytes these errors have.
    ///
    /// # Errors
    /// They are no whole replies.
    pub fn fail_output(&mut self, connection: ConnectionId, bytes: Range<usize>) -> Result<usize, Inseparable> {
        let Engine { state, sessions, .. } = self;
        let session = sessions.get(connection).expect("it has output");
        if session.was_pushed {
            // Messages are among them, and look like replies.
            return Err(Inseparable);
        }
        let replies = shown::count_replies(&session.out.range(bytes.clone()))?;
        let mut out = OutputBuffer::new();
        out.append_range(&session.out, 0..bytes.start);
        for _ in 0..replies {
            Reply::new(&mut out, session.protocol).error(shown::MAY_BE_LOST.text());
            state.stats.count_error("MISCONF");
        }
        let errors = out.len() - bytes.start;
        out.append_range(&session.out, bytes.end..session.out.len());
        session.out = out;
        if session.out.len() == bytes.start + errors && !session.is_waiting() {
            // The client has seen nothing of it, and all that comes says by itself what it shows.
            session.shows = 0;
        }
        Ok(errors)
    }

    /// The socket has taken the first `sent` bytes of a connection's output.
    #[inline]
    pub fn output_sent(&mut self, connection: ConnectionId, sent: usize) {
        let Engine { state, sessions, spare_outputs, outbox, .. } = self;
        let Some(session) = sessions.get(connection) else { return };
        session.output_bytes += sent as u64;
        state.stats.net_output_bytes += sent as u64;
        session.socket_is_full = sent < session.out.len();
        session.out.consume(sent);
        if session.out.is_empty() {
            spare_outputs.take(session);
        }
        session.staying_bytes = session.out.memory_bytes();
        give_room(outbox, state, session);
        if session.stalled && session.out.len() <= state.reply_bounds.room_bytes {
            self.sessions.mark_runnable(connection);
        }
    }

    /// The turn ends, and nothing of a connection's output has been taken.
    pub fn output_stays(&mut self, connection: ConnectionId) {
        if let Some(session) = self.sessions.get(connection) {
            session.staying_bytes = session.out.memory_bytes();
        }
    }

    /// Whether a connection's output waits for replies that other cores owe.
    pub fn holds_output(&mut self, connection: ConnectionId) -> bool {
        let now_us = self.state.now_us;
        self.sessions.get(connection).is_some_and(|session| session.holds_output(now_us))
    }

    /// Whether who is at the other end has logged in, or need not. Of others the host takes little at a time.
    pub fn is_trusted(&self, connection: ConnectionId) -> bool {
        self.sessions.peek(connection).is_some_and(|session| session.authenticated)
    }

    /// What the engine wants its host to do with a connection.
    pub fn wants(&self, connection: ConnectionId) -> Want {
        match self.sessions.peek(connection) {
            None => Want::Nothing,
            Some(session) if session.is_finished() => Want::Close,
            Some(session) if session.wants_input() && !session.end_of_input => Want::Input,
            Some(_) => Want::NoInput,
        }
    }
}

/// Figures, to be looked at, and those of the process, handed in.
impl Engine {
    /// The configuration, which CONFIG SET may change from turn to turn.
    pub fn config(&self) -> &Config {
        &self.state.config
    }

    /// Commands run so far. CONFIG RESETSTAT sets it back to zero.
    #[inline]
    pub fn commands_processed(&self) -> u64 {
        self.state.stats.commands_processed
    }

    /// Bytes of replies written so far, but those that stay where they lie: what a turn is measured by, beside commands.
    #[inline]
    pub fn output_made_bytes(&self) -> u64 {
        self.output_made_bytes
    }

    /// A turn has ended, which took so many nanoseconds.
    #[inline]
    pub fn turn_ended(&mut self, turn_ns: u64) {
        self.state.stats.turns += 1;
        self.state.stats.turns_ns += turn_ns;
    }

    /// This core sleeps, and another one has its engine work.
    pub fn count_lent_turn(&mut self) {
        self.state.stats.lent_turns += 1;
    }

    /// The figures of this core.
    pub fn figures(&self) -> Figures {
        let (stats, keyspace) = (&self.state.stats, &self.state.keyspace);
        let memory = keyspace.memory();
        Figures {
            commands: stats.commands_processed,
            hops: stats.hops,
            batches: stats.batches,
            connections: self.sessions.len() as u64,
            connections_received: stats.connections_received,
            connections_rejected: stats.rejected_connections,
            input_bytes: stats.net_input_bytes,
            output_bytes: stats.net_output_bytes,
            entries_bytes: (memory.entries_bytes + memory.large_bytes + memory.lent_bytes) as u64,
            tables_bytes: memory.table_bytes as u64,
            sessions_bytes: self.state.sessions_bytes as u64,
            keys: (0..keyspace.databases()).map(|db| keyspace.len(db) as u64).sum(),
            expired_keys: keyspace.stats().expired_keys,
            evicted_keys: stats.evicted_keys,
        }
    }

    /// What the process uses, for INFO; read by the host about every 100 ms.
    pub fn set_process_use(&mut self, process: ProcessUse) {
        self.state.process = process;
        self.state.memory.note_resident(process.resident_bytes);
    }

    /// Which certificates are in force.
    pub fn set_tls_facts(&mut self, facts: Arc<TlsFacts>) {
        self.state.tls = facts;
    }
}

/// How far the host is with its part of a command.
#[derive(Debug)]
pub(super) enum HostPart {
    /// It has none, or has done it: the command runs.
    Done,
    /// It has made the reply, and the command does not run.
    Replied(Result<&'static str, CommandError>),
    /// It has none left, and has given this, which the command gets as its last argument.
    Gave(Vec<u8>),
    /// It was asked, and answers at the end of the turn or later.
    Awaited,
}

/// Has the host do its part of a command before the command runs.
pub(super) fn ask_host_first(
    state: &mut CoreState,
    session: &mut Session,
    command: &Command,
    args: Args<'_>,
    in_transaction: bool,
) -> HostPart {
    let Some(step) = command.row.host_step else { return HostPart::Done };
    match std::mem::take(&mut session.host_answer) {
        HostAnswer::None => {
            let asking = Asking { session, in_transaction };
            let Some(request) = (step.request)(state.facts(), args, asking) else { return HostPart::Done };
            state.ask_host(request);
        }
        HostAnswer::Awaited => {}
        HostAnswer::Answered(HostReply::Done) => return HostPart::Done,
        HostAnswer::Answered(HostReply::Gives(bytes)) => return HostPart::Gave(bytes),
        HostAnswer::Answered(HostReply::Says(text)) => return HostPart::Replied(Ok(text)),
        HostAnswer::Answered(HostReply::Failed) => return HostPart::Replied(Err(step.failed.clone())),
        HostAnswer::Answered(HostReply::Error(error)) => return HostPart::Replied(Err(error)),
    }
    session.host_answer = HostAnswer::Awaited;
    HostPart::Awaited
}
