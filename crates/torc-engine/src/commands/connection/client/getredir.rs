//! CLIENT GETREDIR: the client id of the connection that is told of keys that this one has cached.

use torc_resp::{Args, Reply};

use super::describe::redirect;
use crate::command::{Row, Run};
use crate::error::CommandResult;
use crate::session::SessionContext;

pub(super) static ROW: Row = Row {
    name: "getredir",
    arity: 2,
    flags: super::PLAIN,
    run: Run::Session(getredir),
    categories: &["connection"],
    since: "6.0.0",
    group: "connection",
    summary: "Returns the client ID to which the connection's tracking notifications are redirected.",
    complexity: "O(1)",
    ..Row::DEFAULT
};

fn getredir(context: &mut SessionContext<'_>, _: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    reply.integer(redirect(context.session));
    Ok(())
}
