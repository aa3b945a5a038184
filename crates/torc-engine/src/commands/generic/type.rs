//! TYPE key: the name of the type of a key's value.

use torc_resp::{Args, Reply};

use super::ASK;
use crate::command::{KeySpec, Route, Row, Run};
use crate::error::CommandResult;
use crate::shard::ShardContext;

pub(super) static ROW: Row = Row {
    name: "type",
    arity: 2,
    flags: ASK,
    keys: &[KeySpec::at(1, "RO")],
    route: Route::Owner,
    run: Run::Shard(type_of),
    summary: "Determines the type of value stored at a key.",
    syntax: "key",
    ..super::ROW_DEFAULT
};

fn type_of(context: &mut ShardContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    reply.simple(context.peek(args.get(1)).map_or("none", |value| value.kind().name()));
    Ok(())
}
