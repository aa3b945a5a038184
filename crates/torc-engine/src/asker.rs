//! Who asks: a connection, and what the owners of keys need to know of its session. It travels with every request.

use torc_resp::Protocol;

use crate::plan::Scope;
use crate::route::CoreId;

/// A connection of one core: its place in the table, and which user of that place it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId {
    /// Place in the table; the host keeps its own table by the same index.
    pub index: u32,
    /// Grows each time the place is used again.
    pub generation: u32,
}

/// Whether a script has called the command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ByScript {
    /// A client has sent it.
    #[default]
    No,
    /// A script has.
    Yes,
    /// A script has, and logs and replicas are not to be told of it (`redis.set_repl`).
    Untold,
}

/// Who asks: all that the owner of the keys needs to know of the session.
#[derive(Debug, Clone, Copy)]
pub struct Asker {
    /// The connection.
    pub connection: ConnectionId,
    /// Its client id.
    pub client_id: u64,
    /// Its database number.
    pub db: u16,
    /// RESP2 or RESP3: how replies to it are encoded.
    pub protocol: Protocol,
    /// Whether its reads move the access clock.
    pub touch: bool,
    /// Whether what it reads is noted, since its client may cache it.
    pub notes_reads: bool,
    /// Whether commands without keys are about the whole server, or about its core.
    pub scope: Scope,
    /// Whether it is a script that asks for it.
    pub by_script: ByScript,
    /// The id of the user whose rights it has.
    pub user: u32,
    /// The number of the request on its connection, from 1 on: every request that names a command counts. An EXEC stands
    /// for its whole transaction.
    pub number: u64,
}

/// The core of a client: client ids tell it (see [`crate::Engine::connect`]).
pub(crate) fn core_of_client(client_id: u64, cores: u16) -> CoreId {
    (client_id.saturating_sub(1) % u64::from(cores)) as CoreId
}
