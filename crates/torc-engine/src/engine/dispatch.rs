//! From bytes to a running command: parse, admit, plan, and run here or send to the owner.

use std::ops::Range;

use torc_resp::{Args, CompleteReply, Limits, OutputBuffer, Parser, ProtocolError, Reply};

use super::Engine;
use super::ahead;
use super::host::{HostPart, ask_host_first};
use super::pubsub::hold_reply;
use super::upkeep::{exceeds_output_limit, output_limit};
use crate::acl::{DenialContext, Reason};
use crate::asker::Asker;
use crate::command::{Command, Flags, Merge, ProgramOrder, Run, Timeout};
use crate::commands::connection::describe_client;
use crate::config::{Config, OutputLimit, PipelineOrder};
use crate::error::CommandError;
use crate::gather::Gather;
use crate::host_request::LogKind;
use crate::message::Address;
use crate::plan::{Plan, plan, redirection};
use crate::route::CoreId;
use crate::run::{Call, Reach, Task, run};
use crate::session::{Closing, CommandQueue, ConnectionId, End, Hint, Input, Session, Window, admit};
use crate::state::{CoreState, Gate};
use crate::task::{Answered, Outcome};

/// Commands that one session may run before others get their turn.
const COMMANDS_PER_TURN_MAX: usize = 256;

/// Replies of one session that may wait behind one that is owed.
const REPLIES_HELD_MAX: usize = 4096;

/// Output that one session may write before others get their turn.
const OUTPUT_BYTES_PER_TURN_MAX: usize = 1024 * 1024;

/// A session with this much output that its client has not taken runs no more commands until it has.
/// Large, since some clients send a whole pipeline before they read the first reply.
const OUTPUT_BYTES_STALL: usize = 256 * 1024 * 1024;

/// Windows that are kept for the next session to stall.
const SPARE_WINDOWS_MAX: usize = 64;

/// A window larger than this is given back.
const SPARE_WINDOW_BYTES_MAX: usize = 16 * 1024;

/// An input buffer larger than this is given back when it runs empty.
const KEPT_INPUT_BYTES_MAX: usize = 16 * 1024;

/// A buffer for replies aside that is larger than this is given back.
const KEPT_ASIDE_BYTES_MAX: usize = 16 * 1024;

/// What one session may do before others get their turn.
struct Budget {
    commands: usize,
    /// With more output than this the turn is over.
    output_bytes_max: usize,
}

/// How it goes on after a request.
pub(super) enum Flow {
    /// With the next request.
    Next,
    /// Later, again with this request.
    Stall,
    /// Not at all.
    Close,
}

impl Engine {
    /// Bytes of a connection, as they lie in the receive buffer. What cannot run yet is copied.
    pub fn on_bytes(&mut self, connection: ConnectionId, bytes: &[u8]) {
        self.state.stats.net_input_bytes += bytes.len() as u64;
        let now_ms = self.state.wall_ms();
        let Some(session) = self.sessions.get(connection) else { return };
        session.active_ms = now_ms;
        session.input_bytes += bytes.len() as u64;
        if session.closing != Closing::No {
            return;
        }
        if session.stalled || !session.input.is_empty() {
            let kept = session.input.append(bytes, session.stalled);
            let (stalled, len) = (session.stalled, session.input.len());
            if kept.is_err() {
                self.give_up_input(connection);
            } else if len > self.state.config.client_query_buffer_limit_bytes as usize {
                self.state.stats.query_limit_disconnections += 1;
                self.sessions.close(connection, Closing::Now);
            } else if stalled {
                self.sessions.mark_dirty(connection);
            } else {
                self.resume(connection);
            }
            return;
        }
        let mut parser = std::mem::take(&mut self.parser);
        let consumed = self.run(connection, bytes, &mut parser);
        if consumed < bytes.len() {
            let input = &mut self.session(connection).input;
            if input.append(&bytes[consumed..], false).is_err() {
                parser.reset();
                self.give_up_input(connection);
            } else if parser.in_progress() {
                std::mem::swap(&mut input.parser, &mut parser);
            }
        }
        self.parser = parser;
        self.run_local_queue();
    }

