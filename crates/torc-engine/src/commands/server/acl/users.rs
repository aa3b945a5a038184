//! ACL USERS: the names of all users.

use torc_resp::{Args, Reply};

use crate::command::{Row, Run};
use crate::error::CommandResult;
use crate::session::SessionContext;

pub(super) static ROW: Row = Row {
    name: "users",
    arity: 2,
    flags: super::ADMIN,
    run: Run::Session(users),
    since: "6.0.0",
    group: "server",
    summary: "Lists all ACL users.",
    complexity: "O(N). Where N is the number of configured users.",
    ..Row::DEFAULT
};

fn users(context: &mut SessionContext<'_>, _args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let users = context.facts().users.iter();
    reply.array(users.len());
    users.for_each(|user| reply.bulk(user.name()));
    Ok(())
}
