//! Requests of this core's connections that wait for a key: they begin, are offered what is there, and end by an element, by time,
//! by death or by CLIENT UNBLOCK.
//!
//! ```text
//!   connection's core                               core of the key: its waitlist
//!   begin_waiting -- unit or transaction -------->  take, or add to the waiters
//!                                                   ... a unit or transaction changes the key: its claim stays
//!   on_offer (still waiting? promised)  <--Offer--  serve: the waiters of the changed keys, oldest first
//!                                       --Answer->  on_answer: take
//!   on_served                           <--Served-  next waiter; at the end the claim is released
//! ```
//! A connection of the same core is asked directly. Before it accepts, the host is asked whether its client has left. The states of a
//! wait are in `session/activity.rs`.

use torc_resp::{Args, CompleteReply, OutputBuffer, Reply};

use super::dispatch::Flow;
use super::{Engine, Roles, give_room};
use crate::command::Command;
use crate::gather::Gather;
use crate::message::Address;
use crate::route::CoreId;
use crate::session::{Closing, CommandQueue, ConnectionId, Found, OfferAnswer, Unblock, Wait, may_wait_on};
use crate::shown::THIS_TURN;
use crate::task::{Answered, Outcome, ServedReply};
use crate::transaction::{ToConnection, ToParticipant, ToWaitlist, TransactionId};

impl Engine {
    /// A message to the core of a connection.
    pub(super) fn on_connection_message(&mut self, from: CoreId, message: ToConnection) {
        match message {
            ToConnection::Offer { connection, wait, id, runs_again } => {
                self.on_offer(from, connection, wait, id, runs_again);
            }
            ToConnection::Served { connection, reply } => self.on_served(connection, reply),
            ToConnection::NeedsRoom { connection, sequence } => self.on_room_wanted(from, connection, sequence),
            ToConnection::Drain { connection, of_all } => self.on_drain(from, connection, of_all),
            ToConnection::Drained(connection) => self.on_drained(connection),
            ToConnection::LateReplies(mut batch) => {
                for index in 0..batch.len() {
                    let shows = batch.shows(index);
                    let (request, answered, reply) = batch.answer(index);
                    self.note_orphan(request);
                    self.deliver(request.asker().connection, request.address, answered, reply, shows);
                }
                self.outbox.recycle(batch);
            }
        }
    }

    /// Another core has a reply for a connection that it makes when there is room for it.
    fn on_room_wanted(&mut self, from: CoreId, connection: ConnectionId, sequence: u64) {
        let Engine { state, sessions, outbox, .. } = self;
        match sessions.get(connection) {
            Some(session) => {
                session.room_wanted.push((from, sequence));
                give_room(outbox, state, session);
            }
            None => outbox.post(from, ToParticipant::HasRoom(connection)),
        }
    }

    /// A request that may wait, outside of a transaction.
    pub(super) fn begin_waiting(
        &mut self,
        connection: ConnectionId,
        command: &'static Command,
        args: Args<'_>,
    ) -> Flow {
        if self.session(connection).is_waiting() {
            return Flow::Stall;
        }
        let blocking = command.row.blocking.expect("the row says how it waits");
        let now_ms = self.state.wall_ms();
        let deadline_ms = match (blocking.timeout)(args).and_then(|timeout| timeout.deadline_ms(now_ms)) {
            Ok(deadline_ms) => deadline_ms,
            Err(error) => return self.refuse(connection, Some(command), &error),
        };
        let mut cores: Vec<CoreId> = blocking.awaited(command, args).map(|key| self.state.owner(key.name)).collect();
        cores.sort_unstable();
        cores.dedup();
        let session = self.session(connection);
        session.note_command(command);
        let wait = session.next_wait(cores, deadline_ms);
        let silent = session.take_silence();
        self.begin(connection, Gather::new(command, CommandQueue::of(command, args), false, silent), Some(wait));
        Flow::Next
    }

