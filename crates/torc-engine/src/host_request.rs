//! What commands ask of the host of an engine, and how a session waits for it; what the engine itself asks it.

use std::time::Duration;

use crate::asker::ConnectionId;
use crate::config::{Config, DirectiveLines, LogLevel, OomScoreAdj, TlsConfig};
use crate::error::CommandError;
use crate::session::ConnectionInfo;

/// What an engine asks its host in the middle of a turn: the one thing that cannot wait, since an element that is given to a client
/// that has left is lost. It is asked when a blocked client is about to be served, never on the way of other commands.
pub trait Clients {
    /// Whether the client of this connection has ended its side of it, or lost it, as the host can see it now: what the client has
    /// sent before that may not have been handed in yet, and no more comes after it.
    fn has_left(&self, connection: ConnectionId, info: &ConnectionInfo) -> bool;
}

/// For hosts that hand in the end of a connection before anything that happens after it.
pub(crate) struct NobodyLeaves;

impl Clients for NobodyLeaves {
    fn has_left(&self, _connection: ConnectionId, _info: &ConnectionInfo) -> bool {
        false
    }
}

/// What a command asks of the host. Nothing outside of the engine happens in the middle of a turn: the host takes these at
/// the turn's end, in order, before the output, so that a reply leaves when what it speaks of is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HostRequest {
    /// SHUTDOWN: stop the process cleanly. The connection is answered ([`crate::Engine::on_host_answer`]) only if that fails or is
    /// called off.
    Shutdown {
        /// How.
        how: Shutdown,
        /// Whose request it is, for the log.
        by: String,
        /// The connection that waits.
        asker: ConnectionId,
    },
    /// SHUTDOWN ABORT: stop stopping.
    AbortShutdown {
        /// The connection that waits for the answer.
        asker: ConnectionId,
    },
    /// CONFIG SET: adjust how inclined the kernel is to kill the process; asking again for the same changes nothing.
    AdjustOomScore {
        /// The adjustment.
        wanted: OomScore,
        /// The connection that waits for the answer, if one does.
        asker: Option<ConnectionId>,
    },
    /// CONFIG SET: what is to change about files.
    ChangeFiles {
        /// What.
        change: FileChange,
        /// The connection that waits for the answer.
        asker: ConnectionId,
    },
    /// SAVE, BGSAVE: save the data.
    Save {
        /// How.
        how: SaveHow,
        /// The connection that waits for the answer.
        asker: ConnectionId,
    },
    /// BGREWRITEAOF: rewrite the log, or write a base for one.
    Rewrite {
        /// It begins when the transaction that asks for it has ended.
        in_transaction: bool,
        /// The connection that waits for the answer.
        asker: ConnectionId,
    },
    /// The keys of this core are caught as they are now, for this cut: the host calls [`crate::Engine::save_slice`] until all of them are
    /// saved.
    SavingBegun {
        /// Which cut.
        cut: u64,
        /// Units of this core that the host has taken or will take ([`crate::Engine::take_units`]) and whose effects are among these keys.
        units_before: u64,
    },
    /// All keys of all cores are caught, and no write begins before the host answers.
    WritesHeld {
        /// For which cut.
        cut: u64,
        /// Who holds them, and is to be answered.
        asker: ConnectionId,
    },
    /// DEBUG RELOAD, DEBUG LOADAOF: save the data, or have the log written, and load it again.
    Reload {
        /// How.
        how: Reload,
        /// The connection that waits for the answer.
        asker: ConnectionId,
    },
    /// DEBUG AOF-FLUSH-SLEEP: writes of the log, if there is one, take so much longer.
    SlowWrites {
        /// The wait before each.
        pause: Duration,
        /// The connection that waits for the answer.
        asker: ConnectionId,
    },
    /// DEBUG SEGFAULT: end the process by SIGSEGV, with its last words.
    Crash {
        /// The connection that waits, for nothing.
        asker: ConnectionId,
    },
    /// ACL LOAD: read a file, whose content is the answer.
    ReadFile {
        /// Relative to the directory of all files, or absolute.
        path: String,
        /// The connection that waits for the answer.
        asker: ConnectionId,
    },
    /// ACL SAVE, CONFIG REWRITE: put something in the place of a file, or what is there.
    WriteFile {
        /// Relative to the directory of all files, or absolute.
        path: String,
        /// What.
        content: FileContent,
        /// The connection that waits for the answer.
        asker: ConnectionId,
    },
    /// FLUSHALL has removed all keys, or does so on other cores still.
    Emptied,
    /// CONFIG SET has changed the configuration, on this core as on all others.
    Configured,
    /// A line for the log.
    Log {
        /// What it is about, from which follows how important it is. Lines of one kind share one limit of their rate.
        kind: LogKind,
        /// The line.
        text: String,
    },
}

