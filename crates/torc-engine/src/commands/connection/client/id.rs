//! CLIENT ID: the connection's number, unique in the process and growing.

use torc_resp::{Args, Reply};

use crate::command::{Row, Run};
use crate::error::CommandResult;
use crate::session::SessionContext;

pub(super) static ROW: Row = Row {
    name: "id",
    arity: 2,
    flags: super::PLAIN,
    run: Run::Session(id),
    categories: &["connection"],
    since: "5.0.0",
    group: "connection",
    summary: "Returns the unique client ID of the connection.",
    complexity: "O(1)",
    ..Row::DEFAULT
};

fn id(context: &mut SessionContext<'_>, _args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    reply.integer(context.session.id as i64);
    Ok(())
}
