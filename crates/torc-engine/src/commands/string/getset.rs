//! GETSET key value: sets a string key and answers what it held before.

use torc_resp::{Args, Reply};
use torc_store::Entry;

use super::answer;

use super::store::{Expire, store};
use crate::command::{Deprecated, Flags, KeySpec, Propagation, Route, Row, Run};
use crate::error::CommandResult;
use crate::event::EventClass;
use crate::shard::ShardContext;

pub(super) static ROW: Row = Row {
    name: "getset",
    arity: 3,
    flags: Flags::WRITE.and(Flags::DENYOOM).and(Flags::FAST),
    propagation: Propagation::Given,
    keys: &[KeySpec::at(1, "RW access update")],
    route: Route::Owner,
    run: Run::Shard(getset),
    group: "string",
    summary: "Returns the previous string value of a key after setting it to a new value.",
    syntax: "key value",
    deprecated: Some(Deprecated { since: "6.2.0", replaced_by: "`SET` with the `!GET` argument" }),
    ..Row::DEFAULT
};

fn getset(context: &mut ShardContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let now_ms = context.now_ms();
    let entry = context.counted_entry(args.get(1));
    match &entry {
        Entry::Vacant(_) => reply.null(),
        Entry::Occupied(occupied) => answer::whole(occupied.value(), reply)?,
    }
    store(entry, args.get(2), Expire::Never, now_ms);
    context.event(EventClass::String, "set", args.get(1));
    context.propagate(&[b"SET", args.get(1), args.get(2)]);
    Ok(())
}
