//! GETDEL key: answers the value of a string key and removes the key.

use torc_resp::{Args, Reply};
use torc_store::Entry;

use super::answer;

use crate::commands::forms;
use crate::command::{Flags, KeySpec, Propagation, Route, Row, Run};
use crate::error::CommandResult;
use crate::shard::ShardContext;

pub(super) static ROW: Row = Row {
    name: "getdel",
    arity: 2,
    flags: Flags::WRITE.and(Flags::FAST),
    propagation: Propagation::Given,
    keys: &[KeySpec::at(1, "RW access delete")],
    route: Route::Owner,
    run: Run::Shard(getdel),
    since: "6.2.0",
    group: "string",
    summary: "Returns the string value of a key after deleting the key.",
    syntax: "key",
    ..Row::DEFAULT
};

fn getdel(context: &mut ShardContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    match context.counted_entry(args.get(1)) {
        Entry::Vacant(_) => reply.null(),
        Entry::Occupied(occupied) => {
            answer::whole(occupied.value(), reply)?;
            occupied.remove();
            forms::removed(context, args.get(1));
        }
    }
    Ok(())
}
