//! What a script may call: the gates of a command that a script asks for, in Redis's order.

use std::borrow::Cow;

use torc_resp::Args;

use crate::acl::User;
use crate::command::{Command, Flags, Run};
use crate::error::CommandError;
use crate::session::{OUT_OF_MEMORY, refuses_writes};
use crate::state::CoreState;

/// What is known of the script that calls.
#[derive(Clone, Copy)]
pub struct Caller<'a> {
    /// It may not write.
    pub is_read_only: bool,
    /// It may not call what takes more memory.
    pub saves_memory: bool,
    /// The keys declared to it, if its text tells that it calls with no others.
    pub closed: Option<Args<'a>>,
    /// Whose rights it has; `None`: it may do everything.
    pub user: Option<&'a User>,
    /// Database number in which the call runs.
    pub db: u16,
}

/// The command that a script asks for.
///
/// # Errors
/// There is none, it is not for scripts, or not for this one.
pub fn admit_call(state: &CoreState, caller: Caller<'_>, args: Args<'_>) -> Result<&'static Command, CommandError> {
    let Ok(command) = state.registry.find(args) else {
        return Err(CommandError::fixed("ERR Unknown Redis command called from script"));
    };
    let (row, is_write) = (command.row, command.row.flags.has(Flags::WRITE));
    if !row.arity_fits(args.len()) {
        return Err(CommandError::fixed("ERR Wrong number of args calling Redis command from script"));
    }
    let is_refused = row.flags.has(Flags::NOSCRIPT) && !state.scripts.may_call_all;
    if is_refused || row.host_step.is_some() || matches!(row.run, Run::Script(_)) {
        return Err(CommandError::fixed("ERR This Redis command is not allowed from script"));
    }
    if let Some(user) = caller.user {
        user.permit(command, args, caller.db)?;
    }
    if is_write && caller.is_read_only {
        return Err(CommandError::fixed("ERR Write commands are not allowed from read-only scripts."));
    }
    if is_write && let Some(refusal) = refuses_writes(state) {
        return Err(refusal);
    }
    if caller.saves_memory && row.flags.has(Flags::DENYOOM) {
        return Err(OUT_OF_MEMORY);
    }
    // The analysis of its text proves that this does not happen: nothing else would keep it from what others have claimed.
    if caller.closed.is_some_and(|declared| !keys_are_declared(command, args, declared)) {
        return Err(CommandError::fixed("ERR Script attempted to access a key that was not declared"));
    }
    Ok(command)
}

/// What a script is told of that.
pub fn in_script(error: &CommandError) -> Cow<'_, [u8]> {
    match error {
        CommandError::NoPermission(denied) => [b"ERR ACL failure in script: ", &denied.brief()[..]].concat().into(),
        error => error.text(),
    }
}

/// Whether a call has no other keys than these.
#[inline]
fn keys_are_declared(command: &Command, args: Args<'_>, declared: Args<'_>) -> bool {
    let is_declared = |index: usize| declared.iter().any(|key| key == args.get(index));
    match command.only_key {
        0 => command.row.key_indexes(args).all(is_declared),
        index => is_declared(index),
    }
}
