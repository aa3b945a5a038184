//! Every gate a request passes before it runs, in one function, in Redis's order.

use torc_resp::Args;

use super::Session;
use crate::command::{Command, Flags};
use crate::error::CommandError;

/// Whether this session may run (or queue) this request now. The first gate that is shut names the error.
#[inline]
pub fn admit(session: &Session, command: &Command, args: Args<'_>) -> Result<(), CommandError> {
    let row = command.row;
    if !row.arity_fits(args.len()) {
        return Err(CommandError::Arity(command.full_name));
    }
    if !session.authenticated && !row.flags.has(Flags::NO_AUTH) {
        return Err(CommandError::NoAuth);
    }
    if session.transaction.is_some() && row.flags.has(Flags::NO_MULTI) && !row.flags.has(Flags::IMMEDIATE) {
        return Err(CommandError::fixed("ERR Command not allowed inside a transaction"));
    }
    Ok(())
}
