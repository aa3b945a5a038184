//! SINTER key [key ...]: the members that all sets have.

use torc_resp::{Args, Reply};

use super::combine::{Operation, collect_fetched, collect_here, fetch};
use crate::command::{ApplyOn, Fetched, Flags, KeySpec, Relay, Route, Row, Run};
use crate::error::CommandResult;
use crate::shard::ShardContext;

pub(super) static ROW: Row = Row {
    name: "sinter",
    arity: -2,
    flags: Flags::READONLY,
    keys: &[KeySpec::from(1, "RO access")],
    tips: &["nondeterministic_output_order"],
    route: Route::Relay(&Relay { fetch, apply, apply_on: ApplyOn::OwnerOf(0) }),
    run: Run::Shard(sinter),
    since: "1.0.0",
    summary: "Returns the intersect of multiple sets.",
    complexity: "O(N*M) worst case where N is the cardinality of the smallest set and M is the number of sets.",
    syntax: "key [key ...]",
    ..super::ROW_DEFAULT
};

fn sinter(context: &mut ShardContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    collect_here(context, args, 0, Operation::Intersection, usize::MAX)?.write(reply);
    Ok(())
}

fn apply(_context: &mut ShardContext<'_>, _args: Args<'_>, fetched: Fetched<'_>, reply: &mut Reply<'_>) -> CommandResult {
    collect_fetched(fetched, 0, Operation::Intersection, usize::MAX).write(reply);
    Ok(())
}
