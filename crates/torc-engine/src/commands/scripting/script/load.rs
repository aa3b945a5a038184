//! SCRIPT LOAD script: makes a script known on all cores, until SCRIPT FLUSH.

use torc_resp::{Args, Reply};

use crate::command::{Flags, Merge, Route, Row, Run};
use crate::error::CommandResult;
use crate::session::CoreContext;

pub(super) static ROW: Row = Row {
    name: "load",
    arity: 3,
    flags: Flags::NOSCRIPT.and(Flags::STALE),
    route: Route::Every(Merge::Same),
    run: Run::Core(load),
    categories: &["scripting"],
    summary: "Loads a server-side Lua script to the script cache.",
    complexity: "O(N) with N being the length in bytes of the script body.",
    syntax: "script",
    tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
    ..super::ROW_DEFAULT
};

fn load(context: &mut CoreContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let sha = context.load_script(args.get(2))?;
    reply.bulk(&sha);
    Ok(())
}
