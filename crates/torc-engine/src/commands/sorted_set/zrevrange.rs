//! ZREVRANGE key start stop [WITHSCORES]: the members of a range of indexes, from the highest score down.

use torc_resp::{Args, Reply};

use super::range::{By, Grammar, answer};
use crate::command::{Deprecated, Flags, KeySpec, Row, Run};
use crate::error::CommandResult;
use crate::shard::ShardContext;

pub(super) static ROW: Row = Row {
    name: "zrevrange",
    arity: -4,
    flags: Flags::READONLY,
    keys: &[KeySpec::at(1, "RO access")],
    run: Run::Shard(zrevrange),
    since: "1.2.0",
    summary: "Returns members in a sorted set within a range of indexes in reverse order.",
    complexity: "O(log(N)+M) with N being the number of elements in the sorted set and M the number of elements returned.",
    syntax: "key start stop [WITHSCORES]",
    deprecated: Some(Deprecated { since: "6.2.0", replaced_by: "`ZRANGE` with the `REV` argument" }),
    ..super::ROW_DEFAULT
};

fn zrevrange(context: &mut ShardContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    answer(context, args, Grammar::fixed(By::Rank, true), reply)
}
