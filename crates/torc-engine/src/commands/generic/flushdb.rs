//! FLUSHDB [ASYNC | SYNC]: removes all keys of the selected database, on every core.

use torc_resp::{Args, Reply};

use super::flush::flush;
use crate::command::{Flags, Merge, Propagation, Route, Row, Run};
use crate::error::CommandResult;
use crate::shard::ShardContext;

pub(super) static ROW: Row = Row {
    name: "flushdb",
    arity: -1,
    flags: Flags::WRITE.and(Flags::OF_NODE).and(Flags::LONG),
    propagation: Propagation::Given,
    route: Route::Every(Merge::Same),
    run: Run::Shard(flushdb),
    categories: &["keyspace", "dangerous"],
    group: "server",
    summary: "Removes all keys from the current database.",
    complexity: "O(N) where N is the number of keys in the selected database",
    syntax: "flush-type:[ASYNC@4.0.0 | SYNC@6.2.0]",
    tips: &["request_policy:all_shards", "response_policy:all_succeeded"],
    history: &[
        ("4.0.0", "Added the `ASYNC` flushing mode modifier."),
        ("6.2.0", "Added the `SYNC` flushing mode modifier."),
    ],
    ..super::ROW_DEFAULT
};

fn flushdb(context: &mut ShardContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let db = context.db;
    flush(context, args, reply, db..db + 1, |context, lazy| {
        context.count_changes(context.keys_len());
        context.flush(lazy);
    })
}
