//! EXEC: runs the queued commands; the engine carries it out where their keys are.

use torc_resp::{Args, Reply};

use super::IN_TRANSACTION;
use crate::command::{Flags, Row, Run};
use crate::error::{CommandError, CommandResult};
use crate::session::SessionContext;

pub(super) static ROW: Row = Row {
    name: "exec",
    arity: 1,
    flags: Flags(IN_TRANSACTION.0 & !(Flags::FAST.0 | Flags::ALLOW_BUSY.0))
        .and(Flags::SKIP_SLOWLOG)
        .and(Flags::ENDS_TRANSACTION).and(Flags::LONG),
    run: Run::Session(exec),
    since: "1.2.0",
    group: "transactions",
    categories: &["transaction"],
    summary: "Executes all commands in a transaction.",
    complexity: "Depends on commands in the transaction",
    ..Row::DEFAULT
};

fn exec(context: &mut SessionContext<'_>, _args: Args<'_>, _reply: &mut Reply<'_>) -> CommandResult {
    let Some(transaction) = &mut context.session.transaction else {
        return Err(CommandError::fixed("ERR EXEC without MULTI"));
    };
    if transaction.is_spoiled() {
        context.session.transaction = None;
        context.session.unwatch();
        return Err(CommandError::ExecAbort);
    }
    transaction.execute();
    Ok(())
}
