//! Requests that wait for a key: on the core of the connection (begin, end by time, death or CLIENT UNBLOCK), and on the
//! cores of the keys (wait, be offered what is there, be served).
//!
//! ```text
//!   connection's core                               core of the key
//!   begin_waiting -- unit or transaction -------->  take, or add to the waiters
//!                                                   ... a unit or transaction changes the key: its claim stays
//!   on_offer (still waiting? promised)  <--Offer--  serve: the waiters of the changed keys, oldest first
//!                                       --Answer->  on_answer: take
//!   on_served                           <--Served-  next waiter; at the end the claim is released
//! ```
//! A connection of the same core is asked directly.

use std::borrow::Cow;
use std::collections::VecDeque;

use torc_resp::{Args, Reply};

use super::dispatch::Flow;
use super::{Engine, ServedReply};
use crate::command::blocking::is_wanted;
use crate::command::{AwaitedKey, Command, Serves};
use crate::effect::UnitEffects;
use crate::message::{Address, Answered, Asker, Request};
use crate::route::CoreId;
use crate::run::{Call, Outcome, Reach, Task, run};
use crate::session::{Closing, CommandQueue, ConnectionId, Unblock};
use crate::shard::ShardContext;
use crate::state::CoreState;
use crate::transaction::token::{Applicant, KEEPER};
use crate::transaction::waiters::{Destination, Waiter, WaiterPlace};
use crate::transaction::{ChangedKey, Letter, TransactionId, WaiterId, Waiters, lock_hash};

/// The waiters of changed keys being served, under the claim of what changed them.
pub(super) struct Serving {
    /// Keys whose waiters have not all been looked at.
    keys: VecDeque<ChangedKey>,
    /// Who was offered the first key and has not answered, with which request it waits, and whether that runs again.
    asked: Option<(WaiterId, Asker, bool)>,
    /// The time of what changed the keys, Unix microseconds.
    now_us: i64,
    /// Who asked for what changed the keys; `None`: they have expired.
    by: Option<Asker>,
    /// It has the token, which is to be returned.
    has_token: bool,
}

