//! LPOP key [count]: takes the first elements out of a list.

use torc_resp::{Args, Reply};
use torc_store::End;

use super::pop::pop;
use crate::command::{Flags, KeySpec, Propagation, Route, Row, Run};
use crate::error::CommandResult;
use crate::shard::ShardContext;

pub(super) static ROW: Row = Row {
    name: "lpop",
    arity: -2,
    flags: Flags::WRITE.and(Flags::FAST),
    propagation: Propagation::AsItCame,
    keys: &[KeySpec::at(1, "RW access delete")],
    route: Route::Owner,
    run: Run::Shard(lpop),
    since: "1.0.0",
    group: "list",
    summary: "Returns and removes the first elements of a list. Deletes the list if the last element was popped.",
    complexity: "O(N) where N is the number of elements returned",
    syntax: "key [count@6.2.0]",
    history: &[
        ("6.2.0", "Added the `count` argument."),
    ],
    ..Row::DEFAULT
};

fn lpop(context: &mut ShardContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    pop(context, args, End::Front, reply)
}
