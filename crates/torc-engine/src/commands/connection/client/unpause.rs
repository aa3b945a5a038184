//! CLIENT UNPAUSE: what CLIENT PAUSE keeps waiting goes on.

use torc_resp::{Args, Reply};

use crate::command::{Flags, Merge, Route, Row, Run};
use crate::error::CommandResult;
use crate::session::CoreContext;

pub(super) static ROW: Row = Row {
    name: "unpause",
    arity: 2,
    flags: super::ADMIN.and(Flags::PAUSES).and(Flags::LONG),
    route: Route::Every(Merge::Same),
    run: Run::Core(unpause),
    categories: &["connection"],
    since: "6.2.0",
    group: "connection",
    summary: "Resumes processing commands from paused clients.",
    complexity: "O(N) Where N is the number of paused clients",
    ..Row::DEFAULT
};

fn unpause(context: &mut CoreContext<'_>, _args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    context.unpause();
    reply.ok();
    Ok(())
}
