//! DECRBY key decrement: subtracts from an integer.

use torc_resp::{Args, Reply};

use super::counter;
use crate::command::{Flags, KeySpec, Propagation, Route, Row, Run, integer_argument};
use crate::error::{CommandError, CommandResult};
use crate::shard::ShardContext;

pub(super) static ROW: Row = Row {
    name: "decrby",
    arity: 3,
    flags: Flags::WRITE.and(Flags::DENYOOM).and(Flags::FAST),
    propagation: Propagation::AsItCame,
    keys: &[KeySpec::at(1, "RW access update")],
    route: Route::Owner,
    run: Run::Shard(decrby),
    group: "string",
    summary: "Decrements a number from the integer value of a key. Uses 0 as initial value if the key doesn't exist.",
    syntax: "key decrement",
    ..Row::DEFAULT
};

fn decrby(context: &mut ShardContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let decrement = integer_argument(args.get(2))?;
    let Some(increment) = decrement.checked_neg() else {
        return Err(CommandError::fixed("ERR decrement would overflow"));
    };
    counter::add(context, args.get(1), increment, reply)
}
