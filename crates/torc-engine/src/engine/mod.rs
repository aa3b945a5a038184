//! One core's state machine: bytes and messages in, bytes and messages out.
//!
//! ```text
//!   bytes    --> dispatch ----> run here | a batch to the owner | a unit | a transaction
//!   messages --> coordinator    the transactions of this core's connections
//!                participant    what claims keys of this core, and runs
//!                waitlist       who waits for keys of this core
//!                waiting        connections of this core that wait
//! ```
//! Each role has its own state, and asks nothing of the others but through what it returns; the engine passes it what it needs of
//! the core, and carries out what follows. Everything that the server calls, and in which order, is in `host`.

mod about_session;
mod ahead;
mod coordination;
mod coordinator;
mod dispatch;
mod host;
mod inspect;
mod participant;
mod pausing;
mod pubsub;
mod relief;
mod saving;
#[cfg(feature = "simulation")]
mod simulation;
mod spare_outputs;
mod stages;
mod tracking;
mod transaction;
mod units;
mod upkeep;
mod waiting;
mod waitlist;

use coordinator::Coordinator;
use dispatch::hard_limit;
pub use host::{Figures, Output, Want};
use participant::Participant;
use pausing::Drain;
use spare_outputs::SpareOutputs;
use torc_resp::{Args, CompleteReply, OutputBuffer, Parser, Reply};
use units::Readers;
pub use units::Taken;
use upkeep::{Sweep, exceeds_output_limit};
use waitlist::{Deadlines, Waitlist};

use crate::command::{Command, Flags, ProgramOrder};
use crate::gather::Gather;
use crate::mesh::Outbox;
use crate::message::{Address, Batch, Message, Request};
use crate::pubsub::Ends;
use crate::route::CoreId;
use crate::run::{Reach, run};
use crate::session::{ConnectionId, OfferAnswer, Session, Sessions, WINDOW_REQUESTS, Window, busy_with};
use crate::stand_by::{StandByFor, StoodBy};
use crate::state::{CoreState, Gate};
use crate::task::{Answered, Outcome};
use crate::transaction::{RoleMessage, ToParticipant, TransactionClock, TransactionId};

/// Commands that stalled sessions run together in one turn, about.
const STALLED_COMMANDS_PER_TURN_MAX: u64 = 256;

/// Output that they make together in one turn, about.
const STALLED_OUTPUT_BYTES_PER_TURN_MAX: u64 = 4 * 1024 * 1024;

/// One core.
pub struct Engine {
    /// Shard, configuration, counters, time.
    state: CoreState,
    /// Connections of this core.
    sessions: Sessions,
    /// The way to the other cores, and to this one.
    outbox: Outbox,
    /// Where effects go.
    readers: Readers,
    /// The ids of what claims keys, on this core or from it.
    ids: TransactionClock,
    coordinator: Coordinator,
    participant: Participant,
    waitlist: Waitlist,
    parser: Parser,
    /// Windows that no session keeps.
    #[expect(clippy::vec_box, reason = "a session keeps the box")]
    spare_windows: Vec<Box<Window>>,
    next_client: u64,
    /// Bytes of replies written here so far, but those that stay where they lie.
    output_made_bytes: u64,
    /// Sessions stalled because a peer's batch is full and no credit is left.
    credit_waiters: Vec<ConnectionId>,
    /// When the logins that wait are looked at.
    login_deadlines: Deadlines,
    /// Who waits until this core has done what it had begun.
    drains: Vec<Drain>,
    /// Requests with an effect of connections that are gone, which other cores have not answered.
    orphaned_effects: usize,
    /// Connections that are gone, and what of their subscriptions has not ended.
    gone: Vec<(ConnectionId, Ends)>,
    /// For sessions that have none.
    spare_outputs: SpareOutputs,
    /// For the reply of a command that sees the whole core; empty between two.
    aside: OutputBuffer,
    /// The slow walk over all sessions.
    sweep: Sweep,
}

/// What a role sees of its core.
struct RoleContext<'a> {
    state: &'a mut CoreState,
    sessions: &'a mut Sessions,
    outbox: &'a mut Outbox,
    readers: &'a mut Readers,
    ids: &'a mut TransactionClock,
    spare_outputs: &'a mut SpareOutputs,
}

/// The roles of a core, each to be called with what it sees of the core and with the others that it needs.
struct Roles<'a> {
    core: RoleContext<'a>,
    coordinator: &'a mut Coordinator,
    participant: &'a mut Participant,
    waitlist: &'a mut Waitlist,
}

