//! SDIFF key [key ...]: the members of the first set that no other set has.

use torc_resp::{Args, Reply};

use super::combine::{Operation, collect, collect_here, fetching, send};
use crate::command::{ApplyOn, Fetched, Flags, KeySpec, Relay, Route, Row, Run};
use crate::error::CommandResult;
use crate::shard::ShardContext;

pub(super) static ROW: Row = Row {
    name: "sdiff",
    arity: -2,
    flags: Flags::READONLY.and(Flags::LONG),
    keys: &[KeySpec::from(1, "RO access")],
    tips: &["nondeterministic_output_order"],
    route: Route::Relay(&RELAY),
    run: Run::Shard(sdiff),
    since: "1.0.0",
    summary: "Returns the difference of multiple sets.",
    complexity: "O(N) where N is the total number of elements in all given sets.",
    syntax: "key [key ...]",
    ..super::ROW_DEFAULT
};

static RELAY: Relay = Relay {
    fetch: fetching(Operation::Difference, |context, args, candidates, extract| {
        send(context, args, candidates, Operation::Difference, extract)
    }),
    apply,
    apply_on: ApplyOn::OwnerOf(0),
};

fn sdiff(context: &mut ShardContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    collect_here(context, args, Operation::Difference, usize::MAX)?.write(reply);
    Ok(())
}

fn apply(context: &mut ShardContext<'_>, args: Args<'_>, fetched: Fetched<'_>, reply: &mut Reply<'_>) -> CommandResult {
    collect(context, args, fetched, Operation::Difference, usize::MAX).write(reply);
    Ok(())
}
