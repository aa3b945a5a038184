//! What commands ask of the host of an engine, and how a session waits for it; what the engine itself asks it.

use crate::asker::ConnectionId;
use crate::config::{Config, LogLevel, OomScoreAdj};
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
    /// SHUTDOWN: stop the process cleanly.
    Shutdown,
    /// CONFIG SET: adjust how inclined the kernel is to kill the process; asking again for the same changes nothing.
    AdjustOomScore {
        /// The adjustment.
        wanted: OomScore,
        /// The connection that waits for the answer ([`crate::Engine::on_host_answer`]), if one does.
        asker: Option<ConnectionId>,
    },
    /// A line for the log.
    Log {
        /// What it is about, from which follows how important it is. Lines of one kind share one limit of their rate.
        kind: LogKind,
        /// The line.
        text: String,
    },
}

/// What a line for the log is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogKind {
    /// RESTORE was given a value that its checks refuse. A client can cause as many of these as it sends requests.
    DamagedPayload,
    /// A client sent `POST` or `Host:`, as a browser does that is misled.
    CrossProtocol,
    /// SHUTDOWN, and whose it was.
    Shutdown,
    /// What DEBUG LOG was given.
    DebugLog,
}

impl LogKind {
    /// How important lines of this kind are.
    pub fn level(self) -> LogLevel {
        match self {
            LogKind::DamagedPayload => LogLevel::Verbose,
            LogKind::Shutdown => LogLevel::Notice,
            LogKind::CrossProtocol | LogKind::DebugLog => LogLevel::Warning,
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum HostAnswer {
    /// Nothing was asked.
    #[default]
    None,
    /// The host has not answered; the session is stalled.
    Awaited,
    /// Whether the host has done it.
    Answered(bool),
}
