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

mod admit;
mod context;
mod queue;
mod replies;
mod table;

pub use admit::admit;
pub use context::{CoreContext, SessionContext};
pub use queue::CommandQueue;
pub use replies::ReplyQueue;
pub use table::{ConnectionId, Sessions};

use torc_resp::{Parser, Protocol};

use crate::command::Command;
use crate::engine::ServedReply;
use crate::gather::Gather;
use crate::message::Asker;
use crate::route::CoreId;
use crate::transaction::Coordination;

/// A stalled session with this much input is not received from.
const STALLED_INPUT_BYTES_MAX: usize = 64 * 1024;

/// Output is held back for replies of other cores at most this long, and at most this much of it.
const HOLD_US_MAX: i64 = 200;
const HOLD_BYTES_MAX: usize = 16 * 1024;

/// What the server passes to the engine about a new connection.
#[derive(Debug, Clone, Default)]
pub struct ConnectionInfo {
    /// Peer address, `ip:port` or the path of the socket.
    pub address: String,
    /// Local address.
    pub local_address: String,
    /// File descriptor, for CLIENT LIST.
    pub descriptor: i32,
    /// Through a unix socket.
    pub unix: bool,
    /// Whether the peer is on this machine (protected mode lets it in).
    pub local_peer: bool,
    /// Through the core's own port: keys of other cores are redirected, as in a cluster.
    pub core_port: bool,
}

/// When the server closes the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Closing {
    /// It stays.
    No,
    /// When all its output is sent; nothing more is read.
    AfterFlush,
    /// At once, output dropped.
    Now,
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
pub struct Input {
    /// What arrived and is not consumed, from `start`.
    pub bytes: Vec<u8>,
    /// How much of `bytes` is consumed.
    pub start: usize,
    /// Progress in an incomplete request.
    pub parser: Parser,
}

impl Input {
    /// Bytes not consumed yet.
    pub fn len(&self) -> usize {
        self.bytes.len() - self.start
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Appends what arrived; drops the consumed part first when it is the larger one.
    pub fn append(&mut self, bytes: &[u8]) {
        if self.start > 0 && self.start * 2 >= self.bytes.len() {
            self.bytes.drain(..self.start);
            self.start = 0;
        }
        self.bytes.extend_from_slice(bytes);
    }
}

/// A watched key: WATCH.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Watch {
    /// The core that owns the key.
    pub owner: CoreId,
    /// Database number.
    pub db: u16,
    /// The key.
    pub key: Box<[u8]>,
    /// The key's version at the WATCH; EXEC does nothing if it is another by then.
    pub version: u64,
}

/// A request that waits for a key, or may have to.
#[derive(Debug)]
pub struct Wait {
    /// Among the waits of this connection: what is still under way about an earlier one does not concern it.
    pub number: u32,
    /// The cores with its keys.
    pub cores: Vec<CoreId>,
    /// When it gives up, Unix milliseconds; `None`: never.
    pub deadline_ms: Option<i64>,
    /// The part of the gather that is its reply, once all cores know that it waits.
    pub part: Option<u32>,
    /// It was promised an element, and takes no other.
    pub is_promised: bool,
    /// The reply, if it came before `part` was known.
    pub served: Option<ServedReply>,
    /// It runs again once `part` is known.
    pub runs_again: bool,
}

/// How CLIENT UNBLOCK ends a wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unblock {
    /// As if its time were over.
    Timeout,
    /// With an error.
    Error,
}

/// One client's connection.
pub struct Session {
    /// Where it is in the table.
    pub connection: ConnectionId,
    /// Client id: unique in the process, growing.
    pub id: u64,
    /// Addresses and kind of socket.
    pub info: ConnectionInfo,
    /// Database number; valid.
    pub db: u16,
    /// RESP2 or RESP3.
    pub protocol: Protocol,
    /// Whether it may run commands.
    pub authenticated: bool,
    /// CLIENT SETNAME.
    pub name: Vec<u8>,
    /// CLIENT SETINFO LIB-NAME.
    pub library_name: Vec<u8>,
    /// CLIENT SETINFO LIB-VER.
    pub library_version: Vec<u8>,
    /// Connected at, Unix milliseconds.
    pub created_ms: i64,
    /// Last bytes received at, Unix milliseconds.
    pub active_ms: i64,
    /// CLIENT NO-EVICT.
    pub no_evict: bool,
    /// CLIENT NO-TOUCH.
    pub no_touch: bool,
    /// CLIENT REPLY.
    pub reply_mode: ReplyMode,
    /// The command that ran last, full name.
    pub last_command: &'static str,
    /// Commands run, for CLIENT LIST's `tot-cmds`.
    pub commands: u64,
    /// Requests read that name a command: the number of the last one, from 1 on.
    pub requests: u64,
    /// Bytes received.
    pub input_bytes: u64,
    /// Bytes sent.
    pub output_bytes: u64,
    /// An open MULTI.
    pub transaction: Option<Box<CommandQueue>>,
    /// EXEC was accepted; the engine runs the queue.
    pub exec_requested: bool,
    /// What could not run yet.
    pub input: Input,
    /// Replies ready to be sent.
    pub out: Vec<u8>,
    /// Replies owed by other cores, and those that wait behind them.
    pub replies: ReplyQueue,
    /// A command or transaction of which more than one reply is awaited.
    pub gather: Option<Box<Gather>>,
    /// The transaction over several cores that is gathered for.
    pub coordination: Option<Box<Coordination>>,
    /// Keys whose change makes the next EXEC fail.
    pub watches: Vec<Watch>,
    /// Watches given up that their owners do not know of yet.
    pub dropped_watches: Vec<Watch>,
    /// The request waits for a key, or may have to.
    pub wait: Option<Box<Wait>>,
    /// Waits begun.
    waits: u32,
    /// CLIENT UNBLOCK has ended its wait; the engine carries it out.
    pub unblocked: Option<Unblock>,
    /// The connection is gone; the session stays until what it gathers is complete.
    pub gone: bool,
    /// Input must wait for something: a gather, a barrier, a credit, room in the output.
    pub stalled: bool,
    /// The peer has closed its sending side.
    pub end_of_input: bool,
    /// When it closes.
    pub closing: Closing,
    /// It is in the list of sessions with output.
    pub(crate) dirty: bool,
    /// It is in the list of sessions to resume.
    pub(crate) runnable: bool,
    /// Bytes taken from `out` by the server that the socket has not taken yet.
    pub unsent_bytes: usize,
    /// Since when output is held back, Unix microseconds; 0: it is not.
    held_since_us: i64,
    /// When its output last went over the soft limit, Unix milliseconds; 0: it is under it.
    pub soft_limit_since_ms: i64,
}

