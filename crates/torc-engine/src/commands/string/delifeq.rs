//! DELIFEQ key value: removes a string key if it holds this value (Valkey 9.0).

use torc_resp::{Args, Reply};
use torc_store::Entry;

use crate::command::{Flags, KeySpec, Propagation, Route, Row, Run};
use crate::error::CommandResult;
use crate::shard::ShardContext;

pub(super) static ROW: Row = Row {
    name: "delifeq",
    arity: 3,
    flags: Flags::WRITE.and(Flags::FAST),
    propagation: Propagation::AsItCame,
    keys: &[KeySpec::at(1, "RW access delete")],
    route: Route::Owner,
    run: Run::Shard(delifeq),
    since: "9.0.0",
    group: "string",
    summary: "Delete key if value matches string.",
    syntax: "key value",
    ..Row::DEFAULT
};

fn delifeq(context: &mut ShardContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let removed = match context.string_entry(args.get(1))? {
        Entry::Occupied(occupied) if occupied.value().as_string() == Some(args.get(2)) => {
            occupied.remove();
            true
        }
        Entry::Occupied(_) | Entry::Vacant(_) => false,
    };
    reply.integer(i64::from(removed));
    Ok(())
}
