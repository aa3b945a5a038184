//! SISMEMBER key member: whether a member is in a set.

use torc_resp::{Args, Reply};
use torc_store::{Kind, SetRef};

use crate::command::{Flags, KeySpec, Route, Row, Run};
use crate::error::CommandResult;
use crate::shard::ShardContext;

pub(super) static ROW: Row = Row {
    name: "sismember",
    arity: 3,
    flags: Flags::READONLY.and(Flags::FAST),
    keys: &[KeySpec::at(1, "RO")],
    route: Route::Owner,
    element_at: 2,
    run: Run::Shard(sismember),
    since: "1.0.0",
    summary: "Determines whether a member belongs to a set.",
    complexity: "O(1)",
    syntax: "key member",
    ..super::ROW_DEFAULT
};

fn sismember(context: &mut ShardContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let set = context.read_kind(args.get(1), Kind::Set)?.map(SetRef::of);
    reply.integer(i64::from(set.is_some_and(|set| set.contains(args.get(2)))));
    Ok(())
}