    /// Goes on with a session's kept input.
    pub(super) fn resume(&mut self, connection: ConnectionId) {
        let Some(session) = self.sessions.get(connection) else { return };
        if !session.activity.is_idle() {
            // What came meanwhile goes on with the end of the gather.
            session.stalled = true;
            return;
        }
        if session.closing != Closing::No {
            return;
        }
        session.stalled = false;
        let mut input = std::mem::take(&mut session.input);
        let consumed = self.run(connection, &input.bytes[input.start..], &mut input.parser);
        input.start += consumed;
        if input.is_empty() {
            input.bytes.clear();
            input.start = 0;
            if input.bytes.capacity() > KEPT_INPUT_BYTES_MAX {
                input.bytes = Vec::new();
            }
        }
        self.session(connection).input = input;
        self.sessions.mark_dirty(connection);
        self.sessions.close_when_done(connection);
        self.run_local_queue();
    }

    /// Runs the requests in `bytes`; gives how many bytes they took. The rest is to be kept.
    fn run(&mut self, connection: ConnectionId, bytes: &[u8], parser: &mut Parser) -> usize {
        let Engine { state, sessions, spare_outputs, spare_windows, .. } = self;
        let session = sessions.get(connection).expect("the session of received bytes exists");
        spare_outputs.lend(session);
        session.waits_its_turn = false;
        let bulk_len_max = state.config.proto_max_bulk_len_bytes as usize;
        let mut limits = Limits { bulk_len_max, authenticated: session.authenticated };
        let kept = session.window.take();
        let mut is_kept = kept.is_some();
        let mut window = kept.or_else(|| spare_windows.pop()).unwrap_or_default();
        session.out.set_limit(limit_bytes(output_limit(&state.config, session)));
        let (written, copied) = (session.output_bytes_pending(), session.out.copied_bytes());
        let mut budget =
            Budget { commands: COMMANDS_PER_TURN_MAX, output_bytes_max: written + OUTPUT_BYTES_PER_TURN_MAX };
        let mut position = 0;
        while position < bytes.len() {
            let end = if std::mem::take(&mut is_kept) {
                End::Full
            } else {
                let end = window.fill(parser, bytes, position, &limits);
                let db = self.session(connection).db;
                ahead::prepare_window(&mut window, &self.state, db, bytes);
                end
            };
            let (flow, reached) = self.run_window(connection, &mut window, bytes, position, &mut budget);
            position = reached;
            match (flow, end) {
                (Flow::Next, End::Full) => {}
                (Flow::Next, End::Input) => break,
                (Flow::Next, End::Malformed(error)) => {
                    parser.reset();
                    let session = self.session(connection);
                    if !session.activity.is_idle() {
                        // The error is read again, and answered, behind the reply that is being gathered.
                        session.stalled = true;
                        break;
                    }
                    // Behind QUIT nothing is answered, whatever it is.
                    if session.closing == Closing::No {
                        self.protocol_error(connection, error);
                    }
                    position = bytes.len();
                }
                (Flow::Stall, _) => {
                    parser.reset();
                    let session = self.session(connection);
                    session.stalled = true;
                    session.window = Some(window);
                    self.note_output(connection, copied);
                    return position;
                }
                (Flow::Close, _) => {
                    parser.reset();
                    position = bytes.len();
                }
            }
            limits.authenticated = self.session(connection).authenticated;
        }
        window.clear();
        if self.spare_windows.len() < SPARE_WINDOWS_MAX && window.memory_bytes() <= SPARE_WINDOW_BYTES_MAX {
            self.spare_windows.push(window);
        }
        self.note_output(connection, copied);
        position
    }

    /// A session has run: it may have output, more than the `copied` bytes that it had before.
    fn note_output(&mut self, connection: ConnectionId, copied: usize) {
        let Engine { state, sessions, .. } = self;
        let session = sessions.get(connection).expect("the session of received bytes exists");
        let written = session.out.copied_bytes();
        self.output_made_bytes += written.saturating_sub(copied) as u64;
        if exceeds_output_limit(state, session) {
            self.cut_off(connection);
        }
        self.sessions.mark_dirty(connection);
    }

