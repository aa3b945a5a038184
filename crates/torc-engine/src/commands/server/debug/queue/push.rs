//! DEBUG QUEUE-PUSH key element [element ...]: appends to a queue.

use torc_resp::{Args, Reply};

use super::append;
use crate::command::{KeySpec, Route, Row, Run};
use crate::error::CommandResult;
use crate::shard::ShardContext;

/// The description of DEBUG QUEUE-PUSH.
pub static ROW: Row = Row {
    name: "queue-push",
    arity: -4,
    keys: &[KeySpec::at(2, "RW insert")],
    route: Route::Owner,
    run: Run::Shard(push),
    summary: "Appends elements to a queue in a string, for tests.",
    complexity: "O(N) where N is the number of elements",
    syntax: "key element [element ...]",
    ..super::ROW_DEFAULT
};

fn push(context: &mut ShardContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let len = append(context, args.get(2), args.from(3).iter())?;
    reply.integer(len as i64);
    Ok(())
}
