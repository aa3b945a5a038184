//! CONFIG RESETSTAT: the counters of INFO start again at zero, on every core.

use torc_resp::{Args, Reply};

use crate::command::{Merge, Route, Row, Run};
use crate::error::CommandResult;
use crate::session::CoreContext;

pub(super) static ROW: Row = Row {
    name: "resetstat",
    arity: 2,
    flags: super::ADMIN,
    route: Route::Every(Merge::Same),
    run: Run::Core(resetstat),
    since: "2.0.0",
    group: "server",
    summary: "Resets the server's statistics.",
    complexity: "O(1)",
    tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
    ..Row::DEFAULT
};

fn resetstat(context: &mut CoreContext<'_>, _args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    context.reset_stats();
    reply.ok();
    Ok(())
}