    /// A request that waits to move something to a key that nobody has locked for it is told that there is something: it runs
    /// again, as if it had come just now, and goes on waiting if others were faster. The core that told it waits for it no longer.
    pub(super) fn run_again(&mut self, connection: ConnectionId) {
        if self.state.pause.is_some() {
            return self.session(connection).activity.hold();
        }
        let asker = self.session(connection).asker();
        self.state.recorder.retried(&asker, self.state.now_us);
        let session = self.session(connection);
        let (Wait { cores, deadline_ms, .. }, gather) = session.activity.abandon_wait();
        let wait = session.next_wait(cores, deadline_ms);
        self.waitlist.deadlines().remove(deadline_ms, connection);
        let Gather { command, queue, silent, .. } = *gather;
        self.begin(connection, Gather::new(command, queue, false, silent), Some(wait));
    }

    /// All cores of its keys know that the request waits.
    pub(super) fn wait(&mut self, connection: ConnectionId) {
        let session = self.session(connection);
        let found = session.activity.block();
        session.release_invalidations();
        match found {
            Found::AnotherTry => self.run_again(connection),
            Found::Reply(reply) => self.end_wait(connection, reply),
            // The core with the element takes it for this connection, whatever has become of that.
            Found::Promise => {}
            Found::Nothing if session.closing == Closing::Gone || session.end_of_input => self.give_up(connection),
            Found::Nothing if session.is_limited && !may_wait_on(session) => {
                self.end_without(connection, Unblock::NoPermission);
            }
            Found::Nothing => {
                let deadline_ms = session.activity.deadline_ms();
                self.waitlist.deadlines().add(deadline_ms, connection);
            }
        }
    }

    /// Rechecks waiters whose alarm is due, and ends the waits whose deadline has passed; logins whose time has come run next, and cuts go
    /// on. Called once a turn.
    pub fn end_overdue_waits(&mut self) {
        self.end_overdue_pause();
        if self.state.pause.is_none() && self.waitlist.has_overdue(self.state.now_ms) {
            self.waitlist.ring_alarms(&mut self.state);
            self.run_local_queue();
        }
        while let Some(connection) = self.waitlist.deadlines().take_overdue(self.state.wall_ms()) {
            self.time_out(connection);
        }
        while let Some(connection) = self.login_deadlines.take_overdue(self.state.wall_ms()) {
            self.sessions.mark_runnable(connection);
        }
        let clock_ns = self.state.turn.began_ns();
        if self.state.stand_by.is_overdue(clock_ns) {
            self.roles().core.end_stand_by();
            self.run_local_queue();
        }
        if self.coordinator.next_due_ns().is_some_and(|due_ns| due_ns <= clock_ns) {
            let Roles { mut core, coordinator, .. } = self.roles();
            coordinator.end_overdue(&mut core);
            self.run_local_queue();
        }
        // The end of a pause ends a drain, too.
        if !self.drains.is_empty() {
            self.run_local_queue();
        }
    }

    /// When there is the next of them, Unix milliseconds.
    pub fn next_deadline_ms(&self) -> Option<i64> {
        let due_ns = self.state.stand_by.awaited_end_ns().into_iter().chain(self.coordinator.next_due_ns()).min();
        // A clock that is never set has another zero; what is left of a millisecond is waited for.
        let left_ms = due_ns.map(|due_ns| due_ns.saturating_sub(self.state.turn.began_ns()) / 1_000_000 + 1);
        let due_ms = left_ms.map(|left_ms| self.state.wall_ms().saturating_add_unsigned(left_ms));
        let pause_ms = self.state.pause.map(|pause| pause.end_ms);
        let wait_ms = self.waitlist.next_due_ms(pause_ms.is_none());
        wait_ms.into_iter().chain(self.login_deadlines.next_ms()).chain(due_ms).chain(pause_ms).min()
    }

    /// The wait of a connection ends without an element, unless it was promised one.
    pub fn time_out(&mut self, connection: ConnectionId) {
        // Who is unblocked has been told so: it hears that.
        if self.sessions.get(connection).is_some_and(|session| session.activity.is_blocked_open()) {
            self.end_without(connection, Unblock::Timeout);
            self.run_local_queue();
        }
    }

