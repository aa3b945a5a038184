//! ACL LIST: all users, as files have them.

use torc_resp::{Args, Reply};

use crate::command::{Row, Run};
use crate::error::CommandResult;
use crate::session::SessionContext;

pub(super) static ROW: Row = Row {
    name: "list",
    arity: 2,
    flags: super::ADMIN,
    run: Run::Session(list),
    since: "6.0.0",
    group: "server",
    summary: "Dumps the effective rules in ACL file format.",
    complexity: "O(N). Where N is the number of configured users.",
    ..Row::DEFAULT
};

fn list(context: &mut SessionContext<'_>, _args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let lines = context.facts().users.lines();
    reply.array(lines.len());
    lines.for_each(|line| reply.bulk(&line));
    Ok(())
}
