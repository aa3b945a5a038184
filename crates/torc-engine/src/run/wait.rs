//! The steps of a command that waits for a key: take or wait, and serve from a key that has changed.

use torc_resp::Reply;

use super::{Call, Outcome, shard_context};
use crate::command::Fetched;
use crate::command::blocking;
use crate::error::CommandError;
use crate::state::CoreState;

/// Takes what is there in the keys, all of which are on this core.
pub(super) fn take(state: &mut CoreState, call: &Call<'_>, out: &mut Vec<u8>) -> Result<Outcome, CommandError> {
    let reply = &mut Reply::new(out, call.asker.protocol);
    let taken = blocking::take_now(&mut shard_context(state, call), call.args, reply)?;
    Ok(if taken { Outcome::Replied } else { Outcome::Waits })
}

/// This core's share in taking, given what all cores have.
pub(super) fn apply(state: &mut CoreState, call: &Call<'_>, out: &mut Vec<u8>) -> Result<Outcome, CommandError> {
    let (own, fetched) = (call.own_args(), Fetched(call.behind_args()));
    let row_blocking = call.command.row.blocking.expect("the row says how it waits");
    let context = &mut shard_context(state, call);
    if !row_blocking.has_something(fetched) {
        blocking::ask(context, own);
        return Ok(Outcome::Waits);
    }
    blocking::apply(context, own, fetched, &mut Reply::new(out, call.asker.protocol))?;
    Ok(Outcome::Replied)
}

/// Answers a waiting request from a key that is ready for it.
pub(super) fn serve(
    state: &mut CoreState,
    call: &Call<'_>,
    key: &[u8],
    out: &mut Vec<u8>,
) -> Result<Outcome, CommandError> {
    let reply = &mut Reply::new(out, call.asker.protocol);
    blocking::take_changed(&mut shard_context(state, call), call.args, key, reply)?;
    Ok(Outcome::Replied)
}
