//! LMOVE source destination LEFT | RIGHT LEFT | RIGHT: takes an element out at an end of a list and adds it at an end of another.

use torc_resp::{Args, Reply};

use super::access::end_argument;
use super::movement::{Ends, move_over, fetch_element, move_here};
use crate::command::{ApplyOn, Fetched, Fetching, Flags, KeySpec, Propagation, Relay, Route, Row, Run};
use crate::error::{CommandError, CommandResult};
use crate::extract::Extract;
use crate::shard::ShardContext;

pub(super) static ROW: Row = Row {
    name: "lmove",
    arity: 5,
    flags: Flags::WRITE.and(Flags::DENYOOM),
    propagation: Propagation::AsItCameOrGiven,
    keys: &[KeySpec::at(1, "RW access delete"), KeySpec::at(2, "RW insert")],
    route: Route::Relay(&RELAY),
    run: Run::Shard(lmove),
    since: "6.2.0",
    group: "list",
    summary: "Returns an element after popping it from one list and pushing it to another. Deletes the list if the last element was moved.",
    complexity: "O(1)",
    syntax: "source destination wherefrom:<LEFT | RIGHT> whereto:<LEFT | RIGHT>",
    ..Row::DEFAULT
};

/// How it runs with its keys on two cores; also for BLMOVE, whose arguments begin alike.
pub(super) static RELAY: Relay = Relay { fetch: Fetching::ByKey(fetch), apply, apply_on: ApplyOn::Owners };

fn lmove(context: &mut ShardContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    move_here(context, args, ends(args)?, reply)
}

fn fetch(context: &mut ShardContext<'_>, args: Args<'_>, key_number: usize, extract: &mut Extract) -> CommandResult {
    fetch_element(context, args, ends(args)?, key_number, extract)
}

fn apply(context: &mut ShardContext<'_>, args: Args<'_>, fetched: Fetched<'_>, reply: &mut Reply<'_>) -> CommandResult {
    if move_over(context, args, ends(args)?, fetched, reply)? {
        propagate(context, args);
    }
    Ok(())
}

/// An element was moved, by this command or by BLMOVE.
pub(super) fn propagate(context: &mut ShardContext<'_>, args: Args<'_>) {
    context.propagate(&[b"LMOVE", args.get(1), args.get(2), args.get(3), args.get(4)]);
}

/// Which ends the words behind the keys name.
pub(super) fn ends(args: Args<'_>) -> Result<Ends, CommandError> {
    Ok(Ends { from: end_argument(args.get(3))?, to: end_argument(args.get(4))? })
}
