//! ZINTERSTORE destination numkeys key [key ...] [WEIGHTS weight [weight ...]] [AGGREGATE SUM | MIN | MAX]: stores the members that all sets have.

use torc_resp::{Args, Reply};

use super::combine::Operation;
use super::request::{Outcome, Plan, fetching};
use crate::command::{ApplyOn, Fetched, Flags, KeySpec, Propagation, Relay, Route, Row, Run};
use crate::error::CommandResult;
use crate::shard::ShardContext;

pub(super) static ROW: Row = Row {
    name: "zinterstore",
    arity: -4,
    flags: Flags::WRITE.and(Flags::DENYOOM).and(Flags::LONG),
    propagation: Propagation::AsItCame,
    keys: &[KeySpec::at(1, "OW update"), KeySpec::counted(2, "RO access")],
    route: Route::Relay(&RELAY),
    run: Run::Shard(zinterstore),
    since: "2.0.0",
    summary: "Stores the intersect of multiple sorted sets in a key.",
    complexity: "O(N*K)+O(M*log(M)) worst case with N being the smallest input sorted set, K being the number of input sorted sets and M being the number of elements in the resulting sorted set.",
    syntax: "destination numkeys key [key ...] [WEIGHTS weight [weight ...]] [AGGREGATE aggregate:<SUM | MIN | MAX>]",
    ..super::ROW_DEFAULT
};

const PLAN: Plan = Plan { operation: Operation::Intersection, outcome: Outcome::Store };

static RELAY: Relay = Relay {
    fetch: fetching(PLAN, |context, args, candidates, extract| PLAN.send(context, args, candidates, extract)),
    apply,
    apply_on: ApplyOn::OwnerOf(0),
};

fn zinterstore(context: &mut ShardContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    PLAN.run(context, args, reply)
}

fn apply(context: &mut ShardContext<'_>, args: Args<'_>, fetched: Fetched<'_>, reply: &mut Reply<'_>) -> CommandResult {
    PLAN.apply(context, args, fetched, reply)
}
