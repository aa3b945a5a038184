//! What all commands that may wait have in common: the relay by which they find the first key that is ready, wherever it
//! lies, and take from it.

use torc_resp::{Args, Reply};

use super::{ApplyOn, Blocking, Fetched, Relay};
use crate::error::CommandResult;
use crate::shard::ShardContext;

/// What [`fetch`] writes for a key that is ready.
const READY: &[u8] = b":1\r\n";

impl Blocking {
    /// The relay of a command that may wait: first all owners say which keys are ready, then the owner of the first of
    /// them takes from it.
    pub const RELAY: Relay = Relay { fetch, apply, apply_on: ApplyOn::Owners };

    /// The number of the first key that is ready, by what was fetched.
    pub fn first_ready(fetched: Fetched<'_>) -> Option<usize> {
        fetched.0.iter().position(|ready| ready == READY)
    }
}

/// The function of a row that may wait, with all keys on this core and without waiting: inside a transaction.
pub fn take_or_nothing(context: &mut ShardContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    if !take_first(context, args, reply)? {
        (blocking_of(context).nothing)(reply);
    }
    Ok(())
}

/// Takes from the first key that is ready. False: none is.
pub fn take_first(
    context: &mut ShardContext<'_>,
    args: Args<'_>,
    reply: &mut Reply<'_>,
) -> Result<bool, crate::error::CommandError> {
    let blocking = blocking_of(context);
    (blocking.timeout_ms)(args)?;
    for index in context.command.row.key_indexes(args) {
        let key = args.get(index);
        if (blocking.is_ready)(context, args, key)? {
            (blocking.take)(context, args, key, reply)?;
            return Ok(true);
        }
    }
    Ok(false)
}

fn fetch(context: &mut ShardContext<'_>, args: Args<'_>, key_number: usize, reply: &mut Reply<'_>) -> CommandResult {
    let blocking = blocking_of(context);
    (blocking.timeout_ms)(args)?;
    let index = context.command.row.key_indexes(args).nth(key_number).expect("only keys of the request are fetched");
    let ready = (blocking.is_ready)(context, args, args.get(index))?;
    reply.integer(i64::from(ready));
    Ok(())
}

fn apply(context: &mut ShardContext<'_>, args: Args<'_>, fetched: Fetched<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let blocking = blocking_of(context);
    let Some(number) = Blocking::first_ready(fetched) else {
        (blocking.nothing)(reply);
        return Ok(());
    };
    let index = context.command.row.key_indexes(args).nth(number).expect("it was fetched");
    if context.owns(args.get(index)) {
        (blocking.take)(context, args, args.get(index), reply)?;
    }
    Ok(())
}

fn blocking_of(context: &ShardContext<'_>) -> &'static Blocking {
    context.command.row.blocking.expect("the row of a command that may wait says how")
}
