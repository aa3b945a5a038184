//! COMMAND INFO [command-name ...]: what COMMAND says of some commands.

use torc_resp::{Args, Reply};

use super::describe::{describe, describe_all};
use crate::command::{Row, Run};
use crate::error::CommandResult;
use crate::session::SessionContext;

pub(super) static ROW: Row = Row {
    name: "info",
    arity: -2,
    flags: super::PLAIN,
    run: Run::Session(info),
    categories: super::CATEGORIES,
    since: "2.8.13",
    group: "server",
    summary: "Returns information about one, multiple or all commands.",
    complexity: "O(N) where N is the number of commands to look up",
    tips: super::UNORDERED,
    syntax: "[command-name [command-name ...]]",
    history: &[
        ("7.0.0", "Allowed to be called with no argument to get info on all commands."),
    ],
    ..Row::DEFAULT
};

fn info(context: &mut SessionContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let names = args.from(2);
    if names.is_empty() {
        describe_all(context.registry(), reply);
        return Ok(());
    }
    reply.array(names.len());
    for name in names {
        match super::find(context.registry(), name) {
            Some(command) => describe(command, reply),
            None => reply.null(),
        }
    }
    Ok(())
}
