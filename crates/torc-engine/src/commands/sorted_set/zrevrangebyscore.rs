//! ZREVRANGEBYSCORE key max min [WITHSCORES] [LIMIT offset count]: the members with scores in a range, from the highest down.

use torc_resp::{Args, Reply};

use super::range::{By, Grammar, answer};
use crate::command::{Deprecated, Flags, KeySpec, Row, Run};
use crate::error::CommandResult;
use crate::shard::ShardContext;

pub(super) static ROW: Row = Row {
    name: "zrevrangebyscore",
    arity: -4,
    flags: Flags::READONLY,
    keys: &[KeySpec::at(1, "RO access")],
    run: Run::Shard(zrevrangebyscore),
    since: "2.2.0",
    summary: "Returns members in a sorted set within a range of scores in reverse order.",
    complexity: "O(log(N)+M) with N being the number of elements in the sorted set and M the number of elements being returned. If M is constant (e.g. always asking for the first 10 elements with LIMIT), you can consider it O(log(N)).",
    syntax: "key max/double min/double [WITHSCORES] [LIMIT offset count]",
    history: &[
        ("2.1.6", "`min` and `max` can be exclusive."),
    ],
    deprecated: Some(Deprecated { since: "6.2.0", replaced_by: "`ZRANGE` with the `REV` and `BYSCORE` arguments" }),
    ..super::ROW_DEFAULT
};

fn zrevrangebyscore(context: &mut ShardContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    answer(context, args, Grammar::fixed(By::Score, true), reply)
}
