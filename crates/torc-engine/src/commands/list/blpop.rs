//! BLPOP key [key ...] timeout: takes the first element out of the first list that is there, or waits for one.

use torc_resp::{Args, Reply};
use torc_store::End;

use super::pop::{is_list, pop_named};
use crate::command::blocking::{AwaitedKey, Blocking, take_or_nothing};
use crate::command::{Flags, KeySpec, Propagation, Route, Row, Run};
use crate::error::CommandResult;
use crate::shard::ShardContext;

pub(super) static ROW: Row = Row {
    name: "blpop",
    arity: -3,
    flags: Flags::WRITE.and(Flags::BLOCKING),
    propagation: Propagation::Given,
    keys: &[KeySpec::range(1, -2, 1, "RW access delete")],
    route: Route::Relay(&Blocking::RELAY),
    run: Run::Shard(take_or_nothing),
    blocking: Some(&BLOCKING),
    since: "2.0.0",
    group: "list",
    summary: "Removes and returns the first element in a list. Blocks until an element is available otherwise. Deletes the list if the last element was popped.",
    complexity: "O(N) where N is the number of provided keys.",
    syntax: "key [key ...] timeout",
    history: &[
        ("6.0.0", "`timeout` is interpreted as a double instead of an integer."),
    ],
    ..Row::DEFAULT
};

static BLOCKING: Blocking = Blocking { is_ready: is_list, take, ..Blocking::DEFAULT };

fn take(context: &mut ShardContext<'_>, _: Args<'_>, key: AwaitedKey<'_>, reply: &mut Reply<'_>) -> CommandResult {
    pop_named(context, key.name, End::Front, reply)?;
    context.propagate(&[b"LPOP", key.name]);
    Ok(())
}
