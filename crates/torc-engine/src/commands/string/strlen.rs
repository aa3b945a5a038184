//! STRLEN key: the length of a string.

use torc_resp::{Args, Reply};

use crate::command::{Flags, KeySpec, Route, Row, Run};
use crate::error::CommandResult;
use crate::shard::ShardContext;

pub(super) static ROW: Row = Row {
    name: "strlen",
    arity: 2,
    flags: Flags::READONLY.and(Flags::FAST),
    keys: &[KeySpec::at(1, "RO")],
    route: Route::Owner,
    run: Run::Shard(strlen),
    since: "2.2.0",
    group: "string",
    summary: "Returns the length of a string value.",
    syntax: "key",
    ..Row::DEFAULT
};

fn strlen(context: &mut ShardContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let len = context.read_string(args.get(1))?.map_or(0, <[u8]>::len);
    reply.integer(len as i64);
    Ok(())
}
