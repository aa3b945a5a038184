//! BRPOPLPUSH source destination timeout: as RPOPLPUSH, or waits until there is an element to move.

use torc_resp::{Args, Reply};

use super::movement::{Ends, move_here};
use super::pop::is_list;
use super::rpoplpush;
use crate::command::blocking::{AwaitedKey, Blocking, Serves, take_or_nothing};
use crate::command::{Deprecated, Flags, KeySpec, Propagation, Route, Row, Run};
use crate::error::CommandResult;
use crate::shard::ShardContext;

pub(super) static ROW: Row = Row {
    name: "brpoplpush",
    arity: 4,
    flags: Flags::WRITE.and(Flags::DENYOOM).and(Flags::BLOCKING),
    propagation: Propagation::Given,
    keys: &[KeySpec::at(1, "RW access delete"), KeySpec::at(2, "RW insert")],
    route: Route::Relay(&Blocking::RELAY),
    run: Run::Shard(take_or_nothing),
    blocking: Some(&BLOCKING),
    since: "2.2.0",
    group: "list",
    summary: "Pops an element from a list, pushes it to another list and returns it. Block until an element is available otherwise. Deletes the list if the last element was popped.",
    complexity: "O(1)",
    syntax: "source destination timeout",
    history: &[
        ("6.0.0", "`timeout` is interpreted as a double instead of an integer."),
    ],
    deprecated: Some(Deprecated { since: "6.2.0", replaced_by: "`BLMOVE` with the `RIGHT` and `LEFT` arguments" }),
    ..Row::DEFAULT
};

static BLOCKING: Blocking =
    Blocking { is_ready: is_list, take, serves: Serves::Move(&rpoplpush::RELAY), ..Blocking::DEFAULT };

fn take(context: &mut ShardContext<'_>, args: Args<'_>, _: AwaitedKey<'_>, reply: &mut Reply<'_>) -> CommandResult {
    move_here(context, args, Ends::LAST_TO_FIRST, reply)?;
    rpoplpush::propagate(context, args);
    Ok(())
}
