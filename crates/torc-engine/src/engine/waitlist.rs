//! The waitlist: who waits for keys of this core, and who of them is served what by whom.
//!
//! ```text
//!   a serving     Starts --no key is ready for anybody------------------------------------> done
//!                   |  \--waiters of several cores, no token--> AwaitsToken --Token--> Starts
//!                   |--another serving has its turn--> AwaitsTurn --\
//!                   v                                               v
//!                 Serves: the waiters of the changed keys, oldest first <--Answer-- Asks
//!                   |  \--the waiter is a connection of another core: Offer--------^
//!                   |   \--it runs its request again: the engine begins that, and goes on
//!                   v
//!                 done: the claim may end, and with it leave the replies
//! ```
//! One serving at a time has its turn: two that serve at once could each give away what the other was about to.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap, VecDeque};
use std::rc::Rc;

use torc_resp::{Args, OutputBuffer};

use super::participant::Participant;
use super::{Engine, RoleContext, Roles};
use crate::asker::{Asker, ConnectionId};
use crate::command::blocking::is_wanted;
use crate::command::{AwaitedKey, Command, Serves};
use crate::mesh::Outbox;
use crate::message::Request;
use crate::recorder::Forgotten;
use crate::route::CoreId;
use crate::run::{Call, Reach, Task, run};
use crate::session::OfferAnswer;
use crate::shard::ShardContext;
use crate::state::CoreState;
use crate::task::ServedReply;
use crate::transaction::token::{Applicant, KEEPER, Token};
use crate::transaction::waiters::{Destination, Waiter, WaiterPlace};
use crate::transaction::{
    ChangedKey, Footprint, ToConnection, ToCoordinator, ToWaitlist, TransactionId, WaiterId, Waiters, lock_hash,
};

/// See the head of the file.
#[derive(Default)]
pub(super) struct Waitlist {
    /// Requests that wait for a key of this core.
    waiters: Waiters,
    /// Servings that go on with a message, or with their turn, by the claim of what changed the keys.
    servings: HashMap<TransactionId, Serving>,
    /// Whose turn it is, and those who come after that.
    turn: Option<TransactionId>,
    next_turns: VecDeque<TransactionId>,
    /// On the core that keeps it: the serving token.
    token: Token,
    /// The replies of waiters that were served, until the claim ends under which they were.
    served: HashMap<TransactionId, Vec<(WaiterId, ServedReply)>>,
    /// Keys that somebody waits for and that have expired, until they are looked at.
    expired: Vec<ChangedKey>,
    /// When the waits of this core's connections are over.
    deadlines: Deadlines,
    /// For the simulator: waits that ended too early to be served.
    forgotten: Forgotten<TransactionId, Waiter>,
}

/// When what connections of a core wait for is over, Unix milliseconds: waits for a key, or before a login.
#[derive(Default)]
pub(super) struct Deadlines {
    by_time: BTreeSet<(i64, ConnectionId)>,
}

/// Waiters to be served, under the claim of what changed their keys.
pub(super) struct ToServe {
    /// The claim.
    pub id: TransactionId,
    /// The keys, in the order of their changes.
    pub keys: Vec<ChangedKey>,
    /// Who asked for what changed the keys; `None`: they have expired.
    pub by: Option<Asker>,
    /// The time of what changed the keys, Unix microseconds.
    pub now_us: i64,
    /// The coordinator holds the serving token for it.
    pub has_token: bool,
}

/// The waiters of changed keys being served.
struct Serving {
    /// Keys whose waiters have not all been looked at.
    keys: VecDeque<ChangedKey>,
    now_us: i64,
    by: Option<Asker>,
    /// Who has the serving token for it.
    token: TokenHolder,
    state: ServingState,
}

/// Who has the serving token for a serving.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TokenHolder {
    /// Nobody.
    None,
    /// The coordinator of the transaction, which returns it.
    Coordinator,
    /// The serving, which is to return it.
    Serving,
}

/// Where a serving stands; the head of the file draws it.
#[derive(Debug, Clone, Copy)]
enum ServingState {
    Starts,
    AwaitsToken,
    AwaitsTurn,
    Serves,
    Asks(Offered),
}

