//! A client's connection as the engine sees it: who it is, what it has sent, what it is owed.
//!
//! ```text
//!   bytes --> [input: only what could not run yet] --> parse, admit, plan
//!                                                        |
//!   [out] <-- [replies: in request order] <-- here | other cores | gather
//! ```
//!
//! `input` is empty unless a request is incomplete or the session is stalled; `replies` is empty unless
//! another core owes it something. So an idle session holds no buffers.

mod activity;
mod admit;
mod context;
mod queue;
mod replies;
mod rights;
mod table;
mod window;

pub use crate::asker::ConnectionId;
pub(crate) use activity::{Activity, Found, Registering, Unblock, Wait};
pub(crate) use admit::{LOADING, OUT_OF_MEMORY, admit, busy_with, refuses_writes};
pub use context::{CoreContext, SessionContext};
pub(crate) use queue::CommandQueue;
pub(crate) use replies::ReplyQueue;
pub(crate) use rights::{UserChange, follow_users, may_wait_on};
pub(crate) use table::Sessions;
pub(crate) use window::{End, Hint, WINDOW_REQUESTS, Window};

use std::sync::Arc;

use torc_resp::{OutputBuffer, Parser, Protocol};

use crate::acl::User;
use crate::asker::{Asker, ByScript};
use crate::command::Command;
use crate::error::CommandError;
use crate::gather::Gather;
use crate::headroom;
use crate::host_request::{Clients, HostAnswer};
use crate::plan::Scope;
use crate::pubsub::{Subscriptions, TopicKind};
use crate::route::CoreId;
use crate::tracking::Tracking;

/// A stalled session with this much input is not received from.
const STALLED_INPUT_BYTES_MAX: usize = 64 * 1024;

/// Output is held back for replies of other cores at most this long, and at most this much of it.
const HOLD_US_MAX: i64 = 2000;
const HOLD_BYTES_MAX: usize = 16 * 1024;

/// What the server passes to the engine about a new connection.
#[derive(Debug, Clone, Default)]
pub struct ConnectionInfo {
    /// Peer address, `ip:port` or the path of the socket.
    pub address: String,
    /// Local address.
    pub local_address: String,
    /// A number for the machine at the other end, by which failed logins are counted. Connections through a unix socket have one too.
    pub source: u64,
    /// File descriptor, for CLIENT LIST.
    pub descriptor: i32,
    /// Through a unix socket.
    pub unix: bool,
    /// Whether the peer is on this machine (protected mode lets it in).
    pub local_peer: bool,
    /// Through the core's own port: keys of other cores are redirected, as in a cluster.
    pub core_port: bool,
    /// Users that the client's certificate names: it is logged in as the first of them that there is.
    pub certificate_users: Vec<Vec<u8>>,
    /// It is nobody's: the host has commands run that were propagated before.
    pub is_host: bool,
}

/// When the server closes the connection. Each is later than those before it; none goes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Closing {
    /// It stays.
    No,
    /// When all its output is sent; nothing more is read.
    AfterFlush,
    /// At once, output dropped.
    Now,
    /// It is gone; the session stays until what it gathers is complete.
    Gone,
}

/// What a connection answers when a key that it waits for is ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OfferAnswer {
    /// It still waits, and has now been promised that there is something.
    Accepts,
    /// It waits no longer.
    Declines,
    /// Nobody is at its other end: it gets nothing, and its wait is to end.
    HasLeft,
}

/// CLIENT REPLY.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReplyMode {
    /// Every reply is sent.
    On,
    /// None is.
    Off,
    /// The next command's reply is not.
    Skip,
    /// That command is running now; it may choose another mode.
    Skipping,
}

/// Bytes that could not run yet, with the parser's progress in them.
#[derive(Default)]
pub(crate) struct Input {
    /// What arrived and is not consumed, from `start`.
    pub(crate) bytes: Vec<u8>,
    /// How much of `bytes` is consumed.
    pub(crate) start: usize,
    /// Progress in an incomplete request.
    pub(crate) parser: Parser,
}

impl Input {
    /// Bytes not consumed yet.
    pub(crate) fn len(&self) -> usize {
        self.bytes.len() - self.start
    }

