//! RPUSH key element [element ...]: adds elements behind the last.

use torc_resp::{Args, Reply};
use torc_store::End;

use super::push::push;
use crate::command::{Flags, KeySpec, Propagation, Route, Row, Run};
use crate::error::CommandResult;
use crate::shard::ShardContext;

pub(super) static ROW: Row = Row {
    name: "rpush",
    arity: -3,
    flags: Flags::WRITE.and(Flags::DENYOOM).and(Flags::FAST),
    propagation: Propagation::AsItCame,
    keys: &[KeySpec::at(1, "RW insert")],
    route: Route::Owner,
    run: Run::Shard(rpush),
    since: "1.0.0",
    group: "list",
    summary: "Appends one or more elements to a list. Creates the key if it doesn't exist.",
    complexity: "O(1) for each element added, so O(N) to add N elements when the command is called with multiple arguments.",
    syntax: "key element [element ...]",
    history: &[
        ("2.4.0", "Accepts multiple `element` arguments."),
    ],
    ..Row::DEFAULT
};

fn rpush(context: &mut ShardContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    push(context, args, End::Back, reply)
}
