//! ZUNIONSTORE destination numkeys key [key ...] [WEIGHTS weight [weight ...]] [AGGREGATE SUM | MIN | MAX]: stores the members that any set has.

use torc_resp::{Args, Reply};

use super::combine::Operation;
use super::request::{Outcome, Plan, fetching};
use crate::command::{ApplyOn, Fetched, Flags, KeySpec, Propagation, Relay, Route, Row, Run};
use crate::error::CommandResult;
use crate::shard::ShardContext;

pub(super) static ROW: Row = Row {
    name: "zunionstore",
    arity: -4,
    flags: Flags::WRITE.and(Flags::DENYOOM).and(Flags::LONG),
    propagation: Propagation::AsItCame,
    keys: &[KeySpec::at(1, "OW update"), KeySpec::counted(2, "RO access")],
    route: Route::Relay(&RELAY),
    run: Run::Shard(zunionstore),
    since: "2.0.0",
    summary: "Stores the union of multiple sorted sets in a key.",
    complexity: "O(N)+O(M log(M)) with N being the sum of the sizes of the input sorted sets, and M being the number of elements in the resulting sorted set.",
    syntax: "destination numkeys key [key ...] [WEIGHTS weight [weight ...]] [AGGREGATE aggregate:<SUM | MIN | MAX>]",
    ..super::ROW_DEFAULT
};

const PLAN: Plan = Plan { operation: Operation::Union, outcome: Outcome::Store };

static RELAY: Relay = Relay {
    fetch: fetching(PLAN, |context, args, candidates, extract| PLAN.send(context, args, candidates, extract)),
    apply,
    apply_on: ApplyOn::OwnerOf(0),
};

fn zunionstore(context: &mut ShardContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    PLAN.run(context, args, reply)
}

fn apply(context: &mut ShardContext<'_>, args: Args<'_>, fetched: Fetched<'_>, reply: &mut Reply<'_>) -> CommandResult {
    PLAN.apply(context, args, fetched, reply)
}
