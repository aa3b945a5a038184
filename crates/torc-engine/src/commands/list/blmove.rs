//! BLMOVE source destination LEFT | RIGHT LEFT | RIGHT timeout: as LMOVE, or waits until there is an element to move.

use torc_resp::{Args, Reply};

use super::lmove::{self, ends};
use super::movement::move_here;
use super::pop::is_list;
use crate::command::blocking::{AwaitedKey, Blocking, Serves, Timeout, take_or_nothing};
use crate::command::{Flags, KeySpec, Propagation, Route, Row, Run};
use crate::error::{CommandError, CommandResult};
use crate::shard::ShardContext;

pub(super) static ROW: Row = Row {
    name: "blmove",
    arity: 6,
    flags: Flags::WRITE.and(Flags::DENYOOM).and(Flags::BLOCKING),
    propagation: Propagation::Given,
    keys: &[KeySpec::at(1, "RW access delete"), KeySpec::at(2, "RW insert")],
    route: Route::Relay(&Blocking::RELAY),
    run: Run::Shard(take_or_nothing),
    blocking: Some(&BLOCKING),
    since: "6.2.0",
    group: "list",
    summary: "Pops an element from a list, pushes it to another list and returns it. Blocks until an element is available otherwise. Deletes the list if the last element was moved.",
    complexity: "O(1)",
    syntax: "source destination wherefrom:<LEFT | RIGHT> whereto:<LEFT | RIGHT> timeout",
    ..Row::DEFAULT
};

static BLOCKING: Blocking =
    Blocking { timeout, is_ready: is_list, take, serves: Serves::Move(&lmove::RELAY), ..Blocking::DEFAULT };

fn timeout(args: Args<'_>) -> Result<Timeout, CommandError> {
    ends(args)?;
    Timeout::last_argument(args)
}

fn take(context: &mut ShardContext<'_>, args: Args<'_>, _: AwaitedKey<'_>, reply: &mut Reply<'_>) -> CommandResult {
    move_here(context, args, ends(args)?, reply)?;
    lmove::propagate(context, args);
    Ok(())
}
