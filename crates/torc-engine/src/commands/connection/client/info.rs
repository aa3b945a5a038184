//! CLIENT INFO: what CLIENT LIST says of this connection.

use torc_resp::{Args, Reply};

use super::describe::describe;
use crate::command::{Row, Run};
use crate::error::CommandResult;
use crate::session::SessionContext;

pub(super) static ROW: Row = Row {
    name: "info",
    arity: 2,
    flags: super::PLAIN,
    run: Run::Session(info),
    categories: &["connection"],
    since: "6.2.0",
    group: "connection",
    summary: "Returns information about the connection.",
    complexity: "O(1)",
    tips: &["nondeterministic_output"],
    ..Row::DEFAULT
};

fn info(context: &mut SessionContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let line = describe(context.session, &context.facts(), Some(args));
    reply.verbatim("txt", line.as_bytes());
    Ok(())
}