impl Engine {
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
        let now_ms = self.state.now_ms;
        let deadline_ms = match (blocking.timeout)(args).and_then(|timeout| timeout.deadline_ms(now_ms)) {
            Ok(deadline_ms) => deadline_ms,
            Err(error) => return self.refuse(connection, Some(command), &error),
        };
        let mut cores: Vec<CoreId> = blocking.awaited(command, args).map(|key| self.state.owner(key.name)).collect();
        cores.sort_unstable();
        cores.dedup();
        let session = self.session(connection);
        session.note_command(command);
        session.may_wait(cores, deadline_ms);
        self.begin(connection, command, CommandQueue::of(command, args), false);
        Flow::Next
    }

    /// A request that waits to move something to a key that nobody has locked for it is told that there is something: it runs
    /// again, as if it had come just now, and goes on waiting if others were faster. The core that told it waits for it no longer.
    fn run_again(&mut self, connection: ConnectionId) {
        let asker = self.session(connection).asker();
        self.state.recorder.retried(&asker, self.state.now_us);
        let session = self.session(connection);
        let wait = session.wait.take().expect("it waits");
        let gather = session.gather.take().expect("its reply is gathered");
        session.may_wait(wait.cores, wait.deadline_ms);
        if let Some(deadline_ms) = wait.deadline_ms {
            self.deadlines.remove(&(deadline_ms, connection.index, connection.generation));
        }
        self.begin_silently(connection, gather.command, gather.queue, false, gather.silent);
    }

    /// All cores of its keys know that the request waits.
    pub(super) fn wait(&mut self, connection: ConnectionId) {
        let session = self.session(connection);
        let part = session.gather.as_mut().expect("its reply is gathered").wait();
        let wait = session.wait.as_mut().expect("it was told that it might wait");
        wait.part = Some(part);
        let (served, is_promised, deadline_ms) = (wait.served.take(), wait.is_promised, wait.deadline_ms);
        if wait.runs_again {
            return self.run_again(connection);
        }
        if let Some(reply) = served {
            return self.end_wait(connection, reply);
        }
        if is_promised {
            // The core with the element takes it for this connection, whatever has become of that.
            return;
        }
        if session.gone || session.end_of_input {
            return self.give_up(connection);
        }
        if let Some(deadline_ms) = deadline_ms {
            self.deadlines.insert((deadline_ms, connection.index, connection.generation));
        }
    }

    /// Rechecks waiters whose alarm is due, and ends the waits whose deadline has passed. Called once a turn.
    pub fn end_overdue_waits(&mut self) {
        if self.waiters.overdue(self.state.now_ms).is_some() {
            self.ring_alarms();
        }
        while let Some(&(deadline_ms, index, generation)) = self.deadlines.first()
            && deadline_ms <= self.state.now_ms
        {
            self.deadlines.pop_first();
            self.time_out(ConnectionId { index, generation });
        }
    }

    fn ring_alarms(&mut self) {
        while let Some(id) = self.waiters.overdue(self.state.now_ms) {
            set_alarm(&self.state, &mut self.waiters, id);
            let waiter = self.waiters.get(id).expect("who has an alarm waits");
            let db = waiter.request().1.db;
            waiter.keys().iter().for_each(|key| self.state.keyspace.wake_key(db, key));
        }
        self.settle_letters();
    }

    /// When there is the next of them, Unix milliseconds.
    pub fn next_deadline_ms(&self) -> Option<i64> {
        let next_end = self.deadlines.first().map(|&(deadline_ms, ..)| deadline_ms);
        next_end.into_iter().chain(self.waiters.next_alarm_ms()).min()
    }

    /// The wait of a connection ends without an element, unless it was promised one.
    pub fn time_out(&mut self, connection: ConnectionId) {
        // Who is unblocked has been told so: it hears that.
        if self.is_blocked(connection) && self.session(connection).unblocked.is_none() {
            self.end_without(connection, Unblock::Timeout);
            self.settle_letters();
        }
    }

    /// CLIENT UNBLOCK has chosen this connection.
    pub(super) fn unblock(&mut self, connection: ConnectionId, how: Unblock) {
        self.end_without(connection, how);
    }

    fn end_without(&mut self, connection: ConnectionId, how: Unblock) {
        let session = self.session(connection);
        let command = session.gather.as_ref().expect("its reply is gathered").command;
        let blocking = command.row.blocking.expect("only such commands wait");
        let (mut bytes, asker) = (Vec::new(), session.asker());
        let reply = &mut Reply::new(&mut bytes, asker.protocol);
        let outcome = match how {
            Unblock::Timeout => {
                (blocking.nothing)(reply);
                Outcome::Replied
            }
            Unblock::Error => {
                reply.error(b"UNBLOCKED client unblocked via CLIENT UNBLOCK");
                Outcome::Failed
            }
        };
        self.state.recorder.ended(&asker, self.state.now_us);
        self.end_wait(connection, ServedReply { outcome, bytes });
    }

    /// The connection is gone, or half of it.
    pub(super) fn give_up(&mut self, connection: ConnectionId) {
        let asker = self.session(connection).asker();
        self.state.recorder.ended(&asker, self.state.now_us);
        self.forget_wait(connection, None);
        let session = self.session(connection);
        session.gather = None;
        if session.gone {
            self.bury(connection);
        } else {
            self.sessions.close(connection, Closing::Now);
        }
    }

    /// Whether the session waits, is promised nothing, and all cores know of it.
    pub(super) fn is_blocked(&mut self, connection: ConnectionId) -> bool {
        let wait = self.sessions.get(connection).and_then(|session| session.wait.as_ref());
        wait.is_some_and(|wait| wait.part.is_some() && !wait.is_promised)
    }

    fn end_wait(&mut self, connection: ConnectionId, reply: ServedReply) {
        let part = self.forget_wait(connection, None).expect("the wait has begun");
        self.deliver(connection, Address::Part(part), Answered::Ran(reply.outcome), &reply.bytes);
    }

    /// Tells the cores of the keys, but for one that knows, that the request waits no longer; gives the part that is its reply.
    fn forget_wait(&mut self, connection: ConnectionId, knows: Option<CoreId>) -> Option<u32> {
        let session = self.session(connection);
        let wait = session.wait.take()?;
        // It may have ended in another way before CLIENT UNBLOCK had its turn.
        session.unblocked = None;
        if let Some(deadline_ms) = wait.deadline_ms {
            self.deadlines.remove(&(deadline_ms, connection.index, connection.generation));
        }
        for core in wait.cores {
            if Some(core) != knows {
                self.post(core, Letter::Forget { connection, wait: wait.number });
            }
        }
        wait.part
    }

    /// Whether a connection of this core still waits; if so it is promised the element that it was asked for.
    fn promise(&mut self, connection: ConnectionId, number: u32) -> bool {
        let Some(session) = self.sessions.get(connection) else { return false };
        if session.gone || session.closing == Closing::Now || session.unblocked.is_some() {
            return false;
        }
        let Some(wait) = session.wait.as_mut().filter(|wait| wait.number == number) else { return false };
        !std::mem::replace(&mut wait.is_promised, true)
    }

    /// A key is ready on another core. `runs_again`: it is not given the element, but tries to get it.
    pub(super) fn on_offer(
        &mut self,
        from: CoreId,
        connection: ConnectionId,
        wait: u32,
        id: TransactionId,
        runs_again: bool,
    ) {
        let accepted = self.promise(connection, wait);
        self.post(from, Letter::Answer { id, accepted });
        if accepted && runs_again {
            self.try_again(connection);
        }
    }

    /// Who waits has been promised that there is something.
    fn try_again(&mut self, connection: ConnectionId) {
        let wait = self.session(connection).wait.as_mut().expect("it has just accepted");
        if wait.part.is_some() {
            self.run_again(connection);
        } else {
            // Other cores have not said yet that it waits.
            wait.runs_again = true;
        }
    }

    /// The element that was promised.
    pub(super) fn on_served(&mut self, connection: ConnectionId, reply: ServedReply) {
        let Some(session) = self.sessions.get(connection) else { return };
        let wait = session.wait.as_mut().expect("who was promised an element waits for it");
        if wait.part.is_some() {
            self.end_wait(connection, reply);
        } else {
            wait.served = Some(reply);
        }
    }

    /// A wait is over.
    pub(super) fn forget(&mut self, id: WaiterId) {
        self.remove_waiter(id);
    }

    fn remove_waiter(&mut self, id: WaiterId) {
        if let Some(waiter) = self.take_out(id) {
            let Engine { state, claims, servings, .. } = self;
            // Whatever key it waited for: it may be reached by moves.
            state.recorder.forgotten(waiter, claims.unserved(), servings.keys().copied(), state.now_us);
        }
    }

    fn take_out(&mut self, id: WaiterId) -> Option<Waiter> {
        let waiter = self.waiters.remove(id)?;
        let db = waiter.request().1.db;
        waiter.keys().iter().for_each(|key| self.state.keyspace.unawait_key(db, key));
        Some(waiter)
    }

    /// A claim is granted under which keys may be written from which others wait to move elements on: it gets the locks of those keys
    /// as well, as far as nobody else has them. What is moved to others runs again.
    pub(super) fn extend_for_moves(&mut self, id: TransactionId) {
        for hash in self.waiters.reached_under(self.claims.locks().footprint(id)) {
            self.claims.extend(id, hash);
        }
    }

    /// Serves those who wait for the changed keys. `may_serve_all`: the token is held for it already. True: all is done; else it goes on with an answer, and the claim must
    /// stay.
    pub(super) fn serve_waiters(
        &mut self,
        id: TransactionId,
        keys: Vec<ChangedKey>,
        by: Option<Asker>,
        now_us: i64,
        may_serve_all: bool,
    ) -> bool {
        self.claims.note_granted(id, now_us);
        self.follow_floor();
        self.state.recorder.serving_starts(id);
        let serving = Serving { keys: keys.into(), asked: None, now_us, by, has_token: false };
        self.start_serving(id, serving, may_serve_all)
    }

    /// One after another: two that serve at once could each give away what the other was about to.
    fn start_serving(&mut self, id: TransactionId, mut serving: Serving, may_serve_all: bool) -> bool {
        let own_us = self.state.enter_time(serving.now_us);
        while let Some((db, key)) = serving.keys.front().cloned() {
            self.note_missed(id, db, &key, &serving);
            if self.ready_waiter(db, &key).is_some() {
                break;
            }
            serving.keys.pop_front();
        }
        self.state.leave_time(own_us);
        let Serving { keys, has_token, .. } = &mut serving;
        if keys.is_empty() {
            self.state.recorder.serving_ends(id);
            if *has_token {
                self.post(KEEPER, Letter::TokenReturn(id));
            }
            return true;
        }
        let reached = self.waiters.reached_from(keys.make_contiguous());
        let waiters = || reached.iter().flat_map(|(db, key)| self.waiters.of_key(*db, key));
        let spans_cores = || waiters().any(|id| self.waiters.get(id).is_some_and(Waiter::spans_cores));
        if !may_serve_all && !*has_token && spans_cores() {
            self.servings.insert(id, serving);
            self.post(KEEPER, Letter::TokenRequest { id, connection: None });
            return false;
        }
        if self.serving_now.is_some() {
            self.servings.insert(id, serving);
            self.serving_next.push_back(id);
            return false;
        }
        self.serving_now = Some(id);
        self.go_on_serving(id, serving)
    }

    /// The token is here for a unit.
    pub(super) fn on_token(&mut self, id: TransactionId) {
        let mut serving = self.servings.remove(&id).expect("who asked for the token waits for it");
        serving.has_token = true;
        if self.start_serving(id, serving, false) {
            // Whom it was wanted for has been served by others meanwhile.
            self.end_serving(id);
            self.serve_next();
        }
    }

    /// Somebody wants the token, or returns it.
    pub(super) fn pass_token(&mut self, next: Option<Applicant>) {
        if let Some(Applicant { core, id, connection }) = next {
            self.post(core, Letter::Token { id, connection });
        }
    }

    /// The next who waits for its turn to serve.
    fn serve_next(&mut self) {
        while self.serving_now.is_none()
            && let Some(id) = self.serving_next.pop_front()
        {
            let serving = self.servings.remove(&id).expect("who waits for its turn serves then");
            self.serving_now = Some(id);
            if self.go_on_serving(id, serving) {
                self.end_serving(id);
            }
        }
    }

    fn go_on_serving(&mut self, id: TransactionId, mut serving: Serving) -> bool {
        let own_us = self.state.enter_time(serving.now_us);
        let done = loop {
            let Some((db, key)) = serving.keys.front().cloned() else { break true };
            self.note_missed(id, db, &key, &serving);
            let Some(waiter) = self.ready_waiter(db, &key) else {
                serving.keys.pop_front();
                continue;
            };
            let runs_again = self.must_run_again(id, waiter);
            let asker = self.waiters.get(waiter).expect("it was found just now").request().1;
            if waiter.origin != self.state.core {
                let WaiterId { connection, wait, origin } = waiter;
                self.post(origin, Letter::Offer { connection, wait, id, runs_again });
                serving.asked = Some((waiter, asker, runs_again));
                break false;
            }
            match self.promise(waiter.connection, waiter.wait) {
                true if runs_again => {
                    self.take_out(waiter);
                    self.try_again(waiter.connection);
                }
                true => self.take_for(id, waiter, &key, &mut serving),
                false => self.decline(waiter, asker, &serving),
            }
        };
        self.state.leave_time(own_us);
        if done {
            self.state.recorder.serving_ends(id);
            self.serving_now = None;
            if serving.has_token {
                self.post(KEEPER, Letter::TokenReturn(id));
            }
        } else {
            self.servings.insert(id, serving);
        }
        done
    }

    /// Whom a key was offered has decided.
    pub(super) fn on_answer(&mut self, id: TransactionId, accepted: bool) {
        let mut serving = self.servings.remove(&id).expect("an answer belongs to an offer");
        let (waiter, asker, runs_again) = serving.asked.take().expect("an answer belongs to an offer");
        if accepted && runs_again {
            self.take_out(waiter);
        } else if accepted {
            let (_, key) = serving.keys.front().cloned().expect("a key was offered");
            let own_us = self.state.enter_time(serving.now_us);
            self.take_for(id, waiter, &key, &mut serving);
            self.state.leave_time(own_us);
        } else {
            self.decline(waiter, asker, &serving);
        }
        if self.go_on_serving(id, serving) {
            self.end_serving(id);
            self.serve_next();
        }
    }

    /// Whether a key has something for one of those who wait for it.
    pub(super) fn is_waited_for(&mut self, db: u16, key: &[u8]) -> bool {
        self.ready_waiter(db, key).is_some()
    }

    /// The first of those who wait for a key for whom it is ready.
    fn ready_waiter(&mut self, db: u16, key: &[u8]) -> Option<WaiterId> {
        let Engine { state, waiters, .. } = self;
        waiters.of_key(db, key).into_iter().find(|&id| {
            let waiter = waiters.get(id).expect("who stands in a queue waits");
            let (command, asker, args) = waiter.request();
            let context = &mut ShardContext { state, db: asker.db, touch: asker.touch, command };
            let is_wanted = is_wanted(context, args, key);
            if !is_wanted && waiter.has_alarm() {
                set_alarm(state, waiters, id);
            }
            is_wanted
        })
    }

    /// Whether a waiter moves what it gets to a key that this claim has not locked.
    fn must_run_again(&self, claim: TransactionId, waiter: WaiterId) -> bool {
        match self.waiters.get(waiter).expect("it was found just now").moves() {
            None => false,
            Some(Destination::Elsewhere) => true,
            Some(Destination::Here(key)) => {
                let hash = lock_hash(key);
                !self.claims.locks().footprint(claim).writes(|locked| locked == hash)
            }
        }
    }

    /// The claim is over under which waiters were served: now they may know, and whoever hears of it.
    pub(super) fn tell_served(&mut self, claim: TransactionId) {
        for (waiter, reply) in self.served.remove(&claim).unwrap_or_default() {
            self.post(waiter.origin, Letter::Served { connection: waiter.connection, reply });
        }
    }

    /// Takes from a key for a waiter, who waits no longer. What that changes is looked at as well.
    fn take_for(&mut self, claim: TransactionId, id: WaiterId, key: &[u8], serving: &mut Serving) {
        let Engine { state, waiters, .. } = self;
        let waiter = waiters.get(id).expect("who is served waits");
        let (command, asker, args) = waiter.request();
        state.recorder.served(&asker, serving.by.as_ref(), state.now_us);
        let key_at = command.row.key_indexes(args).find(|&index| args.get(index) == key);
        let key_at = key_at.expect("the key is one of the request's") as u32;
        let mut bytes = Vec::new();
        let outcome = run(state, Reach::Shard, Call { task: Task::Serve { key_at }, asker, command, args }, &mut bytes);
        self.remove_waiter(id);
        // Right behind this key, so that it does not matter which keys of other cores are behind it.
        let first = serving.keys.front().cloned().expect("it is being served");
        let (effects, awaited) = self.take_effects();
        self.tell_readers(UnitEffects { by: Some(asker), effects });
        for (number, change) in awaited.into_iter().filter(|change| *change != first).enumerate() {
            serving.keys.retain(|other| *other != change);
            serving.keys.insert((number + 1).min(serving.keys.len()), change);
        }
        self.served.entry(claim).or_default().push((id, ServedReply { outcome, bytes }));
    }

    /// The waiter declined; its Forget may have arrived first.
    fn decline(&mut self, id: WaiterId, asker: Asker, serving: &Serving) {
        self.state.recorder.declined(&asker, serving.by.as_ref(), self.state.now_us);
        self.remove_waiter(id);
    }

    /// Notes for the simulator which waiters would be served by a key now, had their waits not ended.
    fn note_missed(&mut self, id: TransactionId, db: u16, key: &[u8], serving: &Serving) {
        let Engine { state, .. } = self;
        for waiter in state.recorder.forgotten_under(id) {
            let (command, asker, args) = waiter.request();
            if asker.db != db || !waiter.keys().iter().any(|own| own.as_ref() == key) {
                continue;
            }
            let context = &mut ShardContext { state, db, touch: asker.touch, command };
            if is_wanted(context, args, key) {
                state.recorder.declined(&asker, serving.by.as_ref(), state.now_us);
            }
        }
    }
}

