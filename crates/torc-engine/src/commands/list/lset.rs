//! LSET key index element: replaces the element with this index, from the end if that is negative.

use torc_resp::{Args, Reply};
use torc_store::{Entry, Kind, ListMut};

use super::access::{index_of, limits};
use crate::command::{Flags, KeySpec, Propagation, Route, Row, Run, integer_argument};
use crate::error::{CommandError, CommandResult};
use crate::event::EventClass;
use crate::shard::ShardContext;

pub(super) static ROW: Row = Row {
    name: "lset",
    arity: 4,
    flags: Flags::WRITE.and(Flags::DENYOOM).and(Flags::LONG),
    propagation: Propagation::AsItCame,
    keys: &[KeySpec::at(1, "RW update")],
    route: Route::Owner,
    run: Run::Shard(lset),
    since: "1.0.0",
    group: "list",
    summary: "Sets the value of an element in a list by its index.",
    complexity: "O(N) where N is the length of the list. Setting either the first or the last element of the list is O(1).",
    syntax: "key index element",
    ..Row::DEFAULT
};

fn lset(context: &mut ShardContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let limits = limits(context);
    let Entry::Occupied(mut occupied) = context.entry_of_kind(args.get(1), Kind::List)? else {
        return Err(CommandError::NoSuchKey);
    };
    let index = integer_argument(args.get(2))?;
    let mut list = ListMut::of(&mut occupied, limits);
    let index = index_of(index, list.len()).ok_or(CommandError::fixed("ERR index out of range"))?;
    list.set(index, args.get(3));
    context.event(EventClass::List, "lset", args.get(1));
    reply.ok();
    Ok(())
}