    /// Whether nothing waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Appends what arrived; drops the consumed part first when it is the larger one. `is_stalled`: little more will be taken before it
    /// goes on.
    ///
    /// # Errors
    /// There is no memory for it, or for what will be made of it: the request grows here and is then copied, into the message to
    /// another core and into the value.
    pub(crate) fn append(&mut self, bytes: &[u8], is_stalled: bool) -> Result<(), CommandError> {
        if self.start > 0 && self.start * 2 >= self.bytes.len() {
            self.bytes.drain(..self.start);
            self.start = 0;
        }
        let len = self.bytes.len() + bytes.len();
        if len > self.bytes.capacity() {
            headroom::check(len.saturating_mul(4))?;
            // Of a long argument no more than its announced end is reserved, and that only little by little, as its bytes come.
            let end = self.start + self.parser.bytes_wanted();
            let slack = if is_stalled { len.min(STALLED_INPUT_BYTES_MAX) } else { len };
            let capacity = if end > len { end.min(len + slack) } else { len + slack };
            let more = capacity - self.bytes.len();
            self.bytes.try_reserve_exact(more).map_err(|_| CommandError::OutOfMemory)?;
        }
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }
}

/// A watched key: WATCH.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Watch {
    /// The core that owns the key.
    pub(crate) owner: CoreId,
    /// Database number.
    pub(crate) db: u16,
    /// The key.
    pub(crate) key: Box<[u8]>,
    /// The key's version at the WATCH; EXEC does nothing if it is another by then.
    pub(crate) version: u64,
}

/// A command that changes very many subscriptions runs several times, each time for some of its names.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Portion {
    /// Names that it may take this time; 0: all, as in a transaction.
    pub(crate) names_max: usize,
    /// Names that are done.
    pub(crate) done: usize,
    /// It has left some.
    pub(crate) is_unfinished: bool,
}

impl Portion {
    /// How many of these names the command takes now, behind those that are done.
    pub(crate) fn take(&mut self, names: usize) -> std::ops::Range<usize> {
        if self.names_max == 0 {
            return 0..names;
        }
        let end = names.min(self.done + self.names_max);
        self.is_unfinished = end < names;
        std::mem::replace(&mut self.done, end)..end
    }
}