impl RoleContext<'_> {
    fn session(&mut self, connection: ConnectionId) -> &mut Session {
        self.sessions.get(connection).expect("a session stays while it gathers")
    }

    fn gather(&mut self, connection: ConnectionId) -> &mut Gather {
        self.session(connection).gather()
    }

    /// A cut is about to be made: this core stands by.
    fn begin_stand_by(&mut self, attempt: TransactionId, how_long: StandByFor) {
        let clock_ns = (self.state.host.clock_ns)();
        self.state.stand_by.begin(attempt, how_long, clock_ns);
    }

    /// The cut has run here, or its attempt has ended.
    fn end_stand_by_for(&mut self, attempt: TransactionId) {
        if self.state.stand_by.is_for(attempt) {
            self.end_stand_by();
        }
    }

    /// This core stands by no more: what has waited for that goes on.
    fn end_stand_by(&mut self) {
        let StoodBy { has_stalled, behind } = self.state.stand_by.end();
        if has_stalled {
            self.sessions.wake_stalled();
        }
        for (origin, connection) in behind {
            self.outbox.post(self.state.core, ToParticipant::GoOn(origin, connection));
        }
    }

    /// What a connection of this core, which may be gone, answers when a key that it waits for is ready.
    fn answer_offer(&mut self, connection: ConnectionId, wait: u32) -> OfferAnswer {
        let session = self.sessions.get(connection);
        session.map_or(OfferAnswer::Declines, |session| session.answer_offer(wait, &*self.state.clients))
    }
}

impl Engine {
    /// A core without connections.
    pub fn new(state: CoreState) -> Self {
        Engine {
            outbox: Outbox::new(state.core, state.cores),
            ids: TransactionClock::new(state.core),
            state,
            sessions: Sessions::default(),
            readers: Readers::default(),
            coordinator: Coordinator::default(),
            participant: Participant::default(),
            waitlist: Waitlist::default(),
            parser: Parser::default(),
            spare_windows: Vec::new(),
            next_client: 0,
            output_made_bytes: 0,
            credit_waiters: Vec::new(),
            login_deadlines: Deadlines::default(),
            drains: Vec::new(),
            orphaned_effects: 0,
            gone: Vec::new(),
            spare_outputs: SpareOutputs::default(),
            aside: OutputBuffer::new(),
            sweep: Sweep::default(),
        }
    }