/// To whom the first key of a serving is offered.
#[derive(Debug, Clone, Copy)]
struct Offered {
    waiter: WaiterId,
    /// The request with which it waits.
    asker: Asker,
    /// It is not served, but runs its request again.
    runs_again: bool,
}

/// How a serving goes on.
#[must_use]
pub(super) enum Step {
    /// Nobody is left to be served: the claim may end.
    Done,
    /// With a message, or when its turn comes.
    Suspended,
    /// At once, after this connection of the same core has run its request again.
    RunsAgain {
        /// The connection.
        connection: ConnectionId,
        /// The time at which it does, Unix microseconds.
        now_us: i64,
    },
    /// At once, after the wait of this connection of the same core has ended: its client has left.
    GivesUp {
        /// The connection.
        connection: ConnectionId,
    },
}

impl Engine {
    /// A message to this core as an owner of keys that somebody waits for, or as the keeper of the token.
    pub(super) fn on_waitlist_message(&mut self, from: CoreId, message: ToWaitlist) {
        let Roles { mut core, participant, waitlist, .. } = self.roles();
        let core = &mut core;
        match message {
            ToWaitlist::Answer { id, accepted } => {
                let step = waitlist.on_answer(core, participant, id, accepted);
                self.follow_serving(id, step);
            }
            ToWaitlist::Token(id) => {
                let step = waitlist.on_token(core, participant, id);
                self.follow_serving(id, step);
            }
            ToWaitlist::Forget { connection, wait } => {
                waitlist.remove(core.state, participant, WaiterId { origin: from, connection, wait });
            }
            ToWaitlist::TokenRequest { id, connection } => {
                let next = waitlist.token(core.state.core).apply(Applicant { core: from, id, connection });
                pass_token(core.outbox, next);
            }
            ToWaitlist::TokenReturn(id) => {
                let next = waitlist.token(core.state.core).take_back(id);
                pass_token(core.outbox, next);
            }
        }
    }

    /// Serves those who wait for what a unit or transaction has changed, if it has; its claim stays until that is done.
    pub(super) fn serve_waiters(&mut self, to_serve: Option<ToServe>) {
        let Some(to_serve) = to_serve else { return };
        let id = to_serve.id;
        let Roles { mut core, participant, waitlist, .. } = self.roles();
        participant.begin_serving(core.state, &to_serve);
        let step = waitlist.begin_serving(&mut core, participant, to_serve);
        self.follow_serving(id, step);
    }

    /// Carries a serving on, and those whose turn comes then.
    fn follow_serving(&mut self, mut id: TransactionId, mut step: Step) {
        loop {
            match step {
                Step::Suspended => return,
                Step::RunsAgain { connection, now_us } => {
                    let own_us = self.state.enter_time(now_us);
                    self.try_again(connection);
                    self.state.leave_time(own_us);
                }
                Step::GivesUp { connection } => self.end_input(connection),
                Step::Done => {
                    let Roles { mut core, participant, waitlist, .. } = self.roles();
                    participant.end_serving(&mut core, waitlist, id);
                    let Some(next) = waitlist.next_turn() else { return };
                    id = next;
                }
            }
            let Roles { mut core, participant, waitlist, .. } = self.roles();
            step = waitlist.go_on(&mut core, participant, id);
        }
    }
}