/// One client's connection.
pub struct Session {
    /// Where it is in the table.
    pub(crate) connection: ConnectionId,
    /// Client id: unique in the process, growing.
    pub(crate) id: u64,
    /// Addresses and kind of socket.
    pub(crate) info: ConnectionInfo,
    /// Database number; valid.
    pub(crate) db: u16,
    /// RESP2 or RESP3.
    pub(crate) protocol: Protocol,
    /// Whether it may run commands.
    pub(crate) authenticated: bool,
    /// Whose rights it has: those of the default user until it has logged in.
    user: Arc<User>,
    /// The id of that user.
    user_id: u32,
    /// The user may not do everything.
    pub(crate) is_limited: bool,
    /// CLIENT SETNAME.
    pub(crate) name: Vec<u8>,
    /// CLIENT SETINFO LIB-NAME.
    pub(crate) library_name: Vec<u8>,
    /// CLIENT SETINFO LIB-VER.
    pub(crate) library_version: Vec<u8>,
    /// Connected at, Unix milliseconds.
    pub(crate) created_ms: i64,
    /// Last bytes received at, Unix milliseconds.
    pub(crate) active_ms: i64,
    /// CLIENT NO-EVICT.
    pub(crate) no_evict: bool,
    /// CLIENT NO-TOUCH.
    pub(crate) no_touch: bool,
    /// CLIENT CAPA REDIRECT: it follows a server that has become a replica.
    pub(crate) can_be_redirected: bool,
    /// CLIENT REPLY.
    pub(crate) reply_mode: ReplyMode,
    /// The command that ran last, full name.
    pub(crate) last_command: &'static str,
    /// Commands run, for CLIENT LIST's `tot-cmds`.
    pub(crate) commands: u64,
    /// Requests read that name a command: the number of the last one, from 1 on.
    pub(crate) requests: u64,
    /// Bytes received.
    pub(crate) input_bytes: u64,
    /// Bytes sent.
    pub(crate) output_bytes: u64,
    /// An open MULTI.
    pub(crate) transaction: Option<Box<CommandQueue>>,
    /// How far its next command is with what it needs of the host.
    pub(crate) host_answer: HostAnswer,
    /// Until when its login waits, Unix milliseconds.
    pub(crate) login_due_ms: Option<i64>,
    /// What could not run yet.
    pub(crate) input: Input,
    /// What is parsed of it, while the session is stalled.
    pub(crate) window: Option<Box<Window>>,
    /// Replies ready to be sent.
    pub(crate) out: OutputBuffer,
    /// Replies owed by other cores, and those that wait behind them.
    pub(crate) replies: ReplyQueue,
    /// Cores that make the next of its replies when there is room for it, and the sequence numbers of these.
    pub(crate) room_wanted: Vec<(CoreId, u64)>,
    /// Up to which number all must be durable before a reply leaves, of those that it has been sent or is owed ([`crate::shown`]).
    pub(crate) shows: u64,
    /// What it is doing.
    pub(crate) activity: Activity,
    /// Keys whose change makes the next EXEC fail.
    pub(crate) watches: Vec<Watch>,
    /// Watches given up that their owners do not know of yet.
    pub(crate) dropped_watches: Vec<Watch>,
    /// What it has subscribed to.
    pub(crate) subscriptions: Option<Box<Subscriptions>>,
    /// It has subscribed to something, and is under RESP2 restricted to little else.
    pub(crate) is_subscriber: bool,
    /// How far a command is that changes many subscriptions.
    pub(crate) portion: Portion,
    /// It was sent a message that is not the reply to a request.
    pub(crate) was_pushed: bool,
    /// CLIENT TRACKING.
    pub(crate) tracking: Option<Box<Tracking>>,
    /// What it is told of keys that it has cached, while parts of a reply are gathered: it follows the reply.
    held_invalidations: Option<Box<OutputBuffer>>,
    /// It is no connection's, but a script's.
    pub(crate) by_script: ByScript,
    /// Waits begun.
    waits: u32,
    /// Input must wait for something: a gather, a barrier, a credit, room in the output.
    pub(crate) stalled: bool,
    /// It stalled since its next request would have overtaken an effect.
    pub(crate) waits_its_turn: bool,
    /// It stalled since its next request waits for the end of a pause.
    pub(crate) is_postponed: bool,
    /// The peer has closed its sending side.
    pub(crate) end_of_input: bool,
    /// When it closes.
    pub(crate) closing: Closing,
    /// It is in the list of sessions with output.
    pub(crate) dirty: bool,
    /// It is in the list of sessions to resume.
    pub(crate) runnable: bool,
    /// The socket has not taken all of its output at once.
    pub(crate) socket_is_full: bool,
    /// Memory of output that has stayed behind at the end of a turn, for whatever reason.
    pub(crate) staying_bytes: usize,
    /// Since when output is held back, Unix microseconds; 0: it is not.
    held_since_us: i64,
    /// When its output last went over the soft limit, Unix milliseconds; 0: it is under it.
    pub(crate) soft_limit_since_ms: i64,
}

impl Session {
    pub(crate) fn new(connection: ConnectionId, id: u64, info: ConnectionInfo, now_ms: i64, user: Arc<User>) -> Self {
        Session {
            is_limited: !user.is_unrestricted(),
            user_id: user.id(),
            user,
            connection,
            id,
            info,
            db: 0,
            protocol: Protocol::Resp2,
            authenticated: false,
            name: Vec::new(),
            library_name: Vec::new(),
            library_version: Vec::new(),
            created_ms: now_ms,
            active_ms: now_ms,
            no_evict: false,
            no_touch: false,
            can_be_redirected: false,
            reply_mode: ReplyMode::On,
            last_command: "NULL",
            commands: 0,
            requests: 0,
            input_bytes: 0,
            output_bytes: 0,
            transaction: None,
            host_answer: HostAnswer::None,
            login_due_ms: None,
            input: Input::default(),
            window: None,
            out: OutputBuffer::new(),
            replies: ReplyQueue::default(),
            room_wanted: Vec::new(),
            shows: 0,
            activity: Activity::Idle,
            watches: Vec::new(),
            dropped_watches: Vec::new(),
            subscriptions: None,
            is_subscriber: false,
            portion: Portion::default(),
            was_pushed: false,
            tracking: None,
            held_invalidations: None,
            by_script: ByScript::No,
            waits: 0,
            stalled: false,
            waits_its_turn: false,
            is_postponed: false,
            end_of_input: false,
            closing: Closing::No,
            dirty: false,
            runnable: false,
            socket_is_full: false,
            staying_bytes: 0,
            held_since_us: 0,
            soft_limit_since_ms: 0,
        }
    }

