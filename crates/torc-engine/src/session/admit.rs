//! Every gate a request passes before it runs, in one function, in Redis's order.

use torc_resp::Args;

use super::Session;
use crate::command::{Command, Flags};
use crate::config::{Config, DebugAccess};
use crate::error::CommandError;

/// Whether this session may run (or queue) this request now. The first gate that is shut names the error.
#[inline]
pub(crate) fn admit(config: &Config, session: &Session, command: &Command, args: Args<'_>) -> Result<(), CommandError> {
    let row = command.row;
    if !row.arity_fits(args.len()) {
        return Err(CommandError::Arity(command.full_name));
    }
    if row.flags.has(Flags::PROTECTED) && !may_debug(config, session) {
        return Err(CommandError::fixed(
            "ERR DEBUG command not allowed. If the enable-debug-command option is set to \"local\", you can run it from a \
             local connection, otherwise you need to set this option in the configuration file, and then restart the server.",
        ));
    }
    if !session.authenticated && !row.flags.has(Flags::NO_AUTH) {
        return Err(CommandError::NoAuth);
    }
    if session.transaction.is_some() && row.flags.has(Flags::OUTSIDE_MULTI) {
        return Err(CommandError::InsideMulti(row.name));
    }
    if session.transaction.is_some() && row.flags.has(Flags::NO_MULTI) && !row.flags.has(Flags::IMMEDIATE) {
        return Err(CommandError::fixed("ERR Command not allowed inside a transaction"));
    }
    Ok(())
}

fn may_debug(config: &Config, session: &Session) -> bool {
    match config.enable_debug_command {
        DebugAccess::Yes => true,
        DebugAccess::Local => session.info.local_peer || session.info.unix,
        DebugAccess::No => false,
    }
}
