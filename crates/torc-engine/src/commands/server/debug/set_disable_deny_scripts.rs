//! DEBUG SET-DISABLE-DENY-SCRIPTS 0 | 1: whether scripts may call commands that are not for them, so that tests reach what is behind that.

use torc_resp::{Args, Reply};

use crate::command::{Merge, Route, Row, Run};
use crate::error::CommandResult;
use crate::session::CoreContext;

pub(super) static ROW: Row = Row {
    name: "set-disable-deny-scripts",
    arity: 3,
    flags: super::DEVELOPER,
    route: Route::Every(Merge::Same),
    run: Run::Core(set),
    group: "server",
    summary: "Turns the refusal of commands that are not for scripts off or on.",
    complexity: "O(1)",
    syntax: "<0 | 1>",
    ..Row::DEFAULT
};

fn set(context: &mut CoreContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    // What is no number counts as zero, as it does in Redis.
    context.let_scripts_call_all(torc_resp::number::parse_i64(args.get(2)).unwrap_or(0) != 0);
    reply.ok();
    Ok(())
}
