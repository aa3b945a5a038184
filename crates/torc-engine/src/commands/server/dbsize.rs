//! DBSIZE: the number of keys in the selected database, over all cores.

use torc_resp::{Args, Reply};

use crate::command::{Flags, Merge, Route, Row, Run};
use crate::error::CommandResult;
use crate::shard::ShardContext;

pub(super) static ROW: Row = Row {
    name: "dbsize",
    arity: 1,
    flags: Flags::READONLY.and(Flags::FAST).and(Flags::OF_NODE),
    route: Route::Every(Merge::Sum),
    run: Run::Shard(dbsize),
    group: "server",
    summary: "Returns the number of keys in the database.",
    categories: &["keyspace"],
    complexity: "O(1)",
    tips: &["request_policy:all_shards", "response_policy:agg_sum"],
    ..Row::DEFAULT
};

fn dbsize(context: &mut ShardContext<'_>, _args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    reply.integer(context.keys_len() as i64);
    Ok(())
}
