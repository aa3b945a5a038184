//! ZRANK key member [WITHSCORE]: the index of a member in the order of ascending scores.

use torc_resp::{Args, Reply};
use torc_store::Kind;
use torc_store::sorted_set::SortedSetRef;

use crate::command::{Flags, KeySpec, Row, Run};
use crate::error::{CommandError, CommandResult};
use crate::shard::ShardContext;

pub(super) static ROW: Row = Row {
    name: "zrank",
    arity: -3,
    flags: Flags::READONLY.and(Flags::FAST),
    keys: &[KeySpec::at(1, "RO access")],
    element_at: 2,
    run: Run::Shard(zrank),
    since: "2.0.0",
    summary: "Returns the index of a member in a sorted set ordered by ascending scores.",
    complexity: "O(log(N))",
    syntax: "key member [WITHSCORE]",
    history: &[
        ("7.2.0", "Added the optional `WITHSCORE` argument."),
    ],
    ..super::ROW_DEFAULT
};

fn zrank(context: &mut ShardContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    rank(context, args, false, reply)
}

/// Answers with the rank of a member, counted from the highest score if `reversed`.
pub(super) fn rank(
    context: &mut ShardContext<'_>,
    args: Args<'_>,
    reversed: bool,
    reply: &mut Reply<'_>,
) -> CommandResult {
    if args.len() > 4 {
        return Err(CommandError::Arity(context.command.full_name));
    }
    let with_score = args.len() == 4;
    if with_score && !args.get(3).eq_ignore_ascii_case(b"withscore") {
        return Err(CommandError::Syntax);
    }
    let set = context.read_kind(args.get(1), Kind::SortedSet)?.map(SortedSetRef::of);
    let Some((set, (rank, score))) = set.and_then(|set| Some((set, set.rank(args.get(2))?))) else {
        if with_score { reply.null_array() } else { reply.null() }
        return Ok(());
    };
    if with_score {
        reply.array(2);
    }
    reply.integer(if reversed { set.len() - 1 - rank } else { rank } as i64);
    if with_score {
        reply.double(score);
    }
    Ok(())
}
