//! ZINCRBY key increment member: adds to the score of a member, 0 if it is new.

use torc_resp::{Args, Reply};

use super::adding::{Conditions, add_one};
use super::arguments::score;
use crate::command::{Flags, KeySpec, Propagation, Row, Run};
use crate::error::CommandResult;
use crate::shard::ShardContext;

pub(super) static ROW: Row = Row {
    name: "zincrby",
    arity: 4,
    flags: Flags::WRITE.and(Flags::DENYOOM).and(Flags::FAST),
    propagation: Propagation::AsItCame,
    keys: &[KeySpec::at(1, "RW access update")],
    element_at: 3,
    run: Run::Shard(zincrby),
    since: "1.2.0",
    summary: "Increments the score of a member in a sorted set.",
    complexity: "O(log(N)) where N is the number of elements in the sorted set.",
    syntax: "key increment member",
    ..super::ROW_DEFAULT
};

fn zincrby(context: &mut ShardContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let increment = score(args.get(2))?;
    let conditions = Conditions { increment: true, ..Conditions::default() };
    let new = add_one(context, args.get(1), conditions, increment, args.get(3))?;
    reply.double(new.expect("without a condition, the member has a score now"));
    Ok(())
}
