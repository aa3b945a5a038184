//! INCRBY key increment: adds to an integer.

use torc_resp::{Args, Reply};

use super::counter;
use crate::command::{Flags, KeySpec, Propagation, Route, Row, Run, integer_argument};
use crate::error::CommandResult;
use crate::shard::ShardContext;

pub(super) static ROW: Row = Row {
    name: "incrby",
    arity: 3,
    flags: Flags::WRITE.and(Flags::DENYOOM).and(Flags::FAST),
    propagation: Propagation::AsItCame,
    keys: &[KeySpec::at(1, "RW access update")],
    route: Route::Owner,
    run: Run::Shard(incrby),
    group: "string",
    summary: "Increments the integer value of a key by a number. Uses 0 as initial value if the key doesn't exist.",
    syntax: "key increment",
    ..Row::DEFAULT
};

fn incrby(context: &mut ShardContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let increment = integer_argument(args.get(2))?;
    counter::add(context, args.get(1), increment, reply)
}