impl Waitlist {
    /// Whether nobody waits here.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.waiters.is_empty()
    }

    /// Whether nothing is left of any serving.
    pub fn is_idle(&self) -> bool {
        self.servings.is_empty() && self.turn.is_none() && self.served.is_empty() && self.token.is_idle()
    }

    /// Whether somebody may wait for a key that is written under these locks.
    pub fn concern(&self, footprint: &Footprint) -> bool {
        self.waiters.concern(footprint)
    }

    /// Who waits, only to look at.
    pub fn waiters(&self) -> &Waiters {
        &self.waiters
    }

    /// Whether waiters are being served under this claim.
    pub fn serves(&self, id: TransactionId) -> bool {
        self.servings.contains_key(&id) || self.turn == Some(id)
    }

    /// When the waits of this core's connections are over.
    pub fn deadlines(&mut self) -> &mut Deadlines {
        &mut self.deadlines
    }

    /// When the next waiter is to be rechecked, or the next wait is over, Unix milliseconds.
    pub fn next_due_ms(&self, rings: bool) -> Option<i64> {
        let alarm_ms = self.waiters.next_alarm_ms().filter(|_| rings);
        self.deadlines.next_ms().into_iter().chain(alarm_ms).min()
    }

    /// Whether nobody waits here, and no connection of this core for another.
    pub fn nobody_waits(&self) -> bool {
        self.waiters.is_empty() && self.deadlines.by_time.is_empty()
    }

    /// Keys for which somebody waits have expired.
    pub fn note_expired(&mut self, keys: impl Iterator<Item = ChangedKey>) {
        self.expired.extend(keys);
    }

    /// Whether keys for which somebody waits have expired and were not looked at.
    #[inline]
    pub fn has_expired(&self) -> bool {
        !self.expired.is_empty()
    }

    /// Takes these keys.
    pub fn take_expired(&mut self) -> Vec<ChangedKey> {
        std::mem::take(&mut self.expired)
    }

    /// A request waits on this core from now on, if one of its awaited keys is here.
    pub fn add_waiter(&mut self, state: &mut CoreState, origin: CoreId, request: &Request, args: Args<'_>) {
        add_waiter(state, &mut self.waiters, origin, request, args);
    }

    /// A wait is over.
    fn remove(&mut self, state: &mut CoreState, participant: &Participant, id: WaiterId) {
        if let Some(waiter) = self.take_out(state, id) {
            // Whatever key it waited for: it may be reached by moves.
            state.recorder.forgotten(&waiter.request().1, state.now_us);
            let servings = self.servings.keys().copied();
            self.forgotten.add(waiter, participant.claims().unserved(), servings);
        }
    }

    fn take_out(&mut self, state: &mut CoreState, id: WaiterId) -> Option<Waiter> {
        let waiter = self.waiters.remove(id)?;
        let db = waiter.request().1.db;
        waiter.keys().iter().for_each(|key| state.keyspace.unawait_key(db, key));
        state.awaited_on_nokey = self.waiters.keys_on_nokey();
        Some(waiter)
    }

    /// Waiters whose alarm is due are to look again at their keys.
    pub fn ring_alarms(&mut self, state: &mut CoreState) {
        while let Some(id) = self.waiters.overdue(state.now_ms) {
            set_alarm(state, &mut self.waiters, id);
            let waiter = self.waiters.get(id).expect("who has an alarm waits");
            let db = waiter.request().1.db;
            waiter.keys().iter().for_each(|key| state.keyspace.wake_key(db, key));
        }
    }

    /// All waiters are to look again at their keys.
    pub fn wake_all(&self, state: &mut CoreState) {
        self.waiters.awaited_keys().for_each(|(db, key)| state.keyspace.wake_key(*db, key));
    }

    /// Whether an alarm is due.
    pub fn has_overdue(&self, now_ms: i64) -> bool {
        self.waiters.overdue(now_ms).is_some()
    }

    /// The token, which one core keeps.
    fn token(&mut self, own: CoreId) -> &mut Token {
        assert_eq!(own, KEEPER, "one core keeps the token");
        &mut self.token
    }

    /// Whether a key has something for one of those who wait for it.
    pub fn is_waited_for(&mut self, state: &mut CoreState, db: u16, key: &[u8]) -> bool {
        self.ready_waiter(state, db, key).is_some()
    }

    /// The first of those who wait for a key for whom it is ready.
    fn ready_waiter(&mut self, state: &mut CoreState, db: u16, key: &[u8]) -> Option<WaiterId> {
        let waiters = &mut self.waiters;
        waiters.of_key(db, key).into_iter().find(|&id| {
            let waiter = waiters.get(id).expect("who stands in a queue waits");
            let (command, asker, args) = waiter.request();
            let context = &ShardContext::new(state, &asker, command);
            let is_wanted = is_wanted(context, args, key);
            if !is_wanted && waiter.has_alarm() {
                set_alarm(state, waiters, id);
            }
            is_wanted
        })
    }

    /// The claim is over under which waiters were served: now they may know, and whoever hears of it.
    pub fn tell_served(&mut self, outbox: &mut Outbox, claim: TransactionId) {
        assert!(!self.servings.contains_key(&claim), "replies leave when the serving is done");
        for (waiter, reply) in self.served.remove(&claim).unwrap_or_default() {
            outbox.post(waiter.origin, ToConnection::Served { connection: waiter.connection, reply });
        }
    }
}

