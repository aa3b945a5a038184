//! RPOPLPUSH source destination: takes the last element out of a list and adds it before the first of another.

use torc_resp::{Args, Reply};

use super::movement::{Ends, move_over, fetch_element, move_here};
use crate::command::{ApplyOn, Deprecated, Fetched, Fetching, Flags, KeySpec, Propagation, Relay, Route, Row, Run};
use crate::error::CommandResult;
use crate::extract::Extract;
use crate::shard::ShardContext;

pub(super) static ROW: Row = Row {
    name: "rpoplpush",
    arity: 3,
    flags: Flags::WRITE.and(Flags::DENYOOM),
    propagation: Propagation::AsItCameOrGiven,
    keys: &[KeySpec::at(1, "RW access delete"), KeySpec::at(2, "RW insert")],
    route: Route::Relay(&RELAY),
    run: Run::Shard(rpoplpush),
    since: "1.2.0",
    group: "list",
    summary: "Returns the last element of a list after removing and pushing it to another list. Deletes the list if the last element was popped.",
    complexity: "O(1)",
    syntax: "source destination",
    deprecated: Some(Deprecated { since: "6.2.0", replaced_by: "`LMOVE` with the `RIGHT` and `LEFT` arguments" }),
    ..Row::DEFAULT
};

/// How it runs with its keys on two cores; also for BRPOPLPUSH, whose arguments begin alike.
pub(super) static RELAY: Relay = Relay { fetch: Fetching::ByKey(fetch), apply, apply_on: ApplyOn::Owners };

fn rpoplpush(context: &mut ShardContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    move_here(context, args, Ends::LAST_TO_FIRST, reply)
}

fn fetch(context: &mut ShardContext<'_>, args: Args<'_>, key_number: usize, extract: &mut Extract) -> CommandResult {
    fetch_element(context, args, Ends::LAST_TO_FIRST, key_number, extract)
}

fn apply(context: &mut ShardContext<'_>, args: Args<'_>, fetched: Fetched<'_>, reply: &mut Reply<'_>) -> CommandResult {
    if move_over(context, args, Ends::LAST_TO_FIRST, fetched, reply)? {
        propagate(context, args);
    }
    Ok(())
}

/// An element was moved, by this command or by BRPOPLPUSH.
pub(super) fn propagate(context: &mut ShardContext<'_>, args: Args<'_>) {
    context.propagate(&[b"RPOPLPUSH", args.get(1), args.get(2)]);
}
