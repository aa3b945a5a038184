//! SINTERSTORE destination key [key ...]: stores the members that all sets have.

use torc_resp::{Args, Reply};

use super::combine::{Operation, collect, collect_here, fetching, send, store};
use crate::command::{ApplyOn, Fetched, Flags, KeySpec, Propagation, Relay, Route, Row, Run};
use crate::error::CommandResult;
use crate::shard::ShardContext;

pub(super) static ROW: Row = Row {
    name: "sinterstore",
    arity: -3,
    flags: Flags::WRITE.and(Flags::DENYOOM).and(Flags::LONG),
    propagation: Propagation::AsItCame,
    keys: &[KeySpec::at(1, "OW update"), KeySpec::from(2, "RO access")],
    route: Route::Relay(&RELAY),
    run: Run::Shard(sinterstore),
    since: "1.0.0",
    summary: "Stores the intersect of multiple sets in a key.",
    complexity: "O(N*M) worst case where N is the cardinality of the smallest set and M is the number of sets.",
    syntax: "destination key [key ...]",
    ..super::ROW_DEFAULT
};

static RELAY: Relay = Relay {
    fetch: fetching(Operation::Intersection, |context, args, candidates, extract| {
        send(context, args, candidates, Operation::Intersection, extract)
    }),
    apply,
    apply_on: ApplyOn::OwnerOf(0),
};

fn sinterstore(context: &mut ShardContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let members = collect_here(context, args, Operation::Intersection, usize::MAX)?;
    store(context, args, &members, reply);
    Ok(())
}

fn apply(context: &mut ShardContext<'_>, args: Args<'_>, fetched: Fetched<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let members = collect(context, args, fetched, Operation::Intersection, usize::MAX);
    store(context, args, &members, reply);
    Ok(())
}