/// Servings.
impl Waitlist {
    fn begin_serving(&mut self, core: &mut RoleContext<'_>, participant: &Participant, to_serve: ToServe) -> Step {
        let ToServe { id, keys, by, now_us, has_token } = to_serve;
        assert!(!self.serves(id), "what a claim has changed is served at one time");
        self.forgotten.serving_starts(id);
        // What ran may have taken long: what has expired since is nothing to serve.
        core.state.catch_up();
        let now_us = now_us.max(core.state.now_us);
        let token = if has_token { TokenHolder::Coordinator } else { TokenHolder::None };
        let serving = Serving { keys: keys.into(), now_us, by, token, state: ServingState::Starts };
        self.start(core, participant, id, serving)
    }

    /// The token is here for a unit.
    fn on_token(&mut self, core: &mut RoleContext<'_>, participant: &Participant, id: TransactionId) -> Step {
        let mut serving = self.servings.remove(&id).expect("who asked for the token waits for it");
        assert!(matches!(serving.state, ServingState::AwaitsToken), "the token goes to who asked for it");
        assert_eq!(serving.token, TokenHolder::None, "the token is asked for once");
        (serving.token, serving.state) = (TokenHolder::Serving, ServingState::Starts);
        self.start(core, participant, id, serving)
    }

    /// It gets its turn now, or waits for the token or its turn. Others may have served those for whom it began.
    fn start(
        &mut self,
        core: &mut RoleContext<'_>,
        participant: &Participant,
        id: TransactionId,
        mut serving: Serving,
    ) -> Step {
        assert!(matches!(serving.state, ServingState::Starts), "a serving starts once, and again with the token");
        let own_us = core.state.enter_time(serving.now_us);
        let first = self.next_waiter(core.state, id, &mut serving);
        core.state.leave_time(own_us);
        if first.is_none() {
            return self.finish(core, id, &serving);
        }
        let needs_token = serving.token == TokenHolder::None && self.spans_cores(&mut serving);
        if needs_token {
            core.outbox.post(KEEPER, ToWaitlist::TokenRequest { id, connection: None });
            return self.suspend(id, serving, ServingState::AwaitsToken);
        }
        if self.turn.is_some() {
            self.next_turns.push_back(id);
            return self.suspend(id, serving, ServingState::AwaitsTurn);
        }
        self.turn = Some(id);
        serving.state = ServingState::Serves;
        self.serve(core, participant, id, serving)
    }

    /// Whether one of those who may be served waits on other cores too.
    fn spans_cores(&self, serving: &mut Serving) -> bool {
        let reached = self.waiters.reached_from(serving.keys.make_contiguous());
        let mut waiters = reached.iter().flat_map(|(db, key)| self.waiters.of_key(*db, key));
        waiters.any(|id| self.waiters.get(id).is_some_and(Waiter::spans_cores))
    }

    fn suspend(&mut self, id: TransactionId, mut serving: Serving, state: ServingState) -> Step {
        assert!(!matches!(state, ServingState::Starts), "what is suspended waits for something");
        serving.state = state;
        let before = self.servings.insert(id, serving);
        assert!(before.is_none(), "what a claim has changed is served at one time");
        Step::Suspended
    }

