//! ZDIFFSTORE destination numkeys key [key ...]: stores the members of the first set that no other has.

use torc_resp::{Args, Reply};

use super::combine::Operation;
use super::request::{Outcome, Plan, fetching};
use crate::command::{ApplyOn, Fetched, Flags, KeySpec, Propagation, Relay, Route, Row, Run};
use crate::error::CommandResult;
use crate::shard::ShardContext;

pub(super) static ROW: Row = Row {
    name: "zdiffstore",
    arity: -4,
    flags: Flags::WRITE.and(Flags::DENYOOM).and(Flags::LONG),
    propagation: Propagation::AsItCame,
    keys: &[KeySpec::at(1, "OW update"), KeySpec::counted(2, "RO access")],
    route: Route::Relay(&RELAY),
    run: Run::Shard(zdiffstore),
    since: "6.2.0",
    summary: "Stores the difference of multiple sorted sets in a key.",
    complexity: "O(L + (N-K)log(N)) worst case where L is the total number of elements in all the sets, N is the size of the first set, and K is the size of the result set.",
    syntax: "destination numkeys key [key ...]",
    ..super::ROW_DEFAULT
};

const PLAN: Plan = Plan { operation: Operation::Difference, outcome: Outcome::Store };

static RELAY: Relay = Relay {
    fetch: fetching(PLAN, |context, args, candidates, extract| PLAN.send(context, args, candidates, extract)),
    apply,
    apply_on: ApplyOn::OwnerOf(0),
};

fn zdiffstore(context: &mut ShardContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    PLAN.run(context, args, reply)
}

fn apply(context: &mut ShardContext<'_>, args: Args<'_>, fetched: Fetched<'_>, reply: &mut Reply<'_>) -> CommandResult {
    PLAN.apply(context, args, fetched, reply)
}