    /// Whose rights it has.
    pub fn user(&self) -> &Arc<User> {
        &self.user
    }

    /// It has the rights of this user from now on.
    pub(crate) fn set_user(&mut self, user: Arc<User>) {
        (self.is_limited, self.user_id) = (!user.is_unrestricted(), user.id());
        self.user = user;
    }

    /// One of its replies shows what is durable up to this number.
    #[inline]
    pub(crate) fn note_shows(&mut self, number: u64) {
        self.shows = self.shows.max(number);
    }

    /// What its requests mean that name no key.
    #[inline]
    pub(crate) fn scope(&self) -> Scope {
        if self.info.core_port { Scope::Node } else { Scope::Server }
    }

    /// A request of this command is accepted.
    #[inline]
    pub(crate) fn note_command(&mut self, command: &Command) {
        self.commands += 1;
        self.last_command = command.full_name;
    }

    /// Whether the reply of the running command is dropped; ends a CLIENT REPLY SKIP.
    #[inline]
    pub(crate) fn take_silence(&mut self) -> bool {
        match self.reply_mode {
            ReplyMode::On => false,
            ReplyMode::Off | ReplyMode::Skipping => true,
            ReplyMode::Skip => {
                self.reply_mode = ReplyMode::On;
                true
            }
        }
    }

    /// Whether the output should wait for the replies that other cores owe, so that a pipeline is answered with one
    /// send. Not for a command that waits for a key, which may take any time. Bounded: what is owed comes with an event that asks again, and after [`HOLD_US_MAX`] the answer is no.
    pub(crate) fn holds_output(&mut self, now_us: i64) -> bool {
        // A client that has closed its side may have closed all of it: the answer to a reply would be a reset, and the end of what
        // it has sent.
        if self.end_of_input && self.stalled && self.waits_its_turn && self.closing == Closing::No {
            return true;
        }
        if !self.is_waiting()
            || self.activity.may_wait()
            || self.closing >= Closing::Now
            || self.out.len() > HOLD_BYTES_MAX
        {
            self.held_since_us = 0;
            return false;
        }
        if self.held_since_us == 0 {
            self.held_since_us = now_us;
        }
        let holds = now_us - self.held_since_us < HOLD_US_MAX;
        if !holds {
            self.held_since_us = 0;
        }
        holds
    }

    /// Bytes of replies that the client has not taken.
    pub(crate) fn output_bytes_pending(&self) -> usize {
        self.out.len() + self.replies.held_bytes() + self.held_invalidations.as_ref().map_or(0, |held| held.len())
    }

    /// Whether the server should go on receiving for this session.
    pub(crate) fn wants_input(&self) -> bool {
        self.closing == Closing::No && !(self.stalled && self.input.len() >= STALLED_INPUT_BYTES_MAX)
    }

    /// Whether all that is owed has been written and the session is to close after it.
    pub fn is_finished(&self) -> bool {
        match self.closing {
            Closing::Now | Closing::Gone => true,
            Closing::AfterFlush => !self.is_waiting() && self.out.is_empty(),
            Closing::No => false,
        }
    }

    /// Numbers a wait for keys of these cores, at most until `deadline_ms` (Unix milliseconds).
    pub(crate) fn next_wait(&mut self, cores: Vec<CoreId>, deadline_ms: Option<i64>) -> Wait {
        assert!(!cores.is_empty(), "a request waits for some key");
        self.waits = self.waits.wrapping_add(1);
        Wait { number: self.waits, cores, deadline_ms }
    }

    /// Whether a key that is ready is wanted by the wait with this number; if so the session accepts no other. A client that has left
    /// gets nothing: the host is asked, since it may not have heard of that yet.
    pub(crate) fn answer_offer(&mut self, number: u32, clients: &dyn Clients) -> OfferAnswer {
        if self.closing >= Closing::Now || !self.activity.awaits_offer(number) {
            return OfferAnswer::Declines;
        }
        if self.end_of_input || clients.has_left(self.connection, &self.info) {
            return OfferAnswer::HasLeft;
        }
        let accepted = self.activity.accept_offer(number);
        assert!(accepted, "who awaits an offer accepts it");
        OfferAnswer::Accepts
    }

    /// What it gathers.
    pub(crate) fn gather(&mut self) -> &mut Gather {
        self.activity.gather_mut().expect("a gather is open")
    }

