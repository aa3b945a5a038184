//! ZRANGEBYSCORE key min max [WITHSCORES] [LIMIT offset count]: the members with scores in a range.

use torc_resp::{Args, Reply};

use super::range::{By, Grammar, answer};
use crate::command::{Deprecated, Flags, KeySpec, Row, Run};
use crate::error::CommandResult;
use crate::shard::ShardContext;

pub(super) static ROW: Row = Row {
    name: "zrangebyscore",
    arity: -4,
    flags: Flags::READONLY,
    keys: &[KeySpec::at(1, "RO access")],
    run: Run::Shard(zrangebyscore),
    since: "1.0.5",
    summary: "Returns members in a sorted set within a range of scores.",
    complexity: "O(log(N)+M) with N being the number of elements in the sorted set and M the number of elements being returned. If M is constant (e.g. always asking for the first 10 elements with LIMIT), you can consider it O(log(N)).",
    syntax: "key min/double max/double [WITHSCORES@2.0.0] [LIMIT offset count]",
    history: &[
        ("2.0.0", "Added the `WITHSCORES` modifier."),
    ],
    deprecated: Some(Deprecated { since: "6.2.0", replaced_by: "`ZRANGE` with the `BYSCORE` argument" }),
    ..super::ROW_DEFAULT
};

fn zrangebyscore(context: &mut ShardContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    answer(context, args, Grammar::fixed(By::Score, false), reply)
}