    /// Who has its turn after the serving that is done; it goes on then.
    fn next_turn(&mut self) -> Option<TransactionId> {
        if self.turn.is_some() {
            return None;
        }
        let id = self.next_turns.pop_front()?;
        let serving = self.servings.get_mut(&id).expect("who waits for its turn serves then");
        assert!(matches!(serving.state, ServingState::AwaitsTurn), "who waits for its turn waits for nothing else");
        serving.state = ServingState::Serves;
        self.turn = Some(id);
        Some(id)
    }

    /// The serving that has its turn goes on.
    fn go_on(&mut self, core: &mut RoleContext<'_>, participant: &Participant, id: TransactionId) -> Step {
        let serving = self.servings.remove(&id).expect("what goes on was suspended");
        self.serve(core, participant, id, serving)
    }

    /// Serves one waiter after another, until somebody has to be asked or nobody is left.
    fn serve(
        &mut self,
        core: &mut RoleContext<'_>,
        participant: &Participant,
        id: TransactionId,
        mut serving: Serving,
    ) -> Step {
        assert_eq!(self.turn, Some(id), "one serving at a time has its turn");
        assert!(matches!(serving.state, ServingState::Serves), "nobody is asked while the serving goes on");
        let now_us = serving.now_us;
        let own_us = core.state.enter_time(now_us);
        let step = loop {
            let Some(waiter) = self.next_waiter(core.state, id, &mut serving) else { break Step::Done };
            let runs_again = self.must_run_again(participant, id, waiter);
            let asker = self.waiters.get(waiter).expect("it was found just now").request().1;
            let offered = Offered { waiter, asker, runs_again };
            let WaiterId { connection, wait, origin } = waiter;
            if origin != core.state.core {
                core.outbox.post(origin, ToConnection::Offer { connection, wait, id, runs_again });
                serving.state = ServingState::Asks(offered);
                break Step::Suspended;
            }
            let answer = core.answer_offer(connection, wait);
            self.carry_out(core, participant, id, &mut serving, offered, answer == OfferAnswer::Accepts);
            match answer {
                OfferAnswer::Accepts if runs_again => break Step::RunsAgain { connection, now_us },
                OfferAnswer::Accepts | OfferAnswer::Declines => {}
                OfferAnswer::HasLeft => break Step::GivesUp { connection },
            }
        };
        core.state.leave_time(own_us);
        if let Step::Done = step {
            self.turn = None;
            return self.finish(core, id, &serving);
        }
        let state = serving.state;
        let suspended = self.suspend(id, serving, state);
        if let Step::RunsAgain { .. } | Step::GivesUp { .. } = step { step } else { suspended }
    }

    /// Who is served next: the first for whom the first key is ready. Keys that are ready for nobody are done with.
    fn next_waiter(&mut self, state: &mut CoreState, id: TransactionId, serving: &mut Serving) -> Option<WaiterId> {
        while let Some((db, key)) = serving.keys.front() {
            note_missed(state, self.forgotten.under(id), (*db, key), serving);
            let waiter = self.ready_waiter(state, *db, key);
            if waiter.is_some() {
                return waiter;
            }
            serving.keys.pop_front();
        }
        None
    }

    /// Nobody is left to be served: the token goes back.
    fn finish(&mut self, core: &mut RoleContext<'_>, id: TransactionId, serving: &Serving) -> Step {
        assert!(serving.keys.is_empty(), "a serving is done when all its keys were looked at");
        self.forgotten.serving_ends(id);
        if serving.token == TokenHolder::Serving {
            core.outbox.post(KEEPER, ToWaitlist::TokenReturn(id));
        }
        Step::Done
    }

    /// Whom a key was offered has decided.
    fn on_answer(
        &mut self,
        core: &mut RoleContext<'_>,
        participant: &Participant,
        id: TransactionId,
        accepted: bool,
    ) -> Step {
        let mut serving = self.servings.remove(&id).expect("an answer belongs to an offer");
        let ServingState::Asks(offered) = serving.state else { unreachable!("an answer belongs to an offer") };
        serving.state = ServingState::Serves;
        // What is taken for the waiter changes at the time of what made its key ready.
        let own_us = (accepted && !offered.runs_again).then(|| core.state.enter_time(serving.now_us));
        self.carry_out(core, participant, id, &mut serving, offered, accepted);
        own_us.into_iter().for_each(|own_us| core.state.leave_time(own_us));
        self.serve(core, participant, id, serving)
    }

