//! ZDIFF numkeys key [key ...] [WITHSCORES]: the members of the first set that no other has.

use torc_resp::{Args, Reply};

use super::combine::Operation;
use super::request::{Outcome, Plan, fetching};
use crate::command::{ApplyOn, Fetched, Flags, KeySpec, Relay, Route, Row, Run};
use crate::error::CommandResult;
use crate::shard::ShardContext;

pub(super) static ROW: Row = Row {
    name: "zdiff",
    arity: -3,
    flags: Flags::READONLY.and(Flags::LONG),
    keys: &[KeySpec::counted(1, "RO access")],
    route: Route::Relay(&RELAY),
    run: Run::Shard(zdiff),
    since: "6.2.0",
    summary: "Returns the difference between multiple sorted sets.",
    complexity: "O(L + (N-K)log(N)) worst case where L is the total number of elements in all the sets, N is the size of the first set, and K is the size of the result set.",
    syntax: "numkeys key [key ...] [WITHSCORES]",
    ..super::ROW_DEFAULT
};

const PLAN: Plan = Plan { operation: Operation::Difference, outcome: Outcome::Answer };

static RELAY: Relay = Relay {
    fetch: fetching(PLAN, |context, args, candidates, extract| PLAN.send(context, args, candidates, extract)),
    apply,
    apply_on: ApplyOn::OwnerOf(0),
};

fn zdiff(context: &mut ShardContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    PLAN.run(context, args, reply)
}

fn apply(context: &mut ShardContext<'_>, args: Args<'_>, fetched: Fetched<'_>, reply: &mut Reply<'_>) -> CommandResult {
    PLAN.apply(context, args, fetched, reply)
}
