//! FUNCTION DELETE library-name: removes a library and its functions, on all cores.

use torc_resp::{Args, Reply};

use crate::command::{Row, Run};
use crate::error::{CommandError, CommandResult};
use crate::shard::ShardContext;

pub(super) static ROW: Row = Row {
    name: "delete",
    arity: 3,
    flags: super::CHANGES,
    run: Run::Shard(delete),
    summary: "Deletes a library and its functions.",
    complexity: "O(1)",
    syntax: "library-name",
    ..super::CHANGING_DEFAULT
};

fn delete(context: &mut ShardContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    if !context.remove_library(args.get(2)) {
        return Err(CommandError::fixed("ERR Library not found"));
    }
    super::tell_change(context, args);
    reply.ok();
    Ok(())
}
