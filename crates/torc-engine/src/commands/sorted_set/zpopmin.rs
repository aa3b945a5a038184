//! ZPOPMIN key [count]: takes the members with the lowest scores.

use torc_resp::{Args, Reply};
use torc_store::{Entry, Kind};

use super::remove::{End, pop, popped};
use super::replies::Shape;
use crate::command::{Flags, KeySpec, Propagation, Row, Run};
use crate::commands::arguments::positive_count;
use crate::error::{CommandError, CommandResult};
use crate::event::EventClass;
use crate::shard::ShardContext;

pub(super) static ROW: Row = Row {
    name: "zpopmin",
    arity: -2,
    flags: Flags::WRITE.and(Flags::FAST),
    propagation: Propagation::AsItCame,
    keys: &[KeySpec::at(1, "RW access delete")],
    run: Run::Shard(zpopmin),
    since: "5.0.0",
    summary: "Returns the lowest-scoring members from a sorted set after removing them. Deletes the sorted set if the last member was popped.",
    complexity: "O(log(N)*M) with N being the number of elements in the sorted set, and M being the number of elements popped.",
    syntax: "key [count]",
    ..super::ROW_DEFAULT
};

fn zpopmin(context: &mut ShardContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    pop_from_one(context, args, End::Min, reply)
}

/// Takes one member or `count` of them from one end of the set at the only key.
pub(super) fn pop_from_one(
    context: &mut ShardContext<'_>,
    args: Args<'_>,
    end: End,
    reply: &mut Reply<'_>,
) -> CommandResult {
    let count = match args.len() {
        2 => None,
        3 => Some(positive_count(args.get(2))?),
        _ => return Err(CommandError::Syntax),
    };
    let shape = if count.is_some() { Shape::of(true, reply) } else { Shape::Flat };
    match context.entry_of_kind(args.get(1), Kind::SortedSet)? {
        Entry::Occupied(occupied) if count != Some(0) => {
            pop(occupied, end, count.unwrap_or(1), shape, reply);
            context.event(EventClass::SortedSet, popped(end), args.get(1));
        }
        _ => reply.array(0),
    }
    Ok(())
}
