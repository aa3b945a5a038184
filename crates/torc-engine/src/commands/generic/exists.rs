//! EXISTS key [key ...]: how many of the keys exist; a key named twice counts twice.

use torc_resp::{Args, Reply};

use super::ASK;
use crate::command::{KeySpec, Merge, Route, Row, Run};
use crate::error::CommandResult;
use crate::shard::ShardContext;

pub(super) static ROW: Row = Row {
    name: "exists",
    arity: -2,
    flags: ASK,
    keys: &[KeySpec::from(1, "RO")],
    route: Route::Split { stride: 1, merge: Merge::Sum },
    run: Run::Shard(exists),
    summary: "Determines whether one or more keys exist.",
    complexity: "O(N) where N is the number of keys to check.",
    syntax: "key [key ...]",
    tips: &["request_policy:multi_shard", "response_policy:agg_sum"],
    history: &[
        ("3.0.3", "Accepts multiple `key` arguments."),
    ],
    ..super::ROW_DEFAULT
};

fn exists(context: &mut ShardContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let found = args.from(1).iter().filter(|key| context.peek(key).is_some()).count();
    reply.integer(found as i64);
    Ok(())
}
