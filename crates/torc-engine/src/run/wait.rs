//! The steps of a command that waits for a key: take or wait, and serve from a key that has changed.

use torc_resp::{OutputBuffer, Reply};

use super::{Call, Outcome, shard_context};
use crate::command::blocking;
use crate::error::CommandError;
use crate::state::CoreState;

/// Takes what is there in the keys, all of which are on this core.
pub(super) fn take(state: &mut CoreState, call: &Call<'_>, out: &mut OutputBuffer) -> Result<Outcome, CommandError> {
    let reply = &mut Reply::new(out, call.asker.protocol);
    let taken = blocking::take_now(&mut shard_context(state, call), call.args, reply)?;
    Ok(if taken { Outcome::Replied } else { Outcome::Waits })
}

/// This core's share in taking from keys of several cores, of which the one with this number is the first that is ready.
pub(super) fn take_share(
    state: &mut CoreState,
    call: &Call<'_>,
    first: usize,
    out: &mut OutputBuffer,
) -> Result<Outcome, CommandError> {
    let reply = &mut Reply::new(out, call.asker.protocol);
    blocking::take_share(&mut shard_context(state, call), call.args, first, reply)?;
    Ok(Outcome::Replied)
}

/// No core has anything for the request.
pub(super) fn take_nothing(state: &mut CoreState, call: &Call<'_>, waits: bool, out: &mut OutputBuffer) -> Outcome {
    let context = &mut shard_context(state, call);
    blocking::ask(context, call.args);
    if waits {
        return Outcome::Waits;
    }
    blocking::reply_nothing(context, &mut Reply::new(out, call.asker.protocol));
    Outcome::Replied
}

/// Answers a waiting request from a key that is ready for it.
pub(super) fn serve(
    state: &mut CoreState,
    call: &Call<'_>,
    key: &[u8],
    out: &mut OutputBuffer,
) -> Result<Outcome, CommandError> {
    let reply = &mut Reply::new(out, call.asker.protocol);
    blocking::take_changed(&mut shard_context(state, call), call.args, key, reply)?;
    Ok(Outcome::Replied)
}
