//! MULTI: the commands that follow are queued until EXEC.

use torc_resp::{Args, Reply};

use super::IN_TRANSACTION;
use crate::command::{Row, Run};
use crate::error::{CommandError, CommandResult};
use crate::session::{CommandQueue, SessionContext};

pub(super) static ROW: Row = Row {
    name: "multi",
    arity: 1,
    flags: IN_TRANSACTION,
    run: Run::Session(multi),
    since: "1.2.0",
    categories: &["transaction"],
    group: "transactions",
    summary: "Starts a transaction.",
    complexity: "O(1)",
    ..Row::DEFAULT
};

fn multi(context: &mut SessionContext<'_>, _args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    if context.session.transaction.is_some() {
        return Err(CommandError::fixed("ERR MULTI calls can not be nested"));
    }
    context.session.transaction = Some(Box::new(CommandQueue::default()));
    reply.ok();
    Ok(())
}
