//! ZSCORE key member: the score of a member.

use torc_resp::{Args, Reply};
use torc_store::Kind;
use torc_store::sorted_set::SortedSetRef;

use crate::command::{Flags, KeySpec, Row, Run};
use crate::error::CommandResult;
use crate::shard::ShardContext;

pub(super) static ROW: Row = Row {
    name: "zscore",
    arity: 3,
    flags: Flags::READONLY.and(Flags::FAST),
    keys: &[KeySpec::at(1, "RO access")],
    element_at: 2,
    run: Run::Shard(zscore),
    since: "1.2.0",
    summary: "Returns the score of a member in a sorted set.",
    syntax: "key member",
    ..super::ROW_DEFAULT
};

fn zscore(context: &mut ShardContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let value = context.read_kind(args.get(1), Kind::SortedSet)?;
    match value.and_then(|value| SortedSetRef::of(value).score(args.get(2))) {
        Some(score) => reply.double(score),
        None => reply.null(),
    }
    Ok(())
}
