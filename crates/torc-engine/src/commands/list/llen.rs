//! LLEN key: the length of a list.

use torc_resp::{Args, Reply};

use super::access::read;
use crate::command::{Flags, KeySpec, Route, Row, Run};
use crate::error::CommandResult;
use crate::shard::ShardContext;

pub(super) static ROW: Row = Row {
    name: "llen",
    arity: 2,
    flags: Flags::READONLY.and(Flags::FAST),
    keys: &[KeySpec::at(1, "RO")],
    route: Route::Owner,
    run: Run::Shard(llen),
    since: "1.0.0",
    group: "list",
    summary: "Returns the length of a list.",
    complexity: "O(1)",
    syntax: "key",
    ..Row::DEFAULT
};

fn llen(context: &mut ShardContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    reply.integer(read(context, args.get(1))?.map_or(0, |list| list.len() as i64));
    Ok(())
}
