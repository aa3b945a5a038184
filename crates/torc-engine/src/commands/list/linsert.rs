//! LINSERT key BEFORE | AFTER pivot element: puts an element beside the first one that equals the pivot.

use torc_resp::{Args, Reply};
use torc_store::pack::Packed;
use torc_store::{End, Entry, Kind, ListMut};

use super::access::limits;
use crate::command::{Flags, KeySpec, Propagation, Route, Row, Run};
use crate::error::{CommandError, CommandResult};
use crate::event::EventClass;
use crate::shard::ShardContext;

pub(super) static ROW: Row = Row {
    name: "linsert",
    arity: 5,
    flags: Flags::WRITE.and(Flags::DENYOOM).and(Flags::LONG),
    propagation: Propagation::AsItCame,
    keys: &[KeySpec::at(1, "RW insert")],
    route: Route::Owner,
    run: Run::Shard(linsert),
    since: "2.2.0",
    group: "list",
    summary: "Inserts an element before or after another element in a list.",
    complexity: "O(N) where N is the number of elements to traverse before seeing the value pivot. This means that inserting somewhere on the left end on the list (head) can be considered O(1) and inserting somewhere on the right end (tail) is O(N).",
    syntax: "key where:<BEFORE | AFTER> pivot element",
    ..Row::DEFAULT
};

fn linsert(context: &mut ShardContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let behind = match args.get(2) {
        word if word.eq_ignore_ascii_case(b"after") => 1,
        word if word.eq_ignore_ascii_case(b"before") => 0,
        _ => return Err(CommandError::Syntax),
    };
    let limits = limits(context);
    let Entry::Occupied(mut occupied) = context.entry_of_kind(args.get(1), Kind::List)? else {
        reply.integer(0);
        return Ok(());
    };
    let mut list = ListMut::of(&mut occupied, limits);
    let mut pivot = None;
    list.list().find_each(Packed::of(args.get(3)), End::Front, usize::MAX, |index| {
        pivot = Some(index);
        false
    });
    match pivot {
        Some(index) => {
            list.insert(index + behind, args.get(4));
            reply.integer(list.len() as i64);
            context.event(EventClass::List, "linsert", args.get(1));
        }
        None => reply.integer(-1),
    }
    Ok(())
}
