//! CLIENT SETNAME connection-name: names the connection; the empty name takes it away.

use torc_resp::{Args, Reply};

use crate::command::{Row, Run};
use crate::commands::connection::name;
use crate::error::CommandResult;
use crate::session::SessionContext;

pub(super) static ROW: Row = Row {
    name: "setname",
    arity: 3,
    flags: super::PLAIN,
    run: Run::Session(setname),
    categories: &["connection"],
    since: "2.6.9",
    group: "connection",
    summary: "Sets the connection name.",
    complexity: "O(1)",
    syntax: "connection-name",
    tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
    ..Row::DEFAULT
};

fn setname(context: &mut SessionContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    name::check(args.get(2))?;
    context.session.name = args.get(2).to_vec();
    reply.ok();
    Ok(())
}