    /// The wait of a connection ends without an element.
    pub(super) fn end_without(&mut self, connection: ConnectionId, how: Unblock) {
        let session = self.session(connection);
        let command = session.gather().command;
        assert!(session.activity.is_blocked_unpromised(), "who was promised an element gets it");
        let blocking = command.row.blocking.expect("only such commands wait");
        let (mut bytes, asker) = (OutputBuffer::new(), session.asker());
        let reply = &mut Reply::new(&mut bytes, asker.protocol);
        let outcome = match how {
            Unblock::Timeout => {
                (blocking.nothing)(reply);
                Outcome::Replied
            }
            Unblock::NoPermission => {
                let session = self.sessions.peek(connection).expect("it waits");
                let (command, args) = session.activity.gather().expect("it waits with a request").queue.get(0);
                match session.user().permit(command, args, session.db) {
                    Err(error) => {
                        self.state.count_failure(command, &error);
                        reply.error(error.text());
                        self.note_denial(connection, &error);
                    }
                    // It was given back meanwhile.
                    Ok(()) => reply.error(b"NOPERM No permissions to access a key"),
                }
                Outcome::Failed
            }
            Unblock::Error => {
                reply.error(b"UNBLOCKED client unblocked via CLIENT UNBLOCK");
                Outcome::Failed
            }
        };
        self.state.recorder.ended(&asker, self.state.now_us);
        self.end_wait(connection, ServedReply { outcome, bytes });
    }

    /// The peer of a connection sends no more. A request that waits does so for nobody.
    pub(super) fn end_input(&mut self, connection: ConnectionId) {
        let Some(session) = self.sessions.get(connection) else { return };
        session.end_of_input = true;
        if self.is_blocked(connection) {
            self.give_up(connection);
        } else if self.session(connection).is_postponed {
            // What waits for the end of a pause has not begun, and nobody is there for whom to begin it.
            self.sessions.close(connection, Closing::AfterFlush);
        } else {
            self.sessions.close_when_done(connection);
        }
    }

    /// The connection is gone, or half of it.
    pub(super) fn give_up(&mut self, connection: ConnectionId) {
        let asker = self.session(connection).asker();
        self.state.recorder.ended(&asker, self.state.now_us);
        let session = self.session(connection);
        let (wait, _) = session.activity.abandon_wait();
        let is_gone = session.closing == Closing::Gone;
        self.forget_wait(connection, wait);
        if is_gone {
            self.bury(connection);
        } else {
            self.sessions.close(connection, Closing::Now);
        }
    }

    /// Whether the session waits, is promised nothing, and all cores know of it.
    pub fn is_blocked(&mut self, connection: ConnectionId) -> bool {
        self.sessions.get(connection).is_some_and(|session| session.activity.is_blocked_unpromised())
    }

    /// A wait ends with a reply that may show all that this turn finds.
    fn end_wait(&mut self, connection: ConnectionId, reply: ServedReply) {
        let (wait, part) = self.session(connection).activity.end_wait();
        self.forget_wait(connection, wait);
        let bytes = CompleteReply::Long(Box::new(reply.bytes));
        self.deliver(connection, Address::Part(part), Answered::Ran(reply.outcome), bytes, THIS_TURN);
    }

    /// Tells the cores of the keys that the request waits no longer.
    fn forget_wait(&mut self, connection: ConnectionId, wait: Wait) {
        self.waitlist.deadlines().remove(wait.deadline_ms, connection);
        for core in wait.cores {
            self.outbox.post(core, ToWaitlist::Forget { connection, wait: wait.number });
        }
    }

    /// A key is ready on another core. `runs_again`: it is not given the element, but tries to get it.
    fn on_offer(&mut self, from: CoreId, connection: ConnectionId, wait: u32, id: TransactionId, runs_again: bool) {
        let answer = self.roles().core.answer_offer(connection, wait);
        self.outbox.post(from, ToWaitlist::Answer { id, accepted: answer == OfferAnswer::Accepts });
        match answer {
            OfferAnswer::Accepts if runs_again => self.try_again(connection),
            OfferAnswer::Accepts | OfferAnswer::Declines => {}
            OfferAnswer::HasLeft => self.end_input(connection),
        }
    }

    /// Who waits has been promised that there is something.
    pub(super) fn try_again(&mut self, connection: ConnectionId) {
        if self.session(connection).activity.promise_another_try() {
            self.run_again(connection);
        }
    }

    /// The element that was promised.
    fn on_served(&mut self, connection: ConnectionId, reply: ServedReply) {
        let Some(session) = self.sessions.get(connection) else { return };
        if let Some(reply) = session.activity.serve(reply) {
            self.end_wait(connection, reply);
        }
    }
}
