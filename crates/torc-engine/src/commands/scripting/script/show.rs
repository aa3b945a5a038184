//! SCRIPT SHOW sha1: the text of a script that is known (Valkey 8.0).

use torc_resp::{Args, Reply};

use crate::command::{Flags, Row, Run};
use crate::error::{CommandError, CommandResult};
use crate::session::SessionContext;

pub(super) static ROW: Row = Row {
    name: "show",
    arity: 3,
    flags: Flags::NOSCRIPT,
    run: Run::Session(show),
    categories: &["scripting"],
    since: "8.0.0",
    summary: "Show server-side Lua script in the script cache.",
    complexity: "O(1).",
    syntax: "sha1",
    ..super::ROW_DEFAULT
};

fn show(context: &mut SessionContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let source = context.script_source(args.get(2));
    let source = source.ok_or(CommandError::fixed("NOSCRIPT No matching script. Please use EVAL."))?;
    reply.bulk(&source);
    Ok(())
}
