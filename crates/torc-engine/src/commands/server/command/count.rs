//! COMMAND COUNT: how many commands there are.

use torc_resp::{Args, Reply};

use crate::command::{Row, Run};
use crate::error::CommandResult;
use crate::session::SessionContext;

pub(super) static ROW: Row = Row {
    name: "count",
    arity: 2,
    flags: super::PLAIN,
    run: Run::Session(count),
    categories: super::CATEGORIES,
    since: "2.8.13",
    group: "server",
    summary: "Returns a count of commands.",
    complexity: "O(1)",
    ..Row::DEFAULT
};

fn count(context: &mut SessionContext<'_>, _args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    reply.integer(context.registry().commands().len() as i64);
    Ok(())
}
