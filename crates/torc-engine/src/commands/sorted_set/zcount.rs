//! ZCOUNT key min max: the number of members with scores in a range.

use torc_resp::{Args, Reply};
use torc_store::Kind;
use torc_store::sorted_set::SortedSetRef;

use super::range::{Bounds, By};
use crate::command::{Flags, KeySpec, Row, Run};
use crate::error::CommandResult;
use crate::shard::ShardContext;

pub(super) static ROW: Row = Row {
    name: "zcount",
    arity: 4,
    flags: Flags::READONLY.and(Flags::FAST),
    keys: &[KeySpec::at(1, "RO access")],
    run: Run::Shard(zcount),
    since: "2.0.0",
    summary: "Returns the count of members in a sorted set that have scores within a range.",
    complexity: "O(log(N)) with N being the number of elements in the sorted set.",
    syntax: "key min/double max/double",
    ..super::ROW_DEFAULT
};

fn zcount(context: &mut ShardContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let bounds = Bounds::parse(By::Score, args.get(2), args.get(3))?;
    let set = context.read_kind(args.get(1), Kind::SortedSet)?.map(SortedSetRef::of);
    reply.integer(set.map_or(0, |set| bounds.ranks(set, false).len() as i64));
    Ok(())
}
