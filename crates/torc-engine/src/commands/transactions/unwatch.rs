//! UNWATCH: forgets all watched keys.

use torc_resp::{Args, Reply};

use super::IN_TRANSACTION;
use crate::command::{Flags, Row, Run};
use crate::error::CommandResult;
use crate::session::SessionContext;

pub(super) static ROW: Row = Row {
    name: "unwatch",
    arity: 1,
    flags: Flags(IN_TRANSACTION.0 & !Flags::IMMEDIATE.0),
    run: Run::Session(unwatch),
    since: "2.2.0",
    categories: &["transaction"],
    group: "transactions",
    summary: "Forgets about watched keys of a transaction.",
    complexity: "O(1)",
    ..Row::DEFAULT
};

fn unwatch(context: &mut SessionContext<'_>, _args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    context.session.unwatch();
    reply.ok();
    Ok(())
}
