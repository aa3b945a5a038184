//! SCRIPT KILL: ends the script that has run for long and has written nothing.

use torc_resp::{Args, Reply, reader};

use crate::command::{Flags, Merge, Route, Row, Run};
use crate::error::{CommandError, CommandResult};
use crate::script::Killed;
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

/// What each core answers: nothing, one, one that has written.
fn kill(context: &mut CoreContext<'_>, _args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    reply.integer(context.kill_script() as i64);
    Ok(())
}

fn merge(_context: &mut SessionContext<'_>, _args: Args<'_>, parts: &[&[u8]], reply: &mut Reply<'_>) -> CommandResult {
    let is_any = |wanted: Killed| parts.iter().any(|part| reader::integer(part) == Some(wanted as i64));
    if is_any(Killed::One) {
        reply.ok();
        return Ok(());
    }
    Err(CommandError::fixed(match is_any(Killed::HasWritten) {
        true => {
            "UNKILLABLE Sorry the script already executed write commands against the dataset. You can either wait the script \
             termination or kill the server in a hard way using the SHUTDOWN NOSAVE command."
        }
        false => "NOTBUSY No scripts in execution right now.",
    }))
}
