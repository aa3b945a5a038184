//! One core's state machine: bytes and messages in, bytes and messages out.
//!
//! Everything that the server calls, and in which order, is in `host`.

mod ahead;
mod coordinate;
mod dispatch;
mod host;
mod inspect;
mod participate;
#[cfg(feature = "simulation")]
mod simulation;
mod transaction;
mod units;
mod upkeep;
mod waiting;

use std::collections::{BTreeSet, HashMap, VecDeque};

use ahead::Window;
pub(crate) use host::HostAnswer;
pub use host::{Figures, HostRequest, OomScore, Output, Want};
use torc_resp::Parser;

use crate::effect::UnitEffects;
use crate::mesh::Mesh;
use crate::message::{Address, Answered, Batch, Message};
use crate::route::CoreId;
use crate::run::{Outcome, Reach, run};
use crate::session::{Closing, ConnectionId, Session, Sessions};
use crate::state::CoreState;
use crate::transaction::token::Token;
use crate::transaction::{ChangedKey, Claims, Letter, TransactionClock, TransactionId, WaiterId, Waiters};

/// Commands that stalled sessions run together in one turn, about.
const STALLED_COMMANDS_PER_TURN_MAX: u64 = 256;

/// Output buffers kept for the next sessions that have output.
const SPARE_OUTPUTS_MAX: usize = 128;

/// A larger output buffer is given back to the allocator.
const SPARE_OUTPUT_BYTES_MAX: usize = 64 * 1024;

/// The reply of a waiter that was served.
#[derive(Debug)]
pub struct ServedReply {
    /// Whether it is a reply or an error.
    pub outcome: Outcome,
    /// The reply, encoded.
    pub bytes: Vec<u8>,
}

/// One core.
pub struct Engine {
    /// Shard, configuration, counters, time.
    state: CoreState,
    /// Connections of this core.
    sessions: Sessions,
    mesh: Mesh,
    /// Units and transactions that hold or await locks of this core.
    claims: Claims,
    clock: TransactionClock,
    /// Requests that wait for a key of this core.
    waiters: Waiters,
    /// Waiters being served, by the claim of what changed their keys.
    servings: HashMap<TransactionId, waiting::Serving>,
    /// Who serves waiters now, and those whose turn comes after that.
    serving_now: Option<TransactionId>,
    serving_next: VecDeque<TransactionId>,
    token: Token,
    /// The replies of waiters that were served, until the claim ends under which they were.
    served: HashMap<TransactionId, Vec<(WaiterId, ServedReply)>>,
    /// The effects of units that have ended, until the reader takes them.
    units: Vec<UnitEffects>,
    /// Keys that somebody waits for and that have expired, until that is told.
    expired: Vec<ChangedKey>,
    /// When the waits of this core's connections are over, Unix milliseconds, with place and generation of the connection.
    deadlines: BTreeSet<(i64, u32, u32)>,
    /// Letters of this core to itself; empty between calls.
    desk: VecDeque<Letter>,
    parser: Parser,
    /// Requests parsed ahead; empty between calls.
    window: Window,
    next_client: u64,
    /// Sessions stalled because a peer's batch is full and no credit is left.
    credit_waiters: Vec<ConnectionId>,
    /// Output buffers for sessions that have none: used last, lent first, so they stay in the cache.
    spare_outputs: Vec<Vec<u8>>,
    /// Where the slow walk over all sessions (timeouts) is.
    sweep_position: usize,
    /// Bytes of the sessions that this walk has seen.
    sweep_bytes: usize,
}

impl Engine {
    /// A core without connections.
    pub fn new(state: CoreState) -> Self {
        let mesh = Mesh::new(state.cores);
        Engine {
            claims: Claims::default(),
            clock: TransactionClock::new(state.core),
            waiters: Waiters::default(),
            servings: HashMap::new(),
            serving_now: None,
            serving_next: VecDeque::new(),
            token: Token::default(),
            served: HashMap::new(),
            units: Vec::new(),
            expired: Vec::new(),
            deadlines: BTreeSet::new(),
            desk: VecDeque::new(),
            state,
            sessions: Sessions::default(),
            mesh,
            parser: Parser::default(),
            window: Window::default(),
            next_client: 0,
            credit_waiters: Vec::new(),
            spare_outputs: Vec::new(),
            sweep_position: 0,
            sweep_bytes: 0,
        }
    }

    /// Removes a session that has nothing under way.
    fn bury(&mut self, connection: ConnectionId) {
        self.session(connection).unwatch();
        self.tell_unwatched(connection);
        self.sessions.remove(connection);
        self.state.connections = self.sessions.len();
        self.settle_letters();
    }

