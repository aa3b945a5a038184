//! What commands see that are about a connection, or about a whole core.

use super::{Session, Sessions};
use crate::command::Command;
use crate::state::CoreState;

/// The view of a command that runs for its connection, on the core that holds it.
pub struct SessionContext<'a> {
    /// The connection's core.
    pub(crate) state: &'a mut CoreState,
    /// The connection. Its `out` is lent to the reply meanwhile, and empty.
    pub(crate) session: &'a mut Session,
    /// The command that runs.
    pub(crate) command: &'static Command,
}

/// The view of a command that runs for a whole core, often on each of them.
pub struct CoreContext<'a> {
    /// This core, which need not be the one of the connection that asks.
    pub(crate) state: &'a mut CoreState,
    /// The connections of this core.
    pub(crate) sessions: &'a mut Sessions,
    /// Client id of the connection that asks.
    pub(crate) client_id: u64,
}