impl Session {
    pub(crate) fn new(connection: ConnectionId, id: u64, info: ConnectionInfo, now_ms: i64) -> Self {
        Session {
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
            reply_mode: ReplyMode::On,
            last_command: "NULL",
            commands: 0,
            requests: 0,
            input_bytes: 0,
            output_bytes: 0,
            transaction: None,
            exec_requested: false,
            input: Input::default(),
            out: Vec::new(),
            replies: ReplyQueue::default(),
            gather: None,
            coordination: None,
            watches: Vec::new(),
            dropped_watches: Vec::new(),
            wait: None,
            waits: 0,
            unblocked: None,
            gone: false,
            stalled: false,
            end_of_input: false,
            closing: Closing::No,
            dirty: false,
            runnable: false,
            unsent_bytes: 0,
            held_since_us: 0,
            soft_limit_since_ms: 0,
        }
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
    pub fn holds_output(&mut self, now_us: i64) -> bool {
        if !self.is_waiting() || self.wait.is_some() || self.closing == Closing::Now || self.out.len() > HOLD_BYTES_MAX
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
    pub fn output_bytes_pending(&self) -> usize {
        self.out.len() + self.unsent_bytes + self.replies.held_bytes()
    }

    /// Whether the server should go on receiving for this session.
    pub fn wants_input(&self) -> bool {
        self.closing == Closing::No && !(self.stalled && self.input.len() >= STALLED_INPUT_BYTES_MAX)
    }

    /// Whether all that is owed has been written and the session is to close after it.
    pub fn is_finished(&self) -> bool {
        match self.closing {
            Closing::Now => true,
            Closing::AfterFlush => !self.is_waiting() && self.out.is_empty() && self.unsent_bytes == 0,
            Closing::No => false,
        }
    }

    /// Notes that the current request may have to wait for keys of these cores, at most until `deadline_ms` (Unix milliseconds).
    pub(crate) fn may_wait(&mut self, cores: Vec<CoreId>, deadline_ms: Option<i64>) {
        self.waits = self.waits.wrapping_add(1);
        self.wait = Some(Box::new(Wait {
            number: self.waits,
            cores,
            deadline_ms,
            part: None,
            is_promised: false,
            served: None,
            runs_again: false,
        }));
    }

    /// Whether another core owes this session something.
    pub fn is_waiting(&self) -> bool {
        !self.replies.is_empty() || self.gather.is_some()
    }

    /// What travels with a request of this session.
    pub fn asker(&self) -> Asker {
        Asker {
            connection: self.connection,
            client_id: self.id,
            db: self.db,
            protocol: self.protocol,
            touch: !self.no_touch,
            number: self.requests,
        }
    }

    /// Back to the state of a new connection (RESET), but for its identity.
    pub fn reset(&mut self, authenticated: bool) {
        self.db = 0;
        self.protocol = Protocol::Resp2;
        self.authenticated = authenticated;
        self.name.clear();
        self.no_evict = false;
        self.no_touch = false;
        self.reply_mode = ReplyMode::On;
        self.transaction = None;
        self.unwatch();
    }

    /// Gives up all watches; the engine tells their owners.
    pub fn unwatch(&mut self) {
        self.dropped_watches.append(&mut self.watches);
    }

    /// Bytes that this session holds, itself included.
    pub fn memory_bytes(&self) -> usize {
        size_of::<Session>()
            + self.info.address.capacity()
            + self.info.local_address.capacity()
            + self.name.capacity()
            + self.library_name.capacity()
            + self.library_version.capacity()
            + self.input.bytes.capacity()
            + self.out.capacity()
            + self.replies.memory_bytes()
            + self.transaction.as_ref().map_or(0, |transaction| transaction.memory_bytes())
            + self.coordination.as_ref().map_or(0, |coordination| coordination.memory_bytes())
            + self.watches.iter().map(|watch| size_of::<Watch>() + watch.key.len()).sum::<usize>()
    }
}
