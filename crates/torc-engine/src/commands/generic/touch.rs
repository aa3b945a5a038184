//! TOUCH key [key ...]: counts the keys that exist as accessed now, even under CLIENT NO-TOUCH.

use torc_resp::{Args, Reply};

use super::ASK;
use crate::command::{KeySpec, Merge, Route, Row, Run};
use crate::error::CommandResult;
use crate::shard::ShardContext;

pub(super) static ROW: Row = Row {
    name: "touch",
    arity: -2,
    flags: ASK,
    keys: &[KeySpec::from(1, "RO")],
    route: Route::Split { stride: 1, merge: Merge::Sum },
    run: Run::Shard(touch),
    since: "3.2.1",
    summary: "Returns the number of existing keys out of those specified after updating the time they were last accessed.",
    complexity: "O(N) where N is the number of keys that will be touched.",
    syntax: "key [key ...]",
    tips: &["request_policy:multi_shard", "response_policy:agg_sum"],
    ..super::ROW_DEFAULT
};

fn touch(context: &mut ShardContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let found = args.from(1).iter().filter(|key| context.look_up(key, true).is_some()).count();
    reply.integer(found as i64);
    Ok(())
}