    /// Runs the requests of the window in order; gives how far it came.
    fn run_window(
        &mut self,
        connection: ConnectionId,
        window: &mut Window,
        bytes: &[u8],
        mut position: usize,
        budget: &mut Budget,
    ) -> (Flow, usize) {
        for index in window.left() {
            let (args, end, hint) = window.request(index, bytes);
            if !args.is_empty() {
                match self.dispatch(connection, args, hint, budget) {
                    Flow::Next => {}
                    Flow::Stall => {
                        // It comes again.
                        self.session(connection).requests -= 1;
                        window.keep_from(index, position);
                        return (Flow::Stall, position);
                    }
                    Flow::Close => return (Flow::Close, position),
                }
            }
            position = end;
        }
        (Flow::Next, position)
    }

    /// There is no memory for a request, or for what would be made of it. What follows it cannot be found without it.
    #[cold]
    fn give_up_input(&mut self, connection: ConnectionId) {
        let error = CommandError::OutOfMemory;
        self.state.stats.count_error(&error.code());
        let session = self.session(connection);
        if session.stalled || !session.activity.is_idle() {
            // Requests before it have not run, and their replies would be missing.
            self.sessions.close(connection, Closing::Now);
            return;
        }
        session.input = Input::default();
        let protocol = session.protocol;
        answer(session, |out| Reply::new(out, protocol).error(error.text()));
        self.sessions.close(connection, Closing::AfterFlush);
    }

    fn protocol_error(&mut self, connection: ConnectionId, error: ProtocolError) {
        self.state.stats.count_error("ERR");
        let session = self.session(connection);
        let protocol = session.protocol;
        answer(session, |out| Reply::new(out, protocol).protocol_error(error));
        self.sessions.close(connection, Closing::AfterFlush);
    }

    fn dispatch(&mut self, connection: ConnectionId, args: Args<'_>, hint: Hint, budget: &mut Budget) -> Flow {
        self.relieve_if_due();
        let registry = self.state.registry;
        let session = self.sessions.get(connection).expect("the session of a request exists");
        if session.closing != Closing::No {
            return Flow::Close;
        }
        session.requests += 1;
        if !session.activity.is_idle() {
            return Flow::Stall;
        }
        let (owed, output_bytes) = (session.replies.len(), session.output_bytes_pending());
        if output_bytes > OUTPUT_BYTES_STALL || owed >= REPLIES_HELD_MAX {
            return Flow::Stall;
        }
        if budget.commands == 0 || output_bytes > budget.output_bytes_max {
            self.sessions.mark_runnable(connection);
            return Flow::Stall;
        }
        budget.commands -= 1;
        session.follow_caching();
        let command = match hint.command.map_or_else(|| registry.find(args), Ok) {
            Ok(command) => command,
            Err(error) => return self.refuse_unknown(connection, args, &error),
        };
        if let Err(error) = admit(&self.state, session, command, args) {
            // Behind a script of its own a connection waits for its end, as behind every command.
            if owed > 0 && matches!(self.state.gate, Gate::Busy(_)) {
                session.waits_its_turn = true;
                return Flow::Stall;
            }
            return self.refuse(connection, Some(command), &error);
        }
        // What the window has found to be at home here needs no second look.
        if session.info.core_port
            && hint.owner != Some(self.state.core)
            && let Some((slot, owner)) = redirection(&self.state, command, args)
        {
            return self.redirect(connection, command, slot, owner);
        }
        if self.state.gate != Gate::Open && must_wait(&self.state, session, command) {
            return Flow::Stall;
        }
        if session.transaction.is_some() && !command.row.flags.has(Flags::IMMEDIATE) {
            return self.enqueue(connection, command, args);
        }
        if (!self.state.may_begin_long() && command.takes_long(args)) || self.state.must_wait_for_memory(command) {
            return self.stall_for_time(connection);
        }
        let plan = hint.owner.map_or_else(|| plan(&self.state, session.scope(), command, args), Plan::One);
        match plan {
            _ if command.row.flags.has(Flags::BLOCKING) && may_wait(command, args) => {
                self.begin_waiting(connection, command, args)
            }
            Plan::One(core) if owed > 0 && self.would_overtake(connection, core, command) => Flow::Stall,
            Plan::One(core) => self.ask(connection, core, command, args),
            Plan::Session => self.run_session(connection, command, args),
            Plan::Split { .. } | Plan::Relay(_) | Plan::Walk(..) | Plan::Script => {
                self.begin_command(connection, command, args)
            }
            Plan::Every(..) if command.row.host_step.is_some() && command.row.flags.has(Flags::ORDERED) => {
                self.begin_after_host(connection, command, args)
            }
            Plan::Every(cores, _) if command.row.concerns_keys() && (cores.len() > 1 || !self.waitlist.is_empty()) => {
                self.begin_command(connection, command, args)
            }
            Plan::Every(cores, merge) => self.every(connection, command, args, (cores, merge)),
        }
    }