/// A request waits on this core from now on, if one of its awaited keys is here.
pub(super) fn add_waiter(
    state: &mut CoreState,
    waiters: &mut Waiters,
    origin: CoreId,
    request: &Request,
    args: Args<'_>,
) {
    let (asker, command) = (request.asker(), request.command);
    let id = WaiterId { origin, connection: asker.connection, wait: request.wait };
    let args = match request.task {
        Task::ApplyOrWait { fetched } => args.range(0..args.len() - fetched as usize),
        _ => args,
    };
    let blocking = command.row.blocking.expect("the row says how it waits");
    let (here, elsewhere): (Vec<AwaitedKey<'_>>, Vec<AwaitedKey<'_>>) =
        blocking.awaited(command, args).partition(|key| state.owner(key.name) == state.core);
    if here.is_empty() {
        return;
    }
    let mut words: Vec<Cow<'_, [u8]>> = args.iter().map(Cow::Borrowed).collect();
    if let Some(pin) = blocking.pin {
        for &key in &here {
            let context = &mut ShardContext { state, db: asker.db, touch: asker.touch, command };
            if let Some((index, pinned)) = pin(context, args, key) {
                words[index] = Cow::Owned(pinned);
            }
        }
    }
    let mut keys: Vec<Box<[u8]>> = here.iter().map(|key| Box::from(key.name)).collect();
    keys.sort_unstable();
    keys.dedup();
    keys.iter().for_each(|key| state.keyspace.await_key(asker.db, key));
    let moves = matches!(blocking.serves, Serves::Move(_)).then(|| {
        let index = command.row.key_indexes(args).nth(1).expect("what moves has a destination");
        let destination = args.get(index);
        if state.owner(destination) == state.core {
            Destination::Here(destination.into())
        } else {
            Destination::Elsewhere
        }
    });
    let place = WaiterPlace { keys, spans_cores: !elsewhere.is_empty(), moves };
    waiters.add(id, asker, command, words.iter().map(|word| &word[..]), place);
    if blocking.due.is_some() {
        set_alarm(state, waiters, id);
    }
}

/// Sets when a waiter is to look at its keys again, as they are now.
fn set_alarm(state: &CoreState, waiters: &mut Waiters, id: WaiterId) {
    let waiter = waiters.get(id).expect("it waits");
    let (command, asker, args) = waiter.request();
    let blocking = waiter.blocking();
    let own = blocking.awaited(command, args).filter(|key| state.owner(key.name) == state.core);
    let due = blocking.due.expect("only such waiters have alarms");
    let alarm_ms = own.filter_map(|key| due(state, asker.db, args, key)).min();
    waiters.set_alarm(id, alarm_ms);
}