    /// Whom the first key was offered is served, or takes itself off to run again, or is forgotten.
    fn carry_out(
        &mut self,
        core: &mut RoleContext<'_>,
        participant: &Participant,
        id: TransactionId,
        serving: &mut Serving,
        offered: Offered,
        accepted: bool,
    ) {
        let Offered { waiter, asker, runs_again } = offered;
        if accepted && runs_again {
            self.take_out(core.state, waiter);
        } else if accepted {
            self.take_for(core, participant, id, waiter, serving);
        } else {
            // Its Forget may have arrived first.
            core.state.recorder.declined(&asker, serving.by.as_ref(), core.state.now_us);
            self.remove(core.state, participant, waiter);
        }
    }

    /// Whether a waiter moves what it gets to a key that this claim has not locked.
    fn must_run_again(&self, participant: &Participant, claim: TransactionId, waiter: WaiterId) -> bool {
        match self.waiters.get(waiter).expect("it was found just now").moves() {
            None => false,
            Some(Destination::Elsewhere) => true,
            Some(Destination::Here(key)) => {
                let hash = lock_hash(key);
                !participant.claims().locks().footprint(claim).writes(|locked| locked == hash)
            }
        }
    }

    /// Takes from the first key for a waiter, who waits no longer. What that changes is looked at as well.
    fn take_for(
        &mut self,
        core: &mut RoleContext<'_>,
        participant: &Participant,
        claim: TransactionId,
        id: WaiterId,
        serving: &mut Serving,
    ) {
        let first = serving.keys.front().cloned().expect("a key was offered");
        let RoleContext { state, .. } = &mut *core;
        assert!(state.effects.is_empty(), "what is taken for a waiter is a unit");
        let waiter = self.waiters.get(id).expect("who is served waits");
        let (command, asker, args) = waiter.request();
        state.recorder.served(&asker, serving.by.as_ref(), state.now_us);
        let key_at = command.row.key_indexes(args).find(|&index| args.get(index) == &*first.1);
        let key_at = key_at.expect("the key is one of the request's") as u32;
        let mut bytes = OutputBuffer::new();
        let outcome = run(state, Reach::Shard, Call { task: Task::Serve { key_at }, asker, command, args }, &mut bytes);
        // Who is served is told that it shows what this turn does.
        state.shown.take();
        self.remove(core.state, participant, id);
        // Right behind this key, so that it does not matter which keys of other cores are behind it.
        let awaited = core.state.effects.take_awaited();
        core.tell_subscribers(Some(&asker));
        core.readers.tell_listed(core.state, Some(asker));
        for (number, change) in awaited.into_iter().filter(|change| *change != first).enumerate() {
            serving.keys.retain(|other| *other != change);
            serving.keys.insert((number + 1).min(serving.keys.len()), change);
        }
        self.served.entry(claim).or_default().push((id, ServedReply { outcome, bytes }));
    }
}

impl Deadlines {
    /// A connection waits until this time.
    pub fn add(&mut self, deadline_ms: Option<i64>, connection: ConnectionId) {
        if let Some(deadline_ms) = deadline_ms {
            let is_new = self.by_time.insert((deadline_ms, connection));
            assert!(is_new, "a connection waits for one thing at a time");
        }
    }

    /// It waits no longer.
    pub fn remove(&mut self, deadline_ms: Option<i64>, connection: ConnectionId) {
        if let Some(deadline_ms) = deadline_ms {
            self.by_time.remove(&(deadline_ms, connection));
        }
    }

    /// Takes the next connection whose time is over.
    pub fn take_overdue(&mut self, now_ms: i64) -> Option<ConnectionId> {
        let &(deadline_ms, connection) = self.by_time.first()?;
        if deadline_ms > now_ms {
            return None;
        }
        self.by_time.pop_first();
        Some(connection)
    }

