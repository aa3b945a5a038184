//! SCRIPT KILL and FUNCTION KILL: each ends what runs of its kind, on whatever core that is, if it has written nothing.
//!
//! What each core finds is an integer ([`Killed`]); the most that any of them has found is the reply.

use torc_resp::{Reply, reader};

use crate::command::{Flags, Merge, Route, Row, Run};
use crate::error::{CommandError, CommandResult};
use crate::script::{Killed, ScriptKind};
use crate::session::{CoreContext, busy_with};

/// What the row of SCRIPT KILL starts from.
pub(super) const SCRIPT_KILL: Row = Row {
    route: Route::Every(Merge::Custom(|_, _, parts, reply| merge(ScriptKind::Script, parts, reply))),
    run: Run::Core(|context, _, reply| kill(context, ScriptKind::Script, reply)),
    ..KILL
};

/// What the row of FUNCTION KILL starts from.
pub(super) const FUNCTION_KILL: Row = Row {
    route: Route::Every(Merge::Custom(|_, _, parts, reply| merge(ScriptKind::Function, parts, reply))),
    run: Run::Core(|context, _, reply| kill(context, ScriptKind::Function, reply)),
    ..KILL
};

const KILL: Row = Row {
    name: "kill",
    arity: 2,
    flags: Flags::NOSCRIPT.and(Flags::ALLOW_BUSY),
    categories: &["scripting"],
    group: "scripting",
    tips: &["request_policy:all_shards", "response_policy:one_succeeded"],
    ..Row::DEFAULT
};

/// What each core answers: what it has found.
fn kill(context: &mut CoreContext<'_>, kind: ScriptKind, reply: &mut Reply<'_>) -> CommandResult {
    reply.integer(context.kill_script(kind) as i64);
    Ok(())
}

/// The reply, given the answers of all cores.
fn merge(kind: ScriptKind, parts: &[&[u8]], reply: &mut Reply<'_>) -> CommandResult {
    let found_by = |part: &&[u8]| Killed::ALL.into_iter().find(|killed| reader::integer(part) == Some(*killed as i64));
    match parts.iter().filter_map(found_by).max().unwrap_or(Killed::None) {
        Killed::One => {
            reply.ok();
            Ok(())
        }
        // Also of the other kind, as in Redis.
        Killed::HasWritten => Err(CommandError::fixed(
            "UNKILLABLE Sorry the script already executed write commands against the dataset. You can either wait the script \
             termination or kill the server in a hard way using the SHUTDOWN NOSAVE command.",
        )),
        Killed::OfOtherKind => Err(busy_with(match kind {
            ScriptKind::Script => ScriptKind::Function,
            ScriptKind::Function => ScriptKind::Script,
        })),
        Killed::None => Err(CommandError::fixed("NOTBUSY No scripts in execution right now.")),
    }
}
