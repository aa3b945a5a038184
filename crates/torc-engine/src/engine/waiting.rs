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

use super::Engine;
use super::dispatch::Flow;
use super::execute;
use crate::command::blocking::{apply, ask, is_wanted, take_changed, take_now};
use crate::command::{AwaitedKey, Command, Fetched, Serves};
use crate::error::CommandError;
use crate::message::{Asker, Batch, ReplyTo};
use crate::route::CoreId;
use crate::session::{Closing, CommandQueue, ConnectionId, Unblock};
use crate::shard::ShardContext;
use crate::state::CoreState;
#[cfg(feature = "simulation")]
use crate::transaction::Claim;
use crate::transaction::token::{Applicant, KEEPER};
use crate::transaction::waiters::{Destination, Waiter, WaiterPlace};
use crate::transaction::{ChangedKey, Letter, TransactionId, WaiterId, Waiters, lock_hash};

/// The reply of a core that has made the request wait; nothing that a client sees begins so.
pub(super) const WAITING: &[u8] = b"\0";

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
    /// Who waited for one of the keys until now.
    #[cfg(feature = "simulation")]
    forgotten: Vec<std::rc::Rc<Waiter>>,
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
        execute::count_call(&mut self.state, command);
        let session = self.session(connection);
        session.commands += 1;
        session.last_command = command.full_name;
        session.may_wait(cores, deadline_ms);
        self.begin(connection, command, CommandQueue::of(command, args), false);
        Flow::Next
    }

    /// A request that waits to move something to a key that nobody has locked for it is told that there is something: it runs
    /// again, as if it had come just now, and goes on waiting if others were faster. The core that told it waits for it no longer.
    fn run_again(&mut self, connection: ConnectionId) {
        self.note_retry(connection);
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
            return self.end_wait(connection, &reply);
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

    /// Lets those look at their keys again for whom time may have brought something, and ends the waits whose time is over. Called once a
    /// turn.
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
        let (mut encoded, protocol) = (Vec::new(), session.protocol);
        match how {
            Unblock::Timeout => (blocking.nothing)(&mut Reply::new(&mut encoded, protocol)),
            Unblock::Error => {
                let error = CommandError::fixed("UNBLOCKED client unblocked via CLIENT UNBLOCK");
                Reply::new(&mut encoded, protocol).error(error.text());
                self.state.count_failure(command, &error);
            }
        }
        self.note_end(connection);
        self.end_wait(connection, &encoded);
    }

    /// The connection is gone, or half of it.
    pub(super) fn give_up(&mut self, connection: ConnectionId) {
        self.note_end(connection);
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

    fn end_wait(&mut self, connection: ConnectionId, reply: &[u8]) {
        let part = self.forget_wait(connection, None).expect("the wait has begun");
        self.deliver(connection, ReplyTo::Part(part), reply);
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
    pub(super) fn on_served(&mut self, connection: ConnectionId, reply: Vec<u8>) {
        let Some(session) = self.sessions.get(connection) else { return };
        let wait = session.wait.as_mut().expect("who was promised an element waits for it");
        if wait.part.is_some() {
            self.end_wait(connection, &reply);
        } else {
            wait.served = Some(reply);
        }
    }

    /// A wait is over.
    pub(super) fn forget(&mut self, id: WaiterId) {
        self.remove_waiter(id);
    }

    fn remove_waiter(&mut self, id: WaiterId) {
        let _waiter = self.take_out(id);
        #[cfg(feature = "simulation")]
        if let Some(waiter) = _waiter {
            self.note_forgotten(waiter);
        }
    }

    fn take_out(&mut self, id: WaiterId) -> Option<Waiter> {
        let waiter = self.waiters.remove(id)?;
        let db = waiter.request().1.db;
        waiter.keys().iter().for_each(|key| self.state.keyspace.unawait_key(db, key));
        Some(waiter)
    }

    /// Runs the next request of a batch, which takes from a key of this core or waits.
    pub(super) fn take_or_wait(&mut self, origin: CoreId, batch: &mut Batch) {
        let Engine { state, waiters, .. } = self;
        batch.execute_next(|request, args, out| {
            let (asker, command, start) = (request.asker(), request.command, out.len());
            state.note_run(&asker);
            let blocking = command.row.blocking.expect("the row says how it waits");
            let (wait, fetched) = match request.reply_to {
                ReplyTo::TakeOrWait { wait, .. } => (wait, None),
                ReplyTo::ApplyOrWait { wait, fetched, .. } => (wait, Some(fetched as usize)),
                _ => unreachable!("it may wait"),
            };
            let own = args.range(0..args.len() - fetched.unwrap_or(0));
            let context = &mut ShardContext { state, db: asker.db, touch: asker.touch, command };
            let reply = &mut Reply::new(out, asker.protocol);
            let taken = match fetched.map(|_| Fetched(args.from(own.len()))) {
                None => take_now(context, own, reply),
                Some(fetched) if !blocking.has_something(fetched) => {
                    ask(context, own);
                    Ok(false)
                }
                Some(fetched) => apply(context, own, fetched, reply).map(|()| true),
            };
            state.keyspace.settle_changes(taken.is_err());
            match taken {
                Ok(true) => {}
                Ok(false) => {
                    out.truncate(start);
                    out.extend_from_slice(WAITING);
                    let id = WaiterId { origin, connection: asker.connection, wait };
                    add_waiter(state, waiters, id, asker, command, own);
                }
                Err(error) => {
                    out.truncate(start);
                    Reply::new(out, asker.protocol).error(error.text());
                }
            }
        });
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
        #[cfg(feature = "simulation")]
        let forgotten = match self.claims.get(id) {
            Some(Claim::Transaction { forgotten, .. }) => std::mem::take(forgotten),
            _ => Vec::new(),
        };
        let serving = Serving {
            keys: keys.into(),
            asked: None,
            now_us,
            by,
            has_token: false,
            #[cfg(feature = "simulation")]
            forgotten,
        };
        self.start_serving(id, serving, may_serve_all)
    }

    /// One after another: two that serve at once could each give away what the other was about to.
    fn start_serving(&mut self, id: TransactionId, mut serving: Serving, may_serve_all: bool) -> bool {
        let own_us = self.state.enter_time(serving.now_us);
        while let Some((db, key)) = serving.keys.front().cloned() {
            #[cfg(feature = "simulation")]
            self.note_missed(db, &key, &serving);
            if self.ready_waiter(db, &key).is_some() {
                break;
            }
            serving.keys.pop_front();
        }
        self.state.leave_time(own_us);
        let Serving { keys, has_token, .. } = &mut serving;
        if keys.is_empty() {
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
            #[cfg(feature = "simulation")]
            self.note_missed(db, &key, &serving);
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
        let waiter = self.waiters.get(id).expect("who is served waits");
        let (command, asker, args) = waiter.request();
        self.state.note_service(&asker, serving.by.as_ref(), true);
        let mut encoded = Vec::new();
        let context = &mut ShardContext { state: &mut self.state, db: asker.db, touch: asker.touch, command };
        let taken = take_changed(context, args, key, &mut Reply::new(&mut encoded, asker.protocol));
        self.state.keyspace.settle_changes(taken.is_err());
        if let Err(error) = taken {
            encoded.clear();
            Reply::new(&mut encoded, asker.protocol).error(error.text());
            self.state.count_failure(command, &error);
        }
        self.remove_waiter(id);
        // Right behind this key, so that it does not matter which keys of other cores are behind it.
        let first = serving.keys.front().cloned().expect("it is being served");
        let changes = self.state.keyspace.take_changes().into_iter().filter(|change| *change != first);
        for (number, change) in changes.enumerate() {
            serving.keys.retain(|other| *other != change);
            serving.keys.insert((number + 1).min(serving.keys.len()), change);
        }
        self.served.entry(claim).or_default().push((id, encoded));
    }

    /// Who was asked waits no longer; that it is forgotten here may have come before its answer.
    fn decline(&mut self, id: WaiterId, asker: Asker, serving: &Serving) {
        self.state.note_service(&asker, serving.by.as_ref(), false);
        self.remove_waiter(id);
    }

    /// Notes that a wait is known to be over here: what runs from now on comes after its end; and so does what is being
    /// served, if there is still something for it when its turn comes.
    #[cfg(feature = "simulation")]
    fn note_forgotten(&mut self, waiter: Waiter) {
        let waiter = std::rc::Rc::new(waiter);
        self.state.note(crate::journal::EventKind::Forgotten(waiter.request().1.request));
        // Whatever key it waited for: it may be reached by moves.
        self.servings.values_mut().for_each(|serving| serving.forgotten.push(std::rc::Rc::clone(&waiter)));
        for claim in self.claims.iter_mut() {
            if let Claim::Transaction { unserved, forgotten, .. } = claim
                && !unserved.is_empty()
            {
                forgotten.push(std::rc::Rc::clone(&waiter));
            }
        }
    }

    /// Notes who would have been served by a key now, had its wait not ended.
    #[cfg(feature = "simulation")]
    fn note_missed(&mut self, db: u16, key: &[u8], serving: &Serving) {
        for waiter in &serving.forgotten {
            let (command, asker, args) = waiter.request();
            if asker.db != db || !waiter.keys().iter().any(|own| own.as_ref() == key) {
                continue;
            }
            let context = &mut ShardContext { state: &mut self.state, db, touch: asker.touch, command };
            if is_wanted(context, args, key) {
                self.state.note_service(&asker, serving.by.as_ref(), false);
            }
        }
    }

    /// Notes for the simulator that a wait ends without an element; nothing in a server.
    fn note_end(&mut self, _connection: ConnectionId) {
        #[cfg(feature = "simulation")]
        {
            let request = self.session(_connection).asker().request;
            self.state.note(crate::journal::EventKind::Ended(request));
        }
    }

    /// Notes for the simulator that a request begins to wait anew; nothing in a server.
    fn note_retry(&mut self, _connection: ConnectionId) {
        #[cfg(feature = "simulation")]
        {
            let request = self.session(_connection).asker().request;
            self.state.note(crate::journal::EventKind::Retried(request));
        }
    }
}

/// A request waits on this core from now on, if one of its awaited keys is here.
fn add_waiter(
    state: &mut CoreState,
    waiters: &mut Waiters,
    id: WaiterId,
    asker: Asker,
    command: &'static Command,
    args: Args<'_>,
) {
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