    /// A request that may take long waits for the next turn, or until this core stands by no more.
    #[cold]
    fn stall_for_time(&mut self, connection: ConnectionId) -> Flow {
        if self.state.stand_by.is_on() {
            self.state.stand_by.note_stalled();
        } else {
            self.sessions.mark_runnable(connection);
        }
        Flow::Stall
    }

    /// Answers a request that did not run; inside MULTI it spoils the transaction.
    #[cold]
    pub(super) fn refuse(&mut self, connection: ConnectionId, command: Option<&Command>, error: &CommandError) -> Flow {
        self.state.stats.count_error(&error.code());
        self.note_denial(connection, error);
        if let Some(command) = command {
            self.state.stats.calls[usize::from(command.id)].rejected_calls += 1;
        }
        let session = self.session(connection);
        let mut text = error.text();
        if command.is_some_and(|command| command.row.flags.has(Flags::ENDS_TRANSACTION)) {
            session.transaction = None;
            session.unwatch();
            let reason = text.strip_prefix(b"ERR ").unwrap_or(&text);
            text = [b"EXECABORT Transaction discarded because of: ", reason].concat().into();
        }
        if let Some(transaction) = &mut session.transaction
            && !matches!(error, CommandError::InsideMulti(_))
        {
            transaction.spoil();
        }
        let silent = session.take_silence();
        if !silent {
            let protocol = session.protocol;
            answer(session, |out| Reply::new(out, protocol).error(&text));
        }
        self.tell_unwatched(connection);
        Flow::Next
    }

    /// Notes for ACL LOG what a connection has no right to, if that is the error.
    #[cold]
    pub(super) fn note_denial(&mut self, connection: ConnectionId, error: &CommandError) {
        let CommandError::NoPermission(denied) = error else { return };
        let session = self.sessions.peek(connection).expect("the session of a request exists");
        let context = if session.transaction.is_some() { DenialContext::Multi } else { DenialContext::TopLevel };
        let client = describe_client(session, &self.state.facts());
        self.state.note_denial((Reason::Lacking(denied.lacking), context), &denied.object, &denied.user, client);
    }

    /// Answers a name that is no command. `POST` and `Host:` come from a browser that a web page has made send
    /// commands as the body of a request: the connection ends before it comes to the body.
    #[cold]
    fn refuse_unknown(&mut self, connection: ConnectionId, args: Args<'_>, error: &CommandError) -> Flow {
        let is_http = [b"post".as_slice(), b"host:"].iter().any(|word| args.name().eq_ignore_ascii_case(word));
        if is_http {
            let from = self.session(connection).info.address.clone();
            self.state.log(LogKind::CrossProtocol, || {
                format!(
                    "Possible SECURITY ATTACK detected. It looks like somebody is sending POST or Host: commands to Torc. This is \
                     likely due to an attacker attempting to use Cross Protocol Scripting to compromise your Torc instance. \
                     Connection from {from} aborted."
                )
            });
            self.sessions.close(connection, Closing::Now);
            return Flow::Close;
        }
        self.refuse(connection, None, error)
    }

    /// Asks one core to run a request: this core at once, if nobody has claimed what the request needs.
    #[inline]
    fn ask(&mut self, connection: ConnectionId, core: CoreId, command: &'static Command, args: Args<'_>) -> Flow {
        if self.is_short_way(core, command, args) {
            self.run_here(connection, command, args);
            return Flow::Next;
        }
        let Engine { state, sessions, outbox, .. } = self;
        let session = sessions.get(connection).expect("the session of a request exists");
        if core != state.core && !outbox.has_room(core) {
            self.credit_waiters.push(connection);
            return Flow::Stall;
        }
        let is_at_home = core == state.core;
        if session.replies.is_full() || (is_at_home && session.replies.waits_at_home()) {
            return Flow::Stall;
        }
        session.note_command(command);
        let silent = session.take_silence();
        let sequence = match command.order {
            ProgramOrder::Follows | ProgramOrder::Alone => session.replies.expect_effect(silent, core),
            ProgramOrder::Overlaps | ProgramOrder::Announces => session.replies.expect(silent),
        };
        if is_at_home {
            session.replies.note_at_home();
        }
        let address = Address::Pipeline(sequence);
        let call = Call { task: Task::Whole, asker: session.asker(), command, args };
        self.send(core, call, address);
        Flow::Next
    }

