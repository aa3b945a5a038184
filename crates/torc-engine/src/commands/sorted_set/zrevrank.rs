//! ZREVRANK key member [WITHSCORE]: the index of a member in the order of descending scores.

use torc_resp::{Args, Reply};

use super::zrank::rank;
use crate::command::{Flags, KeySpec, Row, Run};
use crate::error::CommandResult;
use crate::shard::ShardContext;

pub(super) static ROW: Row = Row {
    name: "zrevrank",
    arity: -3,
    flags: Flags::READONLY.and(Flags::FAST),
    keys: &[KeySpec::at(1, "RO access")],
    element_at: 2,
    run: Run::Shard(zrevrank),
    since: "2.0.0",
    summary: "Returns the index of a member in a sorted set ordered by descending scores.",
    complexity: "O(log(N))",
    syntax: "key member [WITHSCORE]",
    history: &[
        ("7.2.0", "Added the optional `WITHSCORE` argument."),
    ],
    ..super::ROW_DEFAULT
};

fn zrevrank(context: &mut ShardContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    rank(context, args, true, reply)
}
