//! BLMPOP timeout numkeys key [key ...] LEFT | RIGHT [COUNT count]: takes elements out of the first list that is there, or waits.

use torc_resp::{Args, Reply};

use super::pop::{PopMany, is_list};
use crate::command::blocking::{AwaitedKey, Blocking, Timeout, take_or_nothing};
use crate::command::{Flags, KeySpec, Propagation, Route, Row, Run};
use crate::error::{CommandError, CommandResult};
use crate::shard::ShardContext;

pub(super) static ROW: Row = Row {
    name: "blmpop",
    arity: -5,
    flags: Flags::WRITE.and(Flags::BLOCKING),
    propagation: Propagation::Given,
    keys: &[KeySpec::counted(2, "RW access delete")],
    route: Route::Relay(&Blocking::RELAY),
    run: Run::Shard(take_or_nothing),
    blocking: Some(&BLOCKING),
    since: "7.0.0",
    group: "list",
    summary: "Pops the first element from one of multiple lists. Blocks until an element is available otherwise. Deletes the list if the last element was popped.",
    complexity: "O(N+M) where N is the number of provided keys and M is the number of elements returned.",
    syntax: "timeout numkeys key [key ...] where:<LEFT | RIGHT> [COUNT count]",
    ..Row::DEFAULT
};

static BLOCKING: Blocking = Blocking { timeout, is_ready: is_list, take, ..Blocking::DEFAULT };

fn timeout(args: Args<'_>) -> Result<Timeout, CommandError> {
    // The timeout is the last thing that is looked at, though it stands first.
    PopMany::parse(args, 2)?;
    Timeout::seconds(args.get(1))
}

fn take(context: &mut ShardContext<'_>, args: Args<'_>, key: AwaitedKey<'_>, reply: &mut Reply<'_>) -> CommandResult {
    PopMany::parse(args, 2)?.pop(context, key.name, reply)?;
    Ok(())
}
