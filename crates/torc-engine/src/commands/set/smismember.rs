//! SMISMEMBER key member [member ...]: for each member, whether it is in a set.

use torc_resp::{Args, Reply};
use torc_store::{Kind, SetRef};

use crate::command::{Flags, KeySpec, Route, Row, Run};
use crate::error::CommandResult;
use crate::shard::ShardContext;

pub(super) static ROW: Row = Row {
    name: "smismember",
    arity: -3,
    flags: Flags::READONLY.and(Flags::FAST),
    keys: &[KeySpec::at(1, "RO access")],
    route: Route::Owner,
    element_at: 2,
    run: Run::Shard(smismember),
    since: "6.2.0",
    summary: "Determines whether multiple members belong to a set.",
    complexity: "O(N) where N is the number of elements being checked for membership",
    syntax: "key member [member ...]",
    ..super::ROW_DEFAULT
};

fn smismember(context: &mut ShardContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let set = context.read_kind(args.get(1), Kind::Set)?.map(SetRef::of);
    reply.array(args.len() - 2);
    for member in args.from(2) {
        reply.integer(i64::from(set.is_some_and(|set| set.contains(member))));
    }
    Ok(())
}