    /// Tells the owners of watched keys which of them a session has given up.
    fn tell_unwatched(&mut self, connection: ConnectionId) {
        let mut watches = std::mem::take(&mut self.session(connection).dropped_watches);
        watches.sort_unstable_by_key(|watch| watch.owner);
        for group in watches.chunk_by_mut(|a, b| a.owner == b.owner) {
            let owner = group[0].owner;
            let keys = group.iter_mut().map(|watch| (watch.db, std::mem::take(&mut watch.key))).collect();
            self.post(owner, Letter::Unwatch(keys));
        }
    }

    /// A message from another core.
    pub fn on_message(&mut self, from: CoreId, message: Message) {
        let letters = match message {
            Message::Requests(batch) => self.serve(from, batch),
            Message::Replies(batch) => self.take_home(from, batch),
        };
        for letter in letters {
            self.on_letter(from, letter);
        }
        self.settle_letters();
    }

    /// Runs another core's requests on this shard and sends the box home; gives the letters that came along.
    fn serve(&mut self, origin: CoreId, mut batch: Box<Batch>) -> Vec<Letter> {
        let letters = std::mem::take(&mut batch.letters);
        self.state.advance_time(batch.sent_us);
        for index in 0..batch.len() {
            if index % ahead::WINDOW_REQUESTS == 0 {
                ahead::prepare_batch(&self.state, &batch, index);
            }
            let (request, args) = batch.request(index);
            if self.may_run_now(request.command, args) {
                let Engine { state, sessions, .. } = self;
                let asker = request.asker();
                batch.execute_next(|request, args, out| run(state, Reach::Core(sessions), request.call(args), out));
                self.end_unit(Some(asker));
            } else {
                self.wait_as_unit(origin, request.call(args), request.address);
                batch.defer_next();
            }
        }
        self.mesh.reply(origin, batch);
        letters
    }

    /// Puts replies where they belong; gives the letters that came along.
    fn take_home(&mut self, owner: CoreId, mut batch: Box<Batch>) -> Vec<Letter> {
        let letters = std::mem::take(&mut batch.letters);
        self.state.advance_time(batch.sent_us);
        for index in 0..batch.len() {
            let (request, answered, reply) = batch.answer(index);
            if answered != Answered::Deferred {
                self.deliver(request.asker().connection, request.address, answered, reply);
            }
        }
        self.mesh.returned(owner, batch);
        for connection in std::mem::take(&mut self.credit_waiters) {
            self.sessions.mark_runnable(connection);
        }
        letters
    }

    /// Puts what has become of a request where its connection expects it.
    fn deliver(&mut self, connection: ConnectionId, address: Address, answered: Answered, reply: &[u8]) {
        let Some(session) = self.sessions.get(connection) else { return };
        match address {
            Address::Pipeline(sequence) => {
                let is_whole = matches!(answered, Answered::Ran(Outcome::Replied | Outcome::Failed));
                assert!(is_whole, "a pipeline expects replies, not {answered:?}");
                lend_output(&mut self.spare_outputs, session);
                session.replies.deliver(sequence, reply, &mut session.out);
                let (stalled, done) = (session.stalled, session.end_of_input && session.replies.is_empty());
                self.sessions.mark_dirty(connection);
                if stalled {
                    self.sessions.mark_runnable(connection);
                } else if done {
                    self.close_when_done(connection);
                }
            }
            Address::Part(part) => {
                let gather = session.gather.as_mut().expect("a part belongs to a gather");
                if gather.deliver(part, answered, reply) {
                    self.finish_gather(connection);
                }
            }
        }
    }

    /// After the end of input: closes once nothing is owed and nothing complete waits in the input.
    fn close_when_done(&mut self, connection: ConnectionId) {
        if let Some(session) = self.sessions.get(connection)
            && session.end_of_input
            && !session.stalled
            && !session.is_waiting()
            && session.closing == Closing::No
        {
            self.sessions.close(connection, Closing::AfterFlush);
        }
    }

    fn session(&mut self, connection: ConnectionId) -> &mut Session {
        self.sessions.get(connection).expect("the session of a running command exists")
    }
}

/// Gives a session without an output buffer one that was used before.
#[inline]
fn lend_output(spare: &mut Vec<Vec<u8>>, session: &mut Session) {
    if session.out.capacity() == 0
        && let Some(output) = spare.pop()
    {
        session.out = output;
    }
}
