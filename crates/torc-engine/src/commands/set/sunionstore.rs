//! SUNIONSTORE destination key [key ...]: stores the members of any of the sets.

use torc_resp::{Args, Reply};

use super::combine::{Operation, collect, collect_here, fetching, send, store};
use crate::command::{ApplyOn, Fetched, Flags, KeySpec, Propagation, Relay, Route, Row, Run};
use crate::error::CommandResult;
use crate::shard::ShardContext;

pub(super) static ROW: Row = Row {
    name: "sunionstore",
    arity: -3,
    flags: Flags::WRITE.and(Flags::DENYOOM).and(Flags::LONG),
    propagation: Propagation::AsItCame,
    keys: &[KeySpec::at(1, "OW update"), KeySpec::from(2, "RO access")],
    route: Route::Relay(&RELAY),
    run: Run::Shard(sunionstore),
    since: "1.0.0",
    summary: "Stores the union of multiple sets in a key.",
    complexity: "O(N) where N is the total number of elements in all given sets.",
    syntax: "destination key [key ...]",
    ..super::ROW_DEFAULT
};

static RELAY: Relay = Relay {
    fetch: fetching(Operation::Union, |context, args, candidates, extract| {
        send(context, args, candidates, Operation::Union, extract)
    }),
    apply,
    apply_on: ApplyOn::OwnerOf(0),
};

fn sunionstore(context: &mut ShardContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let members = collect_here(context, args, Operation::Union, usize::MAX)?;
    store(context, args, &members, reply);
    Ok(())
}

fn apply(context: &mut ShardContext<'_>, args: Args<'_>, fetched: Fetched<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let members = collect(context, args, fetched, Operation::Union, usize::MAX);
    store(context, args, &members, reply);
    Ok(())
}
