//! GET key: the value of a string key.

use torc_resp::{Args, Reply};

use super::answer;
use crate::command::{Flags, KeySpec, Route, Row, Run};
use crate::error::CommandResult;
use crate::shard::ShardContext;

pub(super) static ROW: Row = Row {
    name: "get",
    arity: 2,
    flags: Flags::READONLY.and(Flags::FAST),
    keys: &[KeySpec::at(1, "RO access")],
    route: Route::Owner,
    run: Run::Shard(get),
    group: "string",
    summary: "Returns the string value of a key.",
    syntax: "key",
    ..Row::DEFAULT
};

fn get(context: &mut ShardContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    match context.read(args.get(1)) {
        Some(value) => answer::whole(value, reply)?,
        None => reply.null(),
    }
    Ok(())
}
