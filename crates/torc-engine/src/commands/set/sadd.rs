//! SADD key member [member ...]: adds members to a set.

use torc_resp::{Args, Reply};
use torc_store::{Entry, Kind, set};

use super::limits::limits;
use crate::command::{Flags, KeySpec, Propagation, Route, Row, Run};
use crate::error::CommandResult;
use crate::event::EventClass;
use crate::shard::ShardContext;

pub(super) static ROW: Row = Row {
    name: "sadd",
    arity: -3,
    flags: Flags::WRITE.and(Flags::DENYOOM).and(Flags::FAST),
    propagation: Propagation::AsItCame,
    keys: &[KeySpec::at(1, "RW insert")],
    route: Route::Owner,
    element_at: 2,
    run: Run::Shard(sadd),
    since: "1.0.0",
    summary: "Adds one or more members to a set. Creates the key if it doesn't exist.",
    complexity: "O(1) for each element added, so O(N) to add N elements when the command is called with multiple arguments.",
    syntax: "key member [member ...]",
    history: &[
        ("2.4.0", "Accepts multiple `member` arguments."),
    ],
    ..super::ROW_DEFAULT
};

fn sadd(context: &mut ShardContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let limits = limits(context);
    let (key, members) = (args.get(1), args.from(2));
    let added = match context.entry_of_kind(key, Kind::Set)? {
        Entry::Occupied(mut occupied) => {
            members.iter().filter(|member| set::add(&mut occupied, member, &limits)).count()
        }
        Entry::Vacant(vacant) => set::create(vacant, &mut members.iter(), members.len(), &limits),
    };
    if added > 0 {
        context.event(EventClass::Set, "sadd", key);
    }
    reply.integer(added as i64);
    context.count_changes(added);
    Ok(())
}
