//! SINTER key [key ...]: the members that all sets have.

use torc_resp::{Args, Reply};

use super::combine::{Operation, collect, collect_here, fetching, send};
use crate::command::{ApplyOn, Fetched, Flags, KeySpec, Relay, Route, Row, Run};
use crate::error::CommandResult;
use crate::shard::ShardContext;

pub(super) static ROW: Row = Row {
    name: "sinter",
    arity: -2,
    flags: Flags::READONLY.and(Flags::LONG),
    keys: &[KeySpec::from(1, "RO access")],
    tips: &["nondeterministic_output_order"],
    route: Route::Relay(&RELAY),
    run: Run::Shard(sinter),
    since: "1.0.0",
    summary: "Returns the intersect of multiple sets.",
    complexity: "O(N*M) worst case where N is the cardinality of the smallest set and M is the number of sets.",
    syntax: "key [key ...]",
    ..super::ROW_DEFAULT
};

static RELAY: Relay = Relay {
    fetch: fetching(Operation::Intersection, |context, args, candidates, extract| {
        send(context, args, candidates, Operation::Intersection, extract)
    }),
    apply,
    apply_on: ApplyOn::OwnerOf(0),
};

fn sinter(context: &mut ShardContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    collect_here(context, args, Operation::Intersection, usize::MAX)?.write(reply);
    Ok(())
}

fn apply(context: &mut ShardContext<'_>, args: Args<'_>, fetched: Fetched<'_>, reply: &mut Reply<'_>) -> CommandResult {
    collect(context, args, fetched, Operation::Intersection, usize::MAX).write(reply);
    Ok(())
}