    fn roles(&mut self) -> Roles<'_> {
        let Engine { state, sessions, outbox, readers, ids, coordinator, participant, waitlist, spare_outputs, .. } =
            self;
        let core = RoleContext { state, sessions, outbox, readers, ids, spare_outputs };
        Roles { core, coordinator, participant, waitlist }
    }

    /// Whether a request, or a share of one, may run here without a claim.
    #[inline]
    fn may_run_now(&self, command: &Command, args: Args<'_>) -> bool {
        self.participant.may_run_now(&self.state, &self.waitlist, command, args)
    }

    /// Removes a session that has nothing under way.
    fn bury(&mut self, connection: ConnectionId) {
        let session = self.session(connection);
        assert!(session.activity.is_idle(), "a session stays while it gathers");
        session.unwatch();
        let effects_owed = session.replies.effects_owed();
        // Sessions are added up only now and then: no key is to give way to what one held that is gone.
        let lasting_bytes = session.lasting_bytes();
        let (room_wanted, login_due_ms) = (std::mem::take(&mut session.room_wanted), session.login_due_ms);
        for (core, _) in room_wanted {
            self.outbox.post(core, ToParticipant::HasRoom(connection));
        }
        self.login_deadlines.remove(login_due_ms, connection);
        self.forget_subscriptions(connection);
        self.orphaned_effects += effects_owed;
        self.tell_unwatched(connection);
        self.sessions.remove(connection);
        self.state.connections = self.sessions.len();
        self.state.sessions_bytes = self.state.sessions_bytes.saturating_sub(lasting_bytes);
        self.run_local_queue();
    }

    /// Tells the owners of watched keys which of them a session has given up.
    fn tell_unwatched(&mut self, connection: ConnectionId) {
        let mut watches = std::mem::take(&mut self.session(connection).dropped_watches);
        watches.sort_unstable_by_key(|watch| watch.owner);
        for group in watches.chunk_by_mut(|a, b| a.owner == b.owner) {
            let owner = group[0].owner;
            let keys = group.iter_mut().map(|watch| (watch.db, std::mem::take(&mut watch.key))).collect();
            self.outbox.post(owner, ToParticipant::Unwatch(keys));
        }
    }

    /// A message from another core.
    pub fn on_message(&mut self, from: CoreId, message: Message) {
        let messages = match message {
            Message::Requests(batch) => self.serve(from, batch),
            Message::Replies(batch) => self.take_home(from, batch),
        };
        for message in messages {
            // While there is time nothing was postponed, so that they stay in order.
            if self.state.turn.is_over() {
                self.outbox.postpone(from, message);
            } else {
                self.on_role_message(from, message);
            }
        }
        self.run_local_queue();
    }

    fn on_role_message(&mut self, from: CoreId, message: RoleMessage) {
        match message {
            RoleMessage::Coordinator(message) => self.on_coordinator_message(from, message),
            RoleMessage::Participant(message) => self.on_participant_message(from, message),
            RoleMessage::Waitlist(message) => self.on_waitlist_message(from, message),
            RoleMessage::Connection(message) => self.on_connection_message(from, message),
            RoleMessage::Home(message) => self.on_home_message(from, message),
            RoleMessage::Subscribers(message) => self.on_subscribers_message(from, message),
        }
    }

    /// Does what follows from what was done: tells claims that were granted by the release of others, reads the local queue, and looks
    /// at keys that have expired, until nothing more follows or the time of the turn is over. Called before the engine returns.
    #[inline]
    fn run_local_queue(&mut self) {
        if self.participant.claims().has_granted()
            || self.outbox.has_local()
            || self.state.keyspace.has_changes()
            || self.waitlist.has_expired()
            || !self.drains.is_empty()
        {
            self.run_what_follows();
        }
    }

    #[cold]
    fn run_what_follows(&mut self) {
        loop {
            let has_time = !self.state.turn.is_over();
            if has_time && let Some(id) = self.participant.next_granted() {
                self.on_claim_granted(id);
            } else if has_time && let Some((from, message)) = self.outbox.next_local() {
                self.on_role_message(from, message);
            } else if self.state.keyspace.has_changes() || self.waitlist.has_expired() {
                self.serve_expired();
            } else if self.drains.is_empty() || !self.end_drains() {
                return;
            }
        }
    }

    /// Runs another core's requests on this shard and sends the box home; gives the messages that came along.
    fn serve(&mut self, origin: CoreId, mut batch: Box<Batch>) -> Vec<RoleMessage> {
        self.outbox.note_arrived(origin);
        let messages = std::mem::take(&mut batch.messages);
        self.state.advance_time(batch.sent_us);
        batch.set_reply_limit(hard_limit(&self.state.config));
        for index in 0..batch.len() {
            if index % WINDOW_REQUESTS == 0 {
                ahead::prepare_batch(&self.state, &batch, index);
            }
            self.relieve_if_due();
            let (request, args) = batch.request(index);
            if self.participant.is_behind(origin, request.asker().connection) {
                self.wait_behind(origin, request.call(args), request.address);
                batch.defer_next();
            } else if batch.reply_bytes() > self.state.reply_bounds.ahead_bytes
                && let Address::Pipeline(sequence) = request.address
            {
                self.wait_for_room(origin, request.call(args), sequence);
                batch.defer_next();
            } else if (!self.state.may_begin_long() && request.command.takes_long(args))
                || self.state.must_wait_for_memory(request.command)
            {
                self.wait_for_time(origin, request.call(args), request.address);
                batch.defer_next();
            } else if self.may_run_now(request.command, args) {
                let Engine { state, sessions, .. } = self;
                let execute = |request: &Request, args: Args<'_>, out: &mut OutputBuffer| match refuses_busy(
                    state,
                    request.command,
                ) {
                    false => run(state, Reach::Core(sessions), request.call(args), out),
                    true => answer_busy(state, request, out),
                };
                if *batch.execute_next(execute) == Outcome::Suspended {
                    batch.retract_last();
                    let (request, args) = batch.request(index);
                    self.suspend(origin, request.call(args), request.address);
                    batch.defer_next();
                    continue;
                }
                if state.shown.is_on() {
                    batch.note_shows(state.shown.take());
                }
                if !self.state.effects.is_empty() {
                    let asker = batch.request(index).0.asker();
                    self.end_unit(Some(asker));
                }
            } else if refuses_busy(&self.state, request.command) {
                batch.execute_next(|request, _, out| answer_busy(&mut self.state, request, out));
            } else {
                self.wait_as_unit(origin, request.call(args), request.address);
                batch.defer_next();
            }
        }
        self.output_made_bytes += batch.copied_reply_bytes() as u64;
        self.outbox.reply(origin, batch);
        messages
    }

    /// Puts replies where they belong; gives the messages that came along.
    fn take_home(&mut self, owner: CoreId, mut batch: Box<Batch>) -> Vec<RoleMessage> {
        let messages = std::mem::take(&mut batch.messages);
        self.state.advance_time(batch.sent_us);
        for index in 0..batch.len() {
            let shows = batch.shows(index);
            let (request, answered, reply) = batch.answer(index);
            if answered != Answered::Deferred {
                self.note_orphan(request);
                self.deliver(request.asker().connection, request.address, answered, reply, shows);
            }
        }
        self.outbox.returned(owner, batch);
        for connection in std::mem::take(&mut self.credit_waiters) {
            self.sessions.mark_runnable(connection);
        }
        messages
    }

    /// A request has been answered, whose connection may be gone.
    #[inline]
    fn note_orphan(&mut self, request: &Request) {
        if self.orphaned_effects > 0
            && matches!(request.command.order, ProgramOrder::Follows | ProgramOrder::Alone)
            && matches!(request.address, Address::Pipeline(_))
            && self.sessions.peek(request.asker().connection).is_none()
        {
            self.orphaned_effects -= 1;
        }
    }

    /// Puts what has become of a request where its connection expects it. `shows`: up to which number the reply shows what is durable.
    fn deliver(
        &mut self,
        connection: ConnectionId,
        address: Address,
        answered: Answered,
        reply: CompleteReply<'_>,
        shows: u64,
    ) {
        let Some(session) = self.sessions.get(connection) else { return };
        session.note_shows(shows);
        match address {
            Address::Pipeline(sequence) => {
                let is_whole = matches!(answered, Answered::Ran(Outcome::Replied | Outcome::Failed));
                assert!(is_whole, "a pipeline expects replies, not {answered:?}");
                self.spare_outputs.lend(session);
                session.replies.deliver(sequence, reply, &mut session.out);
                if exceeds_output_limit(&self.state, session) {
                    return self.cut_off(connection);
                }
                give_room(&mut self.outbox, &self.state, session);
                let waits_on = session.waits_its_turn && session.replies.effects_owner().is_some();
                let (stalled, done) = (session.stalled, session.end_of_input && session.replies.is_empty());
                self.sessions.mark_dirty(connection);
                if stalled {
                    // Unless the answer that it waits for has not come.
                    if !waits_on {
                        self.sessions.mark_runnable(connection);
                    }
                } else if done {
                    self.sessions.close_when_done(connection);
                }
            }
            Address::Part(part) => {
                if session.gather().deliver(part, answered, reply) {
                    self.finish_gather(connection);
                }
            }
        }
    }

    fn session(&mut self, connection: ConnectionId) -> &mut Session {
        self.sessions.get(connection).expect("the session of a running command exists")
    }
}

