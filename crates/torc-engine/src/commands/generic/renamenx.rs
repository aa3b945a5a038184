//! RENAMENX key newkey: moves a value to another key, if that does not exist.

use torc_resp::{Args, Reply};

use super::rename::{FROM, fetch_both, is_big, is_taken, move_here, move_over};
use crate::command::{ApplyOn, Fetched, Fetching, Flags, HandOver, KeySpec, Propagation, Relay, Route, Row, Run};
use crate::error::CommandResult;
use crate::shard::ShardContext;

pub(super) static ROW: Row = Row {
    name: "renamenx",
    arity: 3,
    flags: Flags::WRITE.and(Flags::FAST),
    propagation: Propagation::AsItCame,
    keys: &[KeySpec::at(1, "RW access delete"), KeySpec::at(2, "OW insert")],
    route: Route::Relay(&RELAY),
    hand_over: Some(&HandOver { is_big, refuses: is_taken, event: FROM }),
    run: Run::Shard(renamenx),
    since: "1.0.0",
    summary: "Renames a key only when the target key name doesn't exist.",
    syntax: "key newkey",
    history: &[
        ("3.2.0", "The command no longer returns an error when source and destination names are the same."),
    ],
    ..super::ROW_DEFAULT
};

static RELAY: Relay = Relay { fetch: Fetching::ByKey(fetch_both), apply, apply_on: ApplyOn::Owners };

fn renamenx(context: &mut ShardContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let moved = move_here(context, args, true)?;
    reply.integer(i64::from(moved));
    Ok(())
}

fn apply(context: &mut ShardContext<'_>, args: Args<'_>, fetched: Fetched<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let moved = move_over(context, args, fetched, true)?;
    reply.integer(i64::from(moved));
    Ok(())
}