    /// Whether the effect of a request for this core might be seen before that of what its connection has sent before it, and
    /// is owed. Then it waits for that. See docs/transactions.md, "The order of a pipeline".
    #[inline(never)]
    fn would_overtake(&mut self, connection: ConnectionId, core: CoreId, command: &Command) -> bool {
        let Engine { state, sessions, .. } = self;
        if command.order == ProgramOrder::Overlaps || !keeps_order(state) {
            return false;
        }
        let session = sessions.get(connection).expect("the session of a request exists");
        let overtakes = match (command.order, session.replies.effects_owner()) {
            (ProgramOrder::Alone, _) => true,
            (_, None) => false,
            // On this core the one before waits for a claim. Another core keeps the order by itself.
            (_, Some(owner)) => owner != core || core == state.core,
        };
        session.waits_its_turn = overtakes;
        overtakes
    }

    /// Whether a request, or a share of one, for this core runs here and now instead of as a unit or in a message.
    #[inline]
    fn is_short_way(&self, core: CoreId, command: &Command, args: Args<'_>) -> bool {
        core == self.state.core && self.may_run_now(command, args)
    }

    /// Runs a whole command for the pipeline of a connection.
    #[inline]
    fn run_here(&mut self, connection: ConnectionId, command: &'static Command, args: Args<'_>) {
        let Engine { state, sessions, .. } = self;
        let session = sessions.get(connection).expect("the session of a request exists");
        session.note_command(command);
        let call = Call { task: Task::Whole, asker: session.asker(), command, args };
        let silent = session.take_silence();
        if matches!(command.row.run, Run::Shard(_)) && !silent {
            // One call, whichever buffer it writes to: it is put in line here.
            let is_straight = session.replies.is_empty();
            let out = if is_straight { &mut session.out } else { session.replies.parking() };
            let start = out.len();
            run(state, Reach::Shard, call, out);
            if !is_straight {
                session.replies.end_parking(start);
            }
        } else {
            self.run_aside(call, silent);
        }
        if self.state.shown.is_on() {
            let shows = self.state.shown.take();
            self.session(connection).note_shows(shows);
        }
        if !self.state.effects.is_empty() {
            self.end_request(connection);
        }
    }

    /// Runs a command that sees the whole core, or whose reply is dropped.
    #[inline(never)]
    fn run_aside(&mut self, call: Call<'_>, silent: bool) {
        let Engine { state, sessions, aside, .. } = self;
        let mut reply = std::mem::take(aside);
        reply.set_limit(hard_limit(&state.config));
        if run(state, Reach::Core(sessions), call, &mut reply) == Outcome::Suspended {
            return self.wait_suspended(call, silent);
        }
        if !silent {
            answer(self.session(call.asker.connection), |out| out.append(&mut reply));
        }
        if reply.memory_bytes() <= KEPT_ASIDE_BYTES_MAX {
            reply.clear();
            self.aside = reply;
        }
    }

    /// A script takes long: its request is answered later.
    #[cold]
    fn wait_suspended(&mut self, call: Call<'_>, silent: bool) {
        let own = self.state.core;
        let replies = &mut self.session(call.asker.connection).replies;
        let sequence = replies.expect_effect(silent, own);
        replies.note_at_home();
        self.suspend(own, call, Address::Pipeline(sequence));
    }

    /// A request has run here, and has changed something that somebody wants to hear of.
    #[cold]
    fn end_request(&mut self, connection: ConnectionId) {
        let asker = self.session(connection).asker();
        self.end_unit(Some(asker));
    }