    /// When the next connection's time is over.
    pub fn next_ms(&self) -> Option<i64> {
        self.by_time.first().map(|&(deadline_ms, _)| deadline_ms)
    }
}

/// Gives the token to whom it goes now, if anybody.
fn pass_token(outbox: &mut Outbox, next: Option<Applicant>) {
    match next {
        None => {}
        Some(Applicant { core, id, connection: None }) => outbox.post(core, ToWaitlist::Token(id)),
        Some(Applicant { core, id, connection: Some(connection) }) => {
            outbox.post(core, ToCoordinator::Token { connection, id });
        }
    }
}

/// Notes for the simulator which of these waiters would be served by a key now, had their waits not ended.
fn note_missed(
    state: &mut CoreState,
    forgotten: impl Iterator<Item = Rc<Waiter>>,
    (db, key): (u16, &[u8]),
    serving: &Serving,
) {
    for waiter in forgotten {
        let (command, asker, args) = waiter.request();
        if asker.db != db || !waiter.keys().iter().any(|own| own.as_ref() == key) {
            continue;
        }
        let context = &ShardContext::new(state, &asker, command);
        if is_wanted(context, args, key) {
            state.recorder.declined(&asker, serving.by.as_ref(), state.now_us);
        }
    }
}

/// A request waits on this core from now on, if one of its awaited keys is here.
fn add_waiter(state: &mut CoreState, waiters: &mut Waiters, origin: CoreId, request: &Request, args: Args<'_>) {
    let (asker, command) = (request.asker(), request.command);
    let id = WaiterId { origin, connection: asker.connection, wait: request.wait };
    let blocking = command.row.blocking.expect("the row says how it waits");
    let (here, elsewhere): (Vec<AwaitedKey<'_>>, Vec<AwaitedKey<'_>>) =
        blocking.awaited(command, args).partition(|key| state.owner(key.name) == state.core);
    if here.is_empty() {
        return;
    }
    let mut words: Vec<Cow<'_, [u8]>> = args.iter().map(Cow::Borrowed).collect();
    if let Some(pin) = blocking.pin {
        for &key in &here {
            let context = &ShardContext::new(state, &asker, command);
            if let Some((index, pinned)) = pin(context, args, key) {
                words[index] = Cow::Owned(pinned);
            }
        }
    }
    let mut keys: Vec<Box<[u8]>> = here.iter().map(|key| Box::from(key.name)).collect();
    keys.sort_unstable();
    keys.dedup();
    keys.iter().for_each(|key| state.keyspace.await_key(asker.db, key));
    let moves = destination_of(state, command, args);
    let place = WaiterPlace { keys, spans_cores: !elsewhere.is_empty(), moves };
    waiters.add(id, asker, command, words.iter().map(|word| &word[..]), place);
    state.awaited_on_nokey = waiters.keys_on_nokey();
    if blocking.due.is_some() {
        set_alarm(state, waiters, id);
    }
}

/// Where a request moves what it gets, if it does.
fn destination_of(state: &CoreState, command: &Command, args: Args<'_>) -> Option<Destination> {
    let blocking = command.row.blocking.expect("the row says how it waits");
    matches!(blocking.serves, Serves::Move(_)).then(|| {
        let index = command.row.key_indexes(args).nth(1).expect("what moves has a destination");
        let destination = args.get(index);
        if state.owner(destination) == state.core {
            Destination::Here(destination.into())
        } else {
            Destination::Elsewhere
        }
    })
}

/// Sets when a waiter is to look at its keys again, as they are now.
fn set_alarm(state: &mut CoreState, waiters: &mut Waiters, id: WaiterId) {
    let waiter = waiters.get(id).expect("it waits");
    let (command, asker, args) = waiter.request();
    let blocking = waiter.blocking();
    let context = &ShardContext::new(state, &asker, command);
    let own = blocking.awaited(command, args).filter(|key| context.owns(key.name));
    let due = blocking.due.expect("only such waiters have alarms");
    let alarm_ms = own.filter_map(|key| due(context, args, key)).min();
    waiters.set_alarm(id, alarm_ms);
}
