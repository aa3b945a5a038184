//! SCRIPT DEBUG YES | SYNC | NO: the debugger of scripts, which Torc does not have.

use torc_resp::{Args, Reply};

use crate::command::{Flags, Row, Run};
use crate::error::{CommandError, CommandResult};
use crate::session::SessionContext;

pub(super) static ROW: Row = Row {
    name: "debug",
    arity: 3,
    flags: Flags::NOSCRIPT,
    run: Run::Session(debug),
    categories: &["scripting"],
    since: "3.2.0",
    summary: "Sets the debug mode of server-side Lua scripts.",
    syntax: "mode:<YES | SYNC | NO>",
    ..super::ROW_DEFAULT
};

fn debug(_context: &mut SessionContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let mode = args.get(2);
    if mode.eq_ignore_ascii_case(b"no") {
        reply.ok();
        return Ok(());
    }
    if mode.eq_ignore_ascii_case(b"yes") || mode.eq_ignore_ascii_case(b"sync") {
        return Err(CommandError::fixed("ERR the debugger of scripts is not supported"));
    }
    Err(CommandError::fixed("ERR Use SCRIPT DEBUG YES/SYNC/NO"))
}