    /// Has a request run on another core, or on this one as a unit when the claims on its keys are gone.
    fn send(&mut self, core: CoreId, call: Call<'_>, address: Address) {
        if core == self.state.core {
            self.wait_as_unit(core, call, address);
        } else {
            self.outbox.batch(core).push(call.asker, address, call.task, call.command, call.args);
            self.state.stats.hops += 1;
        }
    }

    /// On a core's own port, a slot of another core is answered as a cluster node answers.
    #[cold]
    fn redirect(&mut self, connection: ConnectionId, command: &Command, slot: u16, owner: CoreId) -> Flow {
        let port = self.state.identity.core_ports[usize::from(owner)];
        let local = &self.session(connection).info.local_address;
        let host = local.rsplit_once(':').map_or("", |(host, _)| host).to_owned();
        self.refuse(connection, Some(command), &CommandError::made(format!("MOVED {slot} {host}:{port}")))
    }

    /// Each of these cores runs the same request, which is not about keys, or this is the only core.
    fn every(
        &mut self,
        connection: ConnectionId,
        command: &'static Command,
        args: Args<'_>,
        (cores, merge): (Range<CoreId>, Merge),
    ) -> Flow {
        if !self.may_gather(connection) {
            return Flow::Stall;
        }
        let Engine { state, sessions, .. } = self;
        let session = sessions.get(connection).expect("the session of a request exists");
        match ask_host_first(state, session, command, args, false) {
            HostPart::Done => {}
            HostPart::Awaited => return Flow::Stall,
            HostPart::Replied(reply) => return self.reply_by_host(connection, command, args, reply),
            HostPart::Gave(_) => unreachable!("what is given something runs under claims"),
        }
        let session = self.session(connection);
        session.note_command(command);
        let silent = session.take_silence();
        let mut gather = Gather::new(command, CommandQueue::of(command, args), false, silent);
        gather.open_element(Some(merge));
        // Held open until all parts are sent, so that a part answered here cannot end it.
        gather.hold();
        session.activity.begin(gather, None);
        assert!(cores.len() == 1 || !command.row.concerns_keys(), "what is about keys runs under claims");
        for core in cores {
            self.send_part(connection, core, command, args);
        }
        if self.session(connection).gather().release() {
            self.finish_gather(connection);
        }
        Flow::Next
    }

    /// The host has made the reply of a command, which counts as one that ran.
    #[cold]
    pub(super) fn reply_by_host(
        &mut self,
        connection: ConnectionId,
        command: &'static Command,
        args: Args<'_>,
        reply: Result<&'static str, CommandError>,
    ) -> Flow {
        let session = self.session(connection);
        session.note_command(command);
        let silent = session.take_silence();
        let mut gather = Gather::new(command, CommandQueue::of(command, args), false, silent);
        gather.open_made_element(reply);
        session.activity.begin(gather, None);
        self.finish_gather(connection);
        Flow::Next
    }

    /// A gather starts only when nothing is owed to the session and every other core takes requests.
    fn may_gather(&mut self, connection: ConnectionId) -> bool {
        if self.session(connection).is_waiting() {
            return false;
        }
        let own = self.state.core;
        let room = (0..self.state.cores).filter(|&core| core != own).all(|core| self.outbox.has_room(core));
        if !room {
            self.credit_waiters.push(connection);
        }
        room
    }

    /// Runs or sends one core's share.
    fn send_part(&mut self, connection: ConnectionId, core: CoreId, command: &'static Command, args: Args<'_>) {
        let is_short_way = self.is_short_way(core, command, args);
        let Engine { state, sessions, .. } = self;
        let session = sessions.get(connection).expect("the session of a request exists");
        let call = Call { task: Task::Share, asker: session.asker(), command, args };
        let address = Address::Part(session.gather().expect(Vec::new()));
        if is_short_way {
            let mut reply = Box::new(OutputBuffer::new());
            reply.set_limit(hard_limit(&state.config));
            let asker = call.asker;
            let outcome = run(state, Reach::Core(sessions), call, &mut reply);
            let shows = state.shown.take();
            self.end_unit(Some(asker));
            self.deliver(connection, address, Answered::Ran(outcome), CompleteReply::Long(reply), shows);
        } else {
            self.send(core, call, address);
        }
    }

