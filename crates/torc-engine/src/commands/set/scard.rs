//! SCARD key: the number of members of a set.

use torc_resp::{Args, Reply};
use torc_store::{Kind, SetRef};

use crate::command::{Flags, KeySpec, Route, Row, Run};
use crate::error::CommandResult;
use crate::shard::ShardContext;

pub(super) static ROW: Row = Row {
    name: "scard",
    arity: 2,
    flags: Flags::READONLY.and(Flags::FAST),
    keys: &[KeySpec::at(1, "RO")],
    route: Route::Owner,
    run: Run::Shard(scard),
    since: "1.0.0",
    summary: "Returns the number of members in a set.",
    complexity: "O(1)",
    syntax: "key",
    ..super::ROW_DEFAULT
};

fn scard(context: &mut ShardContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let set = context.read_kind(args.get(1), Kind::Set)?.map(SetRef::of);
    reply.integer(set.map_or(0, SetRef::len) as i64);
    Ok(())
}
