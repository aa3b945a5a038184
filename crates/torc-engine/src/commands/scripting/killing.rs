//! What SCRIPT KILL and FUNCTION KILL share: each ends what runs of its kind, on whatever core that is.

use torc_resp::{Reply, reader};

use crate::error::{CommandError, CommandResult};
use crate::script::{Killed, ScriptKind};
use crate::session::{CoreContext, busy_with};

/// What each core answers: what it has found.
pub(super) fn kill(context: &mut CoreContext<'_>, kind: ScriptKind, reply: &mut Reply<'_>) -> CommandResult {
    reply.integer(context.kill_script(kind) as i64);
    Ok(())
}

/// The reply, given the answers of all cores.
pub(super) fn merge(kind: ScriptKind, parts: &[&[u8]], reply: &mut Reply<'_>) -> CommandResult {
    let found_by = |part: &&[u8]| Killed::ALL.into_iter().find(|killed| reader::integer(part) == Some(*killed as i64));
    match parts.iter().filter_map(found_by).max().unwrap_or(Killed::None) {
        Killed::One => {
            reply.ok();
            Ok(())
        }
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