    /// All parts are there: the reply is written and the session goes on.
    pub(super) fn finish_gather(&mut self, connection: ConnectionId) {
        let session = self.session(connection);
        if session.gather().waits {
            return self.wait(connection);
        }
        let queue = &session.gather().queue;
        if (queue.pauses() || queue.is_ordered()) && self.waits_for_drain(connection) {
            return;
        }
        let Engine { state, sessions, spare_outputs, .. } = self;
        let session = sessions.get(connection).expect("the session of a gather exists");
        if let Some((core, words)) = session.gather().next_of_walk() {
            return self.walk_on(connection, core, &words);
        }
        let gather = session.activity.finish();
        assert!(session.replies.is_empty(), "a gather begins when no reply is owed, and nothing runs beside it");
        spare_outputs.lend(session);
        let reply_start = session.out.len();
        write_gathered(state, session, &gather);
        if gather.is_exec {
            session.unwatch();
        }
        if session.has_unregistered() {
            hold_reply(session, reply_start);
            self.register(connection);
        }
        let session = self.session(connection);
        session.release_invalidations();
        let (goes_on, gone) = (session.stalled || session.end_of_input, session.closing == Closing::Gone);
        let is_registering = !session.activity.is_idle();
        self.tell_unwatched(connection);
        if gone {
            // Homes that are still to answer find it there.
            if !is_registering {
                self.bury(connection);
            }
            return;
        }
        self.sessions.mark_dirty(connection);
        // Not here and now: this may be in the middle of the session's input.
        if goes_on {
            self.sessions.mark_runnable(connection);
        }
    }
}

/// Lets `write` append a reply where it belongs now: to the output, or behind the replies that are owed.
#[inline]
pub(super) fn answer(session: &mut Session, write: impl FnOnce(&mut OutputBuffer)) {
    if session.replies.is_empty() {
        write(&mut session.out);
    } else {
        session.replies.park(write);
    }
}

/// Whether a request that was admitted waits for the log to have room, or for the end of a pause.
#[cold]
fn must_wait(state: &CoreState, session: &mut Session, command: &Command) -> bool {
    if session.info.is_host {
        return false;
    }
    session.is_postponed = state.pause.is_some_and(|pause| pause.holds(command, session.transaction.as_deref()));
    session.is_postponed || (state.gate == Gate::LogFull && command.row.flags.has(Flags::WRITE))
}

/// Writes the reply of a gather whose parts are all there.
fn write_gathered(state: &mut CoreState, session: &mut Session, gather: &Gather) {
    let mut out = std::mem::take(&mut session.out);
    let start = out.len();
    merge_gathered(state, session, gather, &mut out);
    if gather.silent {
        out.truncate(start);
    }
    session.out = out;
}

/// Appends the reply that the parts of a gather make.
pub(super) fn merge_gathered(state: &mut CoreState, session: &mut Session, gather: &Gather, out: &mut OutputBuffer) {
    let asker: Asker = session.asker();
    let reply = &mut Reply::new(out, asker.protocol);
    if gather.is_aborted() {
        return reply.null_array();
    }
    if gather.is_exec {
        reply.array(gather.queue.len());
    }
    for (task, (command, args)) in gather.merges().zip(gather.queue.commands()) {
        run(state, Reach::Gather(session, gather), Call { task, asker, command, args }, out);
    }
    session.note_shows(state.shown.take());
}

/// With more untaken output than this a client is closed, so that nothing beyond it need be kept.
pub(super) fn hard_limit(config: &Config) -> usize {
    limit_bytes(&config.client_output_buffer_limit.normal)
}

fn limit_bytes(limit: &OutputLimit) -> usize {
    match limit.hard_bytes {
        0 => usize::MAX,
        bytes => bytes as usize,
    }
}

/// Whether effects of one connection become visible in the order in which it has sent the requests.
#[inline]
pub(super) fn keeps_order(state: &CoreState) -> bool {
    // What was propagated has seen its order: it is kept where keys are shared.
    state.config.pipeline_order == PipelineOrder::Writes && !state.obeys
}

/// Whether a request waits if nothing is there, or has wrong arguments.
fn may_wait(command: &Command, args: Args<'_>) -> bool {
    let blocking = command.row.blocking.expect("the row says how it waits");
    !matches!((blocking.timeout)(args), Ok(Timeout::NoWait))
}
