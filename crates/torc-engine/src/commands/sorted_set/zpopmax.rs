//! ZPOPMAX key [count]: takes the members with the highest scores.

use torc_resp::{Args, Reply};

use super::remove::End;
use super::zpopmin::pop_from_one;
use crate::command::{Flags, KeySpec, Propagation, Row, Run};
use crate::error::CommandResult;
use crate::shard::ShardContext;

pub(super) static ROW: Row = Row {
    name: "zpopmax",
    arity: -2,
    flags: Flags::WRITE.and(Flags::FAST),
    propagation: Propagation::AsItCame,
    keys: &[KeySpec::at(1, "RW access delete")],
    run: Run::Shard(zpopmax),
    since: "5.0.0",
    summary: "Returns the highest-scoring members from a sorted set after removing them. Deletes the sorted set if the last member was popped.",
    complexity: "O(log(N)*M) with N being the number of elements in the sorted set, and M being the number of elements popped.",
    syntax: "key [count]",
    ..super::ROW_DEFAULT
};

fn zpopmax(context: &mut ShardContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    pop_from_one(context, args, End::Max, reply)
}
