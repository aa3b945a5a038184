//! DEBUG SET-ACTIVE-EXPIRE 0 | 1: whether expired keys go by themselves, or only when somebody looks at them.

use torc_resp::{Args, Reply};

use crate::command::{Merge, Route, Row, Run};
use crate::error::CommandResult;
use crate::session::CoreContext;

pub(super) static ROW: Row = Row {
    name: "set-active-expire",
    arity: 3,
    flags: super::DEVELOPER,
    route: Route::Every(Merge::Same),
    run: Run::Core(set_active_expire),
    group: "server",
    summary: "Turns the removal of expired keys in the background on or off.",
    complexity: "O(1)",
    syntax: "<0 | 1>",
    ..Row::DEFAULT
};

fn set_active_expire(context: &mut CoreContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    // What is no number counts as zero, as it does in Redis.
    let is_on = torc_resp::number::parse_i64(args.get(2)).unwrap_or(0) != 0;
    context.set_active_expire(is_on);
    reply.ok();
    Ok(())
}
