//! ZINTERCARD numkeys key [key ...] [LIMIT limit]: how many members all sets have in common.

use torc_resp::{Args, Reply};

use super::combine::Operation;
use super::request::{Outcome, Plan, fetching};
use crate::command::{ApplyOn, Fetched, Flags, KeySpec, Relay, Route, Row, Run};
use crate::error::CommandResult;
use crate::shard::ShardContext;

pub(super) static ROW: Row = Row {
    name: "zintercard",
    arity: -3,
    flags: Flags::READONLY.and(Flags::LONG),
    keys: &[KeySpec::counted(1, "RO access")],
    route: Route::Relay(&RELAY),
    run: Run::Shard(zintercard),
    since: "7.0.0",
    summary: "Returns the number of members of the intersect of multiple sorted sets.",
    complexity: "O(N*K) worst case with N being the smallest input sorted set, K being the number of input sorted sets.",
    syntax: "numkeys key [key ...] [LIMIT limit]",
    ..super::ROW_DEFAULT
};

const PLAN: Plan = Plan { operation: Operation::Intersection, outcome: Outcome::Count };

static RELAY: Relay = Relay {
    fetch: fetching(PLAN, |context, args, candidates, extract| PLAN.send(context, args, candidates, extract)),
    apply,
    apply_on: ApplyOn::OwnerOf(0),
};

fn zintercard(context: &mut ShardContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    PLAN.run(context, args, reply)
}

fn apply(context: &mut ShardContext<'_>, args: Args<'_>, fetched: Fetched<'_>, reply: &mut Reply<'_>) -> CommandResult {
    PLAN.apply(context, args, fetched, reply)
}
