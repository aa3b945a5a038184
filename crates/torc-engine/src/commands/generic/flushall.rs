//! FLUSHALL [ASYNC | SYNC]: removes all keys of all databases, on every core.

use torc_resp::{Args, Reply};

use super::flush::flush;
use crate::command::{Databases, Flags, Merge, Propagation, Route, Row, Run};
use crate::error::CommandResult;
use crate::shard::ShardContext;

pub(super) static ROW: Row = Row {
    name: "flushall",
    arity: -1,
    flags: Flags::WRITE.and(Flags::OF_NODE).and(Flags::LONG),
    propagation: Propagation::Given,
    route: Route::Every(Merge::Same),
    run: Run::Shard(flushall),
    databases: Databases::All,
    categories: &["keyspace", "dangerous"],
    group: "server",
    summary: "Removes all keys from all databases.",
    complexity: "O(N) where N is the total number of keys in all databases",
    syntax: "flush-type:[ASYNC@4.0.0 | SYNC@6.2.0]",
    tips: &["request_policy:all_shards", "response_policy:all_succeeded"],
    history: &[
        ("4.0.0", "Added the `ASYNC` flushing mode modifier."),
        ("6.2.0", "Added the `SYNC` flushing mode modifier."),
    ],
    ..super::ROW_DEFAULT
};

fn flushall(context: &mut ShardContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let databases = 0..context.databases();
    flush(context, args, reply, databases, |context, lazy| context.flush_all(lazy))
}