    /// The socket is gone, while something is gathered.
    pub(crate) fn lose_connection(&mut self) {
        assert!(!self.activity.is_idle(), "a session without anything under way goes with its connection");
        assert!(self.closing < Closing::Gone, "a connection is lost once");
        self.closing = Closing::Gone;
    }

    /// Whether another core owes this session something.
    pub fn is_waiting(&self) -> bool {
        !self.replies.is_empty() || !self.activity.is_idle()
    }

    /// What travels with a request of this session.
    pub(crate) fn asker(&self) -> Asker {
        Asker {
            connection: self.connection,
            client_id: self.id,
            db: self.db,
            protocol: self.protocol,
            touch: !self.no_touch,
            notes_reads: self.tracking.as_ref().is_some_and(|tracking| tracking.notes_reads()),
            scope: self.scope(),
            by_script: self.by_script,
            user: self.user_id,
            number: self.requests,
        }
    }

    /// Client id: unique in the process.
    pub fn client_id(&self) -> u64 {
        self.id
    }

    /// The database it has selected.
    pub fn db(&self) -> u16 {
        self.db
    }

    /// RESP2 or RESP3.
    pub fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// What CLIENT REPLY has chosen.
    pub fn reply_mode(&self) -> ReplyMode {
        self.reply_mode
    }

    /// What CLIENT SETNAME has given.
    pub fn name(&self) -> &[u8] {
        &self.name
    }

    /// Whether a MULTI is open.
    pub fn is_in_multi(&self) -> bool {
        self.transaction.is_some()
    }

    /// Whether its input waits for something.
    pub fn is_stalled(&self) -> bool {
        self.stalled
    }

    /// Whether its request waits for a key, or may have to.
    pub fn is_blocked(&self) -> bool {
        self.activity.may_wait()
    }

    /// The same, or that it waits for the end of a pause: what clients are told of as blocked.
    pub(crate) fn shows_blocked(&self) -> bool {
        self.is_blocked() || self.is_postponed
    }

    /// Whether it reads no more requests: it is to be closed, at once or after its output.
    pub fn is_closing(&self) -> bool {
        self.closing != Closing::No
    }

    /// Bytes that arrived and could not run yet.
    pub fn input_len(&self) -> usize {
        self.input.len()
    }

    /// Replies that the host may send.
    pub fn output(&self) -> &OutputBuffer {
        &self.out
    }

    /// Number of replies that other cores owe, or that wait behind such.
    pub fn replies_owed(&self) -> usize {
        self.replies.len()
    }

    /// Back to the state of a new connection (RESET), but for its identity.
    pub(crate) fn reset(&mut self, default_user: &Arc<User>) {
        self.db = 0;
        self.protocol = Protocol::Resp2;
        self.authenticated = default_user.is_open();
        self.set_user(Arc::clone(default_user));
        self.name.clear();
        self.no_evict = false;
        self.no_touch = false;
        self.reply_mode = ReplyMode::On;
        self.transaction = None;
        self.unwatch();
        if let Some(subscriptions) = &mut self.subscriptions {
            subscriptions.remove_all();
        }
        self.is_subscriber = false;
        self.tracking = None;
    }

    /// Subscribes to a topic, if it has not.
    pub(crate) fn subscribe(&mut self, kind: TopicKind, name: &[u8]) {
        self.subscriptions.get_or_insert_default().add(kind, name);
        self.is_subscriber |= kind != TopicKind::Prefix;
    }

    /// Ends the subscription to a topic, if there is one.
    pub(crate) fn unsubscribe(&mut self, kind: TopicKind, name: &[u8]) {
        if let Some(subscriptions) = &mut self.subscriptions {
            subscriptions.remove(kind, name);
            self.is_subscriber = subscriptions.hears_messages();
        }
    }

    /// All that it has subscribed to.
    pub(crate) fn topics(&self) -> impl Iterator<Item = (TopicKind, &[u8])> {
        self.subscriptions.iter().flat_map(|subscriptions| {
            let of_kind = |kind| subscriptions.names(kind).map(move |name| (kind, &**name));
            TopicKind::ALL.into_iter().flat_map(of_kind)
        })
    }

    /// How many topics of a kind it has subscribed to.
    pub(crate) fn subscribed(&self, kind: TopicKind) -> usize {
        self.subscriptions.as_ref().map_or(0, |subscriptions| subscriptions.len(kind))
    }

