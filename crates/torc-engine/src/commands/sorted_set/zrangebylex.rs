//! ZRANGEBYLEX key min max [LIMIT offset count]: the members between two, where all scores are equal.

use torc_resp::{Args, Reply};

use super::range::{By, Grammar, answer};
use crate::command::{Deprecated, Flags, KeySpec, Row, Run};
use crate::error::CommandResult;
use crate::shard::ShardContext;

pub(super) static ROW: Row = Row {
    name: "zrangebylex",
    arity: -4,
    flags: Flags::READONLY,
    keys: &[KeySpec::at(1, "RO access")],
    run: Run::Shard(zrangebylex),
    since: "2.8.9",
    summary: "Returns members in a sorted set within a lexicographical range.",
    complexity: "O(log(N)+M) with N being the number of elements in the sorted set and M the number of elements being returned. If M is constant (e.g. always asking for the first 10 elements with LIMIT), you can consider it O(log(N)).",
    syntax: "key min max [LIMIT offset count]",
    deprecated: Some(Deprecated { since: "6.2.0", replaced_by: "`ZRANGE` with the `BYLEX` argument" }),
    ..super::ROW_DEFAULT
};

fn zrangebylex(context: &mut ShardContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    answer(context, args, Grammar::fixed(By::Lex, false), reply)
}
