//! LRANGE key start stop: the elements from one index to another, both included, from the end if negative.

use torc_resp::{Args, Reply};

use super::access::{range_of, read, write_runs};
use crate::command::{Flags, KeySpec, Route, Row, Run, integer_argument};
use crate::error::CommandResult;
use crate::shard::ShardContext;

pub(super) static ROW: Row = Row {
    name: "lrange",
    arity: 4,
    flags: Flags::READONLY,
    keys: &[KeySpec::at(1, "RO access")],
    route: Route::Owner,
    run: Run::Shard(lrange),
    since: "1.0.0",
    group: "list",
    summary: "Returns a range of elements from a list.",
    complexity: "O(S+N) where S is the distance of start offset from HEAD for small lists, from nearest end (HEAD or TAIL) for large lists; and N is the number of elements in the specified range.",
    syntax: "key start stop",
    ..Row::DEFAULT
};

fn lrange(context: &mut ShardContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let (start, stop) = (integer_argument(args.get(2))?, integer_argument(args.get(3))?);
    let Some(list) = read(context, args.get(1))? else {
        reply.array(0);
        return Ok(());
    };
    let range = range_of(start, stop, list.len());
    reply.array(range.len());
    write_runs(reply, list.runs(range.start, range.len()));
    Ok(())
}
