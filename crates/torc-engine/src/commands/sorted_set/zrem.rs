//! ZREM key member [member ...]: removes members.

use torc_resp::{Args, Reply};
use torc_store::sorted_set::{SortedSetRef, remove};
use torc_store::{Entry, Kind};

use crate::command::{Flags, KeySpec, Propagation, Row, Run};
use crate::error::CommandResult;
use crate::event::EventClass;
use crate::shard::ShardContext;

pub(super) static ROW: Row = Row {
    name: "zrem",
    arity: -3,
    flags: Flags::WRITE.and(Flags::FAST),
    propagation: Propagation::AsItCame,
    keys: &[KeySpec::at(1, "RW delete")],
    element_at: 2,
    run: Run::Shard(zrem),
    since: "1.2.0",
    summary: "Removes one or more members from a sorted set. Deletes the sorted set if all members were removed.",
    complexity: "O(M*log(N)) with N being the number of elements in the sorted set and M the number of elements to be removed.",
    syntax: "key member [member ...]",
    history: &[
        ("2.4.0", "Accepts multiple elements."),
    ],
    ..super::ROW_DEFAULT
};

fn zrem(context: &mut ShardContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let mut removed = 0;
    if let Entry::Occupied(mut occupied) = context.entry_of_kind(args.get(1), Kind::SortedSet)? {
        let mut is_empty = false;
        for member in args.from(2) {
            if remove(&mut occupied, member) {
                removed += 1;
                is_empty = SortedSetRef::of(occupied.value()).is_empty();
            }
            if is_empty {
                occupied.remove();
                break;
            }
        }
    }
    if removed > 0 {
        context.event(EventClass::SortedSet, "zrem", args.get(1));
    }
    context.count_changes(removed as usize);
    reply.integer(removed);
    Ok(())
}
