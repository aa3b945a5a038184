//! SCRIPT KILL: ends the script that has run for long and has written nothing.

use torc_resp::{Args, Reply};

use crate::command::{Flags, Merge, Route, Row, Run};
use crate::commands::scripting::killing;
use crate::error::CommandResult;
use crate::script::ScriptKind;
use crate::session::{CoreContext, SessionContext};

pub(super) static ROW: Row = Row {
    name: "kill",
    arity: 2,
    flags: Flags::NOSCRIPT.and(Flags::ALLOW_BUSY),
    route: Route::Every(Merge::Custom(merge)),
    run: Run::Core(kill),
    categories: &["scripting"],
    summary: "Terminates a server-side Lua script during execution.",
    tips: &["request_policy:all_shards", "response_policy:one_succeeded"],
    ..super::ROW_DEFAULT
};

fn kill(context: &mut CoreContext<'_>, _args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    killing::kill(context, ScriptKind::Script, reply)
}

fn merge(_context: &mut SessionContext<'_>, _args: Args<'_>, parts: &[&[u8]], reply: &mut Reply<'_>) -> CommandResult {
    killing::merge(ScriptKind::Script, parts, reply)
}
