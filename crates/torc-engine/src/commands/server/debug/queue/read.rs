//! DEBUG QUEUE-READ milliseconds key position [key position ...]: what queues have behind positions, as XREAD answers.
//!
//! `$` is the position behind the last element at this moment. `-` for the milliseconds: it does not wait.

use torc_resp::{Args, Protocol, Reply};

use super::elements_of;
use crate::command::blocking::take_or_nothing;
use crate::command::{AwaitedKey, Blocking, Flags, KeySpec, Route, Row, Run, Serves, Timeout};
use crate::error::{CommandError, CommandResult};
use crate::shard::ShardContext;

/// The description of DEBUG QUEUE-READ.
pub static ROW: Row = Row {
    name: "queue-read",
    arity: -5,
    flags: super::super::DEVELOPER.and(Flags::READONLY).and(Flags::BLOCKING),
    keys: &[KeySpec::range(3, -2, 2, "RO access")],
    route: Route::Relay(&Blocking::RELAY),
    run: Run::Shard(take_or_nothing),
    blocking: Some(&Blocking {
        timeout,
        is_ready,
        take,
        serves: Serves::AllKeys(head),
        pin: Some(pin),
        ..Blocking::DEFAULT
    }),
    summary: "Reads the elements of queues behind positions, or waits for one, for tests.",
    complexity: "O(N) where N is the length of the queues",
    syntax: "milliseconds key position [key position ...]",
    ..super::ROW_DEFAULT
};

/// Also of QUEUE-DRAIN.
pub(super) fn timeout(args: Args<'_>) -> Result<Timeout, CommandError> {
    match args.get(2) {
        b"-" => Ok(Timeout::NoWait),
        milliseconds => Timeout::milliseconds(milliseconds),
    }
}

/// Pairs of a key and its elements.
pub(super) fn head(count: usize, reply: &mut Reply<'_>) {
    match reply.protocol() {
        Protocol::Resp2 => reply.array(count),
        Protocol::Resp3 => reply.map(count),
    }
}

/// One such pair.
pub(super) fn pair<'e>(
    key: &[u8],
    elements: impl ExactSizeIterator<Item = &'e [u8]>,
    reply: &mut Reply<'_>,
) {
    if reply.protocol() == Protocol::Resp2 {
        reply.array(2);
    }
    reply.bulk(key);
    reply.array(elements.len());
    elements.for_each(|element| reply.bulk(element));
}

fn position(args: Args<'_>, key: AwaitedKey<'_>, len: usize) -> Result<usize, CommandError> {
    match args.get(4 + 2 * key.number) {
        b"$" => Ok(len),
        number => torc_resp::number::parse_u64(number).map(|number| number as usize).ok_or(CommandError::NotAnInteger),
    }
}

fn is_ready(context: &mut ShardContext<'_>, args: Args<'_>, key: AwaitedKey<'_>) -> Result<bool, CommandError> {
    let len = elements_of(context, key.name)?.unwrap_or_default().len();
    Ok(position(args, key, len)? < len)
}

fn take(
    context: &mut ShardContext<'_>,
    args: Args<'_>,
    key: AwaitedKey<'_>,
    reply: &mut Reply<'_>,
) -> CommandResult {
    let elements = elements_of(context, key.name)?.unwrap_or_default();
    let first = position(args, key, elements.len())?;
    pair(key.name, elements[first..].iter().copied(), reply);
    Ok(())
}

fn pin(context: &mut ShardContext<'_>, args: Args<'_>, key: AwaitedKey<'_>) -> Option<(usize, Vec<u8>)> {
    let index = 4 + 2 * key.number;
    let len = elements_of(context, key.name).ok().flatten().unwrap_or_default().len();
    (args.get(index) == b"$").then(|| (index, len.to_string().into_bytes()))
}
