//! DEBUG QUEUE-DRAIN milliseconds key [key ...]: takes all elements of all queues, which must exist, as XREADGROUP needs its groups.
//!
//! `-` for the milliseconds: it does not wait. An empty queue is an empty string.

use torc_resp::{Args, Reply};
use torc_store::{Entry, StringForm};

use super::read::{head, pair, timeout};
use super::{elements, elements_of};
use crate::command::blocking::take_or_nothing;
use crate::command::{AwaitedKey, Blocking, Flags, KeySpec, Route, Row, Run, Serves};
use crate::error::{CommandError, CommandResult};
use crate::shard::ShardContext;

/// The description of DEBUG QUEUE-DRAIN.
pub static ROW: Row = Row {
    name: "queue-drain",
    arity: -4,
    flags: super::ROW_DEFAULT.flags.and(Flags::BLOCKING),
    keys: &[KeySpec::from(3, "RW access delete")],
    route: Route::Relay(&Blocking::RELAY),
    run: Run::Shard(take_or_nothing),
    blocking: Some(&Blocking {
        timeout,
        is_ready,
        take,
        serves: Serves::AllKeys(head),
        errors_end_wait: true,
        ..Blocking::DEFAULT
    }),
    summary: "Takes all elements of queues that exist, or waits for one, for tests.",
    complexity: "O(N) where N is the length of the queues",
    syntax: "milliseconds key [key ...]",
    ..super::ROW_DEFAULT
};

fn is_ready(context: &mut ShardContext<'_>, _args: Args<'_>, key: AwaitedKey<'_>) -> Result<bool, CommandError> {
    match elements_of(context, key.name)? {
        Some(elements) => Ok(!elements.is_empty()),
        None => Err(CommandError::fixed("NOQUEUE No such queue")),
    }
}

fn take(
    context: &mut ShardContext<'_>,
    _args: Args<'_>,
    key: AwaitedKey<'_>,
    reply: &mut Reply<'_>,
) -> CommandResult {
    let Entry::Occupied(mut occupied) = context.entry(key.name) else { unreachable!("the queue is there") };
    let value = occupied.value().as_string().expect("it is a queue").to_vec();
    let elements = elements(Some(&value)).expect("it is a queue");
    // A key that is named twice has nothing left the second time.
    if !elements.is_empty() {
        pair(key.name, elements.into_iter(), reply);
        occupied.set_string(b"", StringForm::Raw);
    }
    Ok(())
}
