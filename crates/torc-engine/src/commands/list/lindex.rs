//! LINDEX key index: the element of a list with this index, from the end if that is negative.

use torc_resp::{Args, Reply};

use super::access::{index_of, read, write_element};
use crate::command::{Flags, KeySpec, Route, Row, Run, integer_argument};
use crate::error::CommandResult;
use crate::shard::ShardContext;

pub(super) static ROW: Row = Row {
    name: "lindex",
    arity: 3,
    flags: Flags::READONLY.and(Flags::LONG),
    keys: &[KeySpec::at(1, "RO access")],
    route: Route::Owner,
    run: Run::Shard(lindex),
    since: "1.0.0",
    group: "list",
    summary: "Returns an element from a list by its index.",
    complexity: "O(N) where N is the number of elements to traverse to get to the element at index. This makes asking for the first or the last element of the list O(1).",
    syntax: "key index",
    ..Row::DEFAULT
};

fn lindex(context: &mut ShardContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let Some(list) = read(context, args.get(1))? else {
        reply.null();
        return Ok(());
    };
    let index = index_of(integer_argument(args.get(2))?, list.len());
    match index.and_then(|index| list.get(index)) {
        Some(element) => write_element(reply, element),
        None => reply.null(),
    }
    Ok(())
}
