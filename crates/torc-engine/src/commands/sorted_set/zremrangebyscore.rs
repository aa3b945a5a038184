//! ZREMRANGEBYSCORE key min max: removes the members with scores in a range.

use torc_resp::{Args, Reply};

use super::range::By;
use super::remove::remove_range;
use crate::command::{Flags, KeySpec, Propagation, Row, Run};
use crate::error::CommandResult;
use crate::shard::ShardContext;

pub(super) static ROW: Row = Row {
    name: "zremrangebyscore",
    arity: 4,
    flags: Flags::WRITE.and(Flags::LONG),
    propagation: Propagation::AsItCame,
    keys: &[KeySpec::at(1, "RW delete")],
    run: Run::Shard(zremrangebyscore),
    since: "1.2.0",
    summary: "Removes members in a sorted set within a range of scores. Deletes the sorted set if all members were removed.",
    complexity: "O(log(N)+M) with N being the number of elements in the sorted set and M the number of elements removed by the operation.",
    syntax: "key min/double max/double",
    ..super::ROW_DEFAULT
};

fn zremrangebyscore(context: &mut ShardContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    remove_range(context, args, By::Score, reply)
}
