//! LPUSHX key element [element ...]: as LPUSH, but only to a list that is there.

use torc_resp::{Args, Reply};
use torc_store::End;

use super::push::push_existing;
use crate::command::{Flags, KeySpec, Propagation, Route, Row, Run};
use crate::error::CommandResult;
use crate::shard::ShardContext;

pub(super) static ROW: Row = Row {
    name: "lpushx",
    arity: -3,
    flags: Flags::WRITE.and(Flags::DENYOOM).and(Flags::FAST),
    propagation: Propagation::AsItCame,
    keys: &[KeySpec::at(1, "RW insert")],
    route: Route::Owner,
    run: Run::Shard(lpushx),
    since: "2.2.0",
    group: "list",
    summary: "Prepends one or more elements to a list only when the list exists.",
    complexity: "O(1) for each element added, so O(N) to add N elements when the command is called with multiple arguments.",
    syntax: "key element [element ...]",
    history: &[
        ("4.0.0", "Accepts multiple `element` arguments."),
    ],
    ..Row::DEFAULT
};

fn lpushx(context: &mut ShardContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    push_existing(context, args, End::Front, reply)
}
