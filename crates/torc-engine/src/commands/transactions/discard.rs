//! DISCARD: forgets the queued commands and the watched keys.

use torc_resp::{Args, Reply};

use super::IN_TRANSACTION;
use crate::command::{Row, Run};
use crate::error::{CommandError, CommandResult};
use crate::session::SessionContext;

pub(super) static ROW: Row = Row {
    name: "discard",
    arity: 1,
    flags: IN_TRANSACTION,
    run: Run::Session(discard),
    since: "2.0.0",
    categories: &["transaction"],
    group: "transactions",
    summary: "Discards a transaction.",
    complexity: "O(N), when N is the number of queued commands",
    ..Row::DEFAULT
};

fn discard(context: &mut SessionContext<'_>, _args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    if context.session.transaction.take().is_none() {
        return Err(CommandError::fixed("ERR DISCARD without MULTI"));
    }
    context.session.unwatch();
    reply.ok();
    Ok(())
}
