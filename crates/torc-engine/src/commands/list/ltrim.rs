//! LTRIM key start stop: removes what lies outside of these indexes, both included, from the end if negative.

use torc_resp::{Args, Reply};
use torc_store::{End, Entry, Kind, ListMut};

use super::access::{limits, range_of};
use crate::command::{Flags, KeySpec, Propagation, Route, Row, Run, integer_argument};
use crate::error::CommandResult;
use crate::event::EventClass;
use crate::shard::ShardContext;

pub(super) static ROW: Row = Row {
    name: "ltrim",
    arity: 4,
    flags: Flags::WRITE.and(Flags::LONG),
    propagation: Propagation::AsItCame,
    keys: &[KeySpec::at(1, "RW delete")],
    route: Route::Owner,
    run: Run::Shard(ltrim),
    since: "1.0.0",
    group: "list",
    summary: "Removes elements from both ends a list. Deletes the list if all elements were trimmed.",
    complexity: "O(N) where N is the number of elements to be removed by the operation.",
    syntax: "key start stop",
    ..Row::DEFAULT
};

fn ltrim(context: &mut ShardContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let (start, stop) = (integer_argument(args.get(2))?, integer_argument(args.get(3))?);
    let limits = limits(context);
    if let Entry::Occupied(mut occupied) = context.entry_of_kind(args.get(1), Kind::List)? {
        let list = ListMut::of(&mut occupied, limits);
        let len = list.len();
        let kept = range_of(start, stop, len);
        occupied.count_changes(len - kept.len());
        if kept.is_empty() {
            occupied.remove();
        } else {
            let mut list = ListMut::of(&mut occupied, limits);
            list.drop_elements(End::Front, kept.start);
            list.drop_elements(End::Back, len - kept.end);
            // A change to who watches the key, even if nothing went.
            occupied.note_change();
        }
        context.event(EventClass::List, "ltrim", args.get(1));
    }
    reply.ok();
    Ok(())
}
