//! LREM key count element: removes elements that equal this one: the first `count`, the last ones if that is negative, or all.

use torc_resp::{Args, Reply};
use torc_store::{End, Entry, Kind, ListMut};

use super::access::limits;
use crate::command::{Flags, KeySpec, Propagation, Route, Row, Run};
use crate::commands::arguments::signed_count;
use crate::error::CommandResult;
use crate::event::EventClass;
use crate::shard::ShardContext;

pub(super) static ROW: Row = Row {
    name: "lrem",
    arity: 4,
    flags: Flags::WRITE.and(Flags::LONG),
    propagation: Propagation::AsItCame,
    keys: &[KeySpec::at(1, "RW delete")],
    route: Route::Owner,
    run: Run::Shard(lrem),
    since: "1.0.0",
    group: "list",
    summary: "Removes elements from a list. Deletes the list if the last element was removed.",
    complexity: "O(N+M) where N is the length of the list and M is the number of elements removed.",
    syntax: "key count element",
    ..Row::DEFAULT
};

fn lrem(context: &mut ShardContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let count = signed_count(args.get(2))?;
    let limits = limits(context);
    let Entry::Occupied(mut occupied) = context.entry_of_kind(args.get(1), Kind::List)? else {
        reply.integer(0);
        return Ok(());
    };
    let from = if count < 0 { End::Back } else { End::Front };
    let max = if count == 0 { usize::MAX } else { count.unsigned_abs() as usize };
    let mut list = ListMut::of(&mut occupied, limits);
    let removed = list.remove_equal(args.get(3), max, from);
    if list.is_empty() {
        occupied.remove();
    }
    if removed > 0 {
        context.event(EventClass::List, "lrem", args.get(1));
    }
    reply.integer(removed as i64);
    context.count_changes(removed);
    Ok(())
}
