//! SREM key member [member ...]: removes members from a set; an empty set goes.

use torc_resp::{Args, Reply};
use torc_store::{Entry, Kind, SetRef, set};

use crate::command::{Flags, KeySpec, Propagation, Route, Row, Run};
use crate::error::CommandResult;
use crate::event::EventClass;
use crate::shard::ShardContext;

pub(super) static ROW: Row = Row {
    name: "srem",
    arity: -3,
    flags: Flags::WRITE.and(Flags::FAST),
    propagation: Propagation::AsItCame,
    keys: &[KeySpec::at(1, "RW delete")],
    route: Route::Owner,
    element_at: 2,
    run: Run::Shard(srem),
    since: "1.0.0",
    summary: "Removes one or more members from a set. Deletes the set if the last member was removed.",
    complexity: "O(N) where N is the number of members to be removed.",
    syntax: "key member [member ...]",
    history: &[
        ("2.4.0", "Accepts multiple `member` arguments."),
    ],
    ..super::ROW_DEFAULT
};

fn srem(context: &mut ShardContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let mut removed = 0;
    if let Entry::Occupied(mut occupied) = context.entry_of_kind(args.get(1), Kind::Set)? {
        removed = args.from(2).iter().filter(|member| set::remove(&mut occupied, member)).count();
        if SetRef::of(occupied.value()).is_empty() {
            occupied.remove();
        }
    }
    if removed > 0 {
        context.event(EventClass::Set, "srem", args.get(1));
    }
    reply.integer(removed as i64);
    context.count_changes(removed);
    Ok(())
}
