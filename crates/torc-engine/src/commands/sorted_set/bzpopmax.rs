//! BZPOPMAX key [key ...] timeout: takes the member with the highest score from the first set that has any, or waits for one.

use torc_resp::{Args, Reply};

use super::bzpopmin::take_one;
use super::remove::End;
use super::zmpop::is_ready;
use crate::command::blocking::{AwaitedKey, Blocking, take_or_nothing};
use crate::command::{Flags, KeySpec, Propagation, Route, Row, Run};
use crate::error::CommandResult;
use crate::shard::ShardContext;

pub(super) static ROW: Row = Row {
    name: "bzpopmax",
    arity: -3,
    flags: Flags::WRITE.and(Flags::FAST).and(Flags::BLOCKING),
    propagation: Propagation::Given,
    keys: &[KeySpec::range(1, -2, 1, "RW access delete")],
    route: Route::Relay(&Blocking::RELAY),
    blocking: Some(&Blocking { is_ready, take, ..Blocking::DEFAULT }),
    run: Run::Shard(take_or_nothing),
    since: "5.0.0",
    summary: "Removes and returns the member with the highest score from one or more sorted sets. Blocks until a member is available otherwise. Deletes the sorted set if the last element was popped.",
    complexity: "O(log(N)) with N being the number of elements in the sorted set.",
    syntax: "key [key ...] timeout",
    history: &[
        ("6.0.0", "`timeout` is interpreted as a double instead of an integer."),
    ],
    ..super::ROW_DEFAULT
};

fn take(
    context: &mut ShardContext<'_>,
    _args: Args<'_>,
    key: AwaitedKey<'_>,
    reply: &mut Reply<'_>,
) -> CommandResult {
    take_one(context, key.name, End::Max, reply)
}
