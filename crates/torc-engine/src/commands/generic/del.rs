//! DEL key [key ...]: removes keys.

use torc_resp::{Args, Reply};

use crate::command::{Flags, KeySpec, Merge, Propagation, Route, Row, Run};
use crate::error::CommandResult;
use crate::shard::ShardContext;

pub(super) static ROW: Row = Row {
    name: "del",
    arity: -2,
    flags: Flags::WRITE,
    propagation: Propagation::AsItCame,
    keys: &[KeySpec::from(1, "RM delete")],
    route: Route::Split { stride: 1, merge: Merge::Sum },
    run: Run::Shard(del),
    summary: "Deletes one or more keys.",
    complexity: "O(N) where N is the number of keys. Big values are freed in the background.",
    syntax: "key [key ...]",
    tips: &["request_policy:multi_shard", "response_policy:agg_sum"],
    ..super::ROW_DEFAULT
};

/// Removes the keys and answers how many there were. Big values are always freed in slices later.
pub(super) fn del(context: &mut ShardContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let removed = args.from(1).iter().filter(|key| context.remove(key)).count();
    reply.integer(removed as i64);
    context.count_changes(removed);
    Ok(())
}