    /// What a confirmation counts.
    pub(crate) fn counted_subscriptions(&self, kind: TopicKind) -> usize {
        self.subscriptions.as_ref().map_or(0, |subscriptions| subscriptions.counted(kind))
    }

    /// Whether homes of topics do not know yet what it has subscribed to.
    #[inline]
    pub(crate) fn has_unregistered(&self) -> bool {
        self.subscriptions.as_ref().is_some_and(|subscriptions| subscriptions.has_unregistered())
    }

    /// Appends a message that is not the reply to a request: behind all replies that are owed, but before the confirmation that some
    /// subscriptions have ended.
    pub(crate) fn push(&mut self, write: impl FnOnce(&mut OutputBuffer, Protocol)) {
        let protocol = self.protocol;
        self.was_pushed = true;
        if self.replies.is_empty() || self.activity.lets_pass() {
            write(&mut self.out, protocol);
        } else {
            self.replies.park(|parked| write(parked, protocol));
        }
    }

    /// Appends what it is told of keys that it has cached: behind the replies to all that it has read, also where parts of a reply have
    /// not come. Who waits for a key and was promised nothing has read nothing that it has not told.
    pub(crate) fn push_invalidation(&mut self, write: impl FnOnce(&mut OutputBuffer, Protocol)) {
        let protocol = self.protocol;
        self.was_pushed = true;
        match (self.replies_owed(), self.activity.makes_reply()) {
            (0, false) => write(&mut self.out, protocol),
            (0, true) => write(self.held_invalidations.get_or_insert_default(), protocol),
            _ => self.replies.park(|parked| write(parked, protocol)),
        }
    }

    /// A reply was gathered and is written, or its request waits for a key: what has waited for that follows, unless the reply is still
    /// to come.
    #[inline]
    pub(crate) fn release_invalidations(&mut self) {
        if let Some(mut held) = self.held_invalidations.take() {
            self.push_invalidation(|out, _| out.append(&mut held));
        }
    }

    /// Its next request comes: CLIENT CACHING is about the one behind it, or about a whole transaction; in between other subcommands of
    /// CLIENT may stand.
    #[inline]
    pub(crate) fn follow_caching(&mut self) {
        if let Some(tracking) = &mut self.tracking
            && self.transaction.is_none()
            && !self.last_command.starts_with("client|")
        {
            tracking.is_caching_given = false;
        }
    }

    /// Turns off CLIENT TRACKING.
    pub(crate) fn end_tracking(&mut self) {
        self.tracking = None;
        if let Some(subscriptions) = &mut self.subscriptions {
            subscriptions.remove_kind(TopicKind::Prefix);
        }
    }

    /// Gives up all watches; the engine tells their owners.
    pub(crate) fn unwatch(&mut self) {
        self.dropped_watches.append(&mut self.watches);
    }

    /// Bytes of its output that lie in values, of keys or gone from them.
    pub(crate) fn shared_bytes(&self) -> usize {
        self.out.shared_bytes() + self.replies.shared_bytes()
    }

    /// Memory that this session has for itself, itself included.
    pub fn memory_bytes(&self) -> usize {
        size_of::<Session>()
            + self.info.address.capacity()
            + self.info.local_address.capacity()
            + self.name.capacity()
            + self.library_name.capacity()
            + self.library_version.capacity()
            + self.input.bytes.capacity()
            + self.window.as_ref().map_or(0, |window| window.memory_bytes())
            + self.out.memory_bytes()
            + self.replies.memory_bytes()
            + self.held_invalidations.as_ref().map_or(0, |held| held.memory_bytes())
            + self.tracking.as_ref().map_or(0, |_| size_of::<Tracking>())
            + self.activity.coordination_bytes()
            + self.activity.gathered_bytes()
            + self.transaction.as_ref().map_or(0, |transaction| transaction.memory_bytes())
            + self.subscriptions.as_ref().map_or(0, |subscriptions| subscriptions.memory_bytes())
            + self.watches.iter().map(|watch| size_of::<Watch>() + watch.key.len()).sum::<usize>()
    }

    /// The part of [`Self::memory_bytes`] that counts against `maxmemory`: of its output what has stayed behind at the end of a turn. If what
    /// is gone by then counted, what is told of evicted keys to clients that cache them would have more evicted.
    pub(crate) fn lasting_bytes(&self) -> usize {
        let output_bytes = self.out.memory_bytes();
        self.memory_bytes() - output_bytes + output_bytes.min(self.staying_bytes)
    }
}
