//! CLUSTER COUNTKEYSINSLOT slot: how many keys the slot has.

use torc_resp::{Args, Reply};

use super::{node, slot};
use crate::command::{Flags, Route, Row, Run};
use crate::error::{CommandError, CommandResult};
use crate::shard::ShardContext;

pub(super) static ROW: Row = Row {
    name: "countkeysinslot",
    arity: 3,
    flags: super::ROW_DEFAULT.flags.and(Flags::OF_NODE),
    route: Route::Pick(slot::core_of_request),
    run: Run::Shard(countkeysinslot),
    summary: "Returns the number of keys in a hash slot.",
    complexity: "O(1)",
    syntax: "slot",
    ..super::ROW_DEFAULT
};

fn countkeysinslot(context: &mut ShardContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    node::check_enabled(context.facts())?;
    let slot = slot::valid(slot::number(args)?).ok_or(CommandError::fixed("ERR Invalid slot"))?;
    reply.integer(slot::count_keys(context, slot) as i64);
    Ok(())
}