/// Lets the cores go on that wait for room for the replies of a session: its output is nearly sent, and what waits behind replies that
/// are owed is little, unless the very first that is owed is such a reply.
#[inline]
fn give_room(outbox: &mut Outbox, state: &CoreState, session: &mut Session) {
    if !session.room_wanted.is_empty() {
        give_wanted_room(outbox, state, session);
    }
}

#[cold]
fn give_wanted_room(outbox: &mut Outbox, state: &CoreState, session: &mut Session) {
    let room_bytes = state.reply_bounds.room_bytes;
    if session.out.len() > room_bytes {
        return;
    }
    let (first, holds_little) = (session.replies.first_owed(), session.replies.held_bytes() <= room_bytes);
    let connection = session.connection;
    session.room_wanted.retain(|&(core, sequence)| {
        let has_room = holds_little || first == sequence;
        if has_room {
            outbox.post(core, ToParticipant::HasRoom(connection));
        }
        !has_room
    });
}

/// Whether this core is busy with a script, so that it answers a request of another core with an error.
#[inline]
fn refuses_busy(state: &CoreState, command: &Command) -> bool {
    matches!(state.gate, Gate::Busy(_)) && !command.row.flags.has(Flags::ALLOW_BUSY)
}

/// That error.
#[cold]
fn answer_busy(state: &mut CoreState, request: &Request, out: &mut OutputBuffer) -> Outcome {
    let Gate::Busy(kind) = state.gate else { unreachable!("this core is busy") };
    let busy = busy_with(kind);
    state.count_failure(request.command, &busy);
    Reply::new(out, request.asker().protocol).error(busy.text());
    Outcome::Failed
}