/// What CONFIG SET changes about files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileChange {
    /// They are in another directory from now on, which must exist; relative to the working directory, or absolute.
    pub directory: Option<String>,
    /// What is written goes to the append-only log from now on, or does not.
    pub appends: Option<bool>,
    /// Clients come through other sockets from now on.
    pub listeners: Option<Box<ListenerChange>>,
    /// Certificates and keys are read again, and how encryption is done follows this from now on.
    pub tls: Option<Box<TlsChange>>,
    /// Files that the log has replaced are deleted from now on, and those that are there at once.
    pub clears_history: bool,
    /// The answer comes before that is done: whoever waits for it holds claims, or the data is still being loaded.
    pub is_answered_early: bool,
}

impl FileChange {
    /// Whether there is anything to be done.
    pub fn changes_something(&self) -> bool {
        let FileChange { directory, appends, listeners, tls, clears_history, is_answered_early: _ } = self;
        directory.is_some() || appends.is_some() || listeners.is_some() || tls.is_some() || *clears_history
    }
}

/// What CONFIG SET changes about where clients come in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListenerChange {
    /// The addresses.
    pub bind: Vec<String>,
    /// The common port.
    pub port: u16,
}

/// What CONFIG SET changes about encryption.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsChange {
    /// All that is said of it.
    pub config: TlsConfig,
    /// The first of its directives that was named, for the error.
    pub directive: String,
}

/// What a file is to hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileContent {
    /// This.
    Whole(Vec<u8>),
    /// What it holds, with these directives in the place of those that are there.
    Directives(Vec<DirectiveLines>),
}

/// How the data is to be saved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SaveHow {
    /// SAVE: the answer comes when it is done.
    Awaited,
    /// BGSAVE: the answer comes when all keys are caught.
    Background {
        /// It comes before: whoever waits for it holds claims.
        is_answered_early: bool,
    },
    /// BGSAVE SCHEDULE: the same, or later, when nothing else is being written.
    Scheduled {
        /// As for [`SaveHow::Background`].
        is_answered_early: bool,
    },
    /// BGSAVE CANCEL: the save that is under way, or scheduled, is given up.
    Cancel,
}

/// How the data is to be loaded again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reload {
    /// It is saved before.
    pub saves: bool,
    /// All keys are removed before.
    pub empties: bool,
    /// Keys of the file replace those that are there; else there must be none of them.
    pub replaces: bool,
    /// It comes from the log, which is written before.
    pub from_log: bool,
}

/// How the server is to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shutdown {
    /// Whether the data is saved before; `None`: if it is saved at all by itself.
    pub saves: Option<bool>,
    /// Whether it stops although that has failed.
    pub is_forced: bool,
}

/// What the host answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HostReply {
    /// It is done: the command runs.
    Done,
    /// The same, and this is the last argument of the command.
    Gives(Vec<u8>),
    /// This is the reply, a simple string; the command does not run.
    Says(&'static str),
    /// It could not be done: the reply is the error that the command has for this.
    Failed,
    /// It could not be done: this error is the reply.
    Error(CommandError),
}

/// What a line for the log is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogKind {
    /// RESTORE was given a value that its checks refuse. A client can cause as many of these as it sends requests.
    DamagedPayload,
    /// A client sent `POST` or `Host:`, as a browser does that is misled.
    CrossProtocol,
    /// What DEBUG LOG was given.
    DebugLog,
    /// A file has a key without a value.
    EmptyKey,
    /// CONFIG SET has made `maxmemory` smaller than what is used.
    MemoryLimit,
    /// What a script says.
    Script(LogLevel),
}

impl LogKind {
    /// How important lines of this kind are.
    pub fn level(self) -> LogLevel {
        match self {
            LogKind::DamagedPayload => LogLevel::Verbose,
            LogKind::CrossProtocol | LogKind::DebugLog | LogKind::MemoryLimit => LogLevel::Warning,
            LogKind::EmptyKey => LogLevel::Notice,
            LogKind::Script(level) => level,
        }
    }
}

/// How inclined the kernel is to be to kill the process when memory is short.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OomScore {
    /// Whether it is adjusted, and from where.
    pub mode: OomScoreAdj,
    /// By how much: for a primary, a replica and a child that saves.
    pub values: [i32; 3],
}

impl OomScore {
    /// What the configuration says.
    pub fn of(config: &Config) -> Self {
        OomScore { mode: config.oom_score_adj, values: config.oom_score_adj_values }
    }
}

/// How far a session is with what its next command, or the next of its transaction, needs of the host ([`crate::command::HostStep`]).
///
/// ```text
///   None --the command asks--> Awaited --on_host_answer--> Answered --the command runs, or fails--> None
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) enum HostAnswer {
    /// Nothing was asked.
    #[default]
    None,
    /// The host has not answered; the session is stalled.
    Awaited,
    /// What the host says.
    Answered(HostReply),
}
