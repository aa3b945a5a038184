//! ZCARD key: the number of members.

use torc_resp::{Args, Reply};
use torc_store::Kind;
use torc_store::sorted_set::SortedSetRef;

use crate::command::{Flags, KeySpec, Row, Run};
use crate::error::CommandResult;
use crate::shard::ShardContext;

pub(super) static ROW: Row = Row {
    name: "zcard",
    arity: 2,
    flags: Flags::READONLY.and(Flags::FAST),
    keys: &[KeySpec::at(1, "RO")],
    run: Run::Shard(zcard),
    since: "1.2.0",
    summary: "Returns the number of members in a sorted set.",
    syntax: "key",
    ..super::ROW_DEFAULT
};

fn zcard(context: &mut ShardContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let value = context.read_kind(args.get(1), Kind::SortedSet)?;
    reply.integer(value.map_or(0, |value| SortedSetRef::of(value).len() as i64));
    Ok(())
}
