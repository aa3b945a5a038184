//! SWAPDB index1 index2: exchanges two databases, on every core.

use torc_resp::{Args, Reply};

use super::database::in_range;
use crate::command::{Databases, Flags, Merge, Propagation, Route, Row, Run};
use crate::error::{CommandError, CommandResult};
use crate::shard::ShardContext;

pub(super) static ROW: Row = Row {
    name: "swapdb",
    arity: 3,
    flags: Flags::WRITE.and(Flags::FAST).and(Flags::OF_NODE).and(Flags::LONG),
    propagation: Propagation::AsItCame,
    route: Route::Every(Merge::Same),
    run: Run::Shard(swapdb),
    databases: Databases::Named(|_| [1, 2]),
    since: "4.0.0",
    categories: &["keyspace", "dangerous"],
    group: "server",
    summary: "Swaps two databases.",
    complexity: "O(1): whole databases are exchanged, whatever they hold.",
    syntax: "index1 index2",
    ..super::ROW_DEFAULT
};

fn swapdb(context: &mut ShardContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let number = |argument: &[u8], text: &'static str| {
        let number = torc_resp::number::parse_i64(argument).and_then(|number| i32::try_from(number).ok());
        number.ok_or(CommandError::fixed(text))
    };
    let first = number(args.get(1), "ERR invalid first DB index")?;
    let second = number(args.get(2), "ERR invalid second DB index")?;
    let (first, second) = (in_range(context, first)?, in_range(context, second)?);
    if context.propagates() && context.is_of_one_core() {
        // Told by result it would be all keys of both with their values.
        return Err(CommandError::fixed(
            "ERR SWAPDB is not possible through the port of a core while appendonly is yes",
        ));
    }
    context.swap(first, second);
    // One change, which one core counts for all.
    context.count_changes(usize::from(context.core() == 0));
    reply.ok();
    Ok(())
}
