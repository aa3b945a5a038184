//! DEBUG QUEUE-POP key [key ...] timeout: takes from the first queue that has an element, as BLPOP does.

use torc_resp::{Args, Reply};

use super::{has_elements, take_first};
use crate::command::blocking::take_or_nothing;
use crate::command::{AwaitedKey, Blocking, Flags, KeySpec, Route, Row, Run};
use crate::error::CommandResult;
use crate::shard::ShardContext;

/// The description of DEBUG QUEUE-POP.
pub static ROW: Row = Row {
    name: "queue-pop",
    arity: -4,
    flags: super::ROW_DEFAULT.flags.and(Flags::BLOCKING),
    keys: &[KeySpec::range(2, -2, 1, "RW access delete")],
    route: Route::Relay(&Blocking::RELAY),
    run: Run::Shard(take_or_nothing),
    blocking: Some(&Blocking { is_ready: |context, _, key| has_elements(context, key.name), take, ..Blocking::DEFAULT }),
    summary: "Takes the first element of the first queue that has one, or waits for it, for tests.",
    complexity: "O(N) where N is the length of the queue",
    syntax: "key [key ...] timeout",
    ..super::ROW_DEFAULT
};

fn take(
    context: &mut ShardContext<'_>,
    _args: Args<'_>,
    key: AwaitedKey<'_>,
    reply: &mut Reply<'_>,
) -> CommandResult {
    let taken = take_first(context, key.name, 1);
    reply.array(2);
    reply.bulk(key.name);
    reply.bulk(&taken[0]);
    Ok(())
}
