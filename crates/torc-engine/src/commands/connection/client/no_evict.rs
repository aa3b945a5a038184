//! CLIENT NO-EVICT ON | OFF: whether the connection is spared when clients are closed to save memory.

use torc_resp::{Args, Reply};

use super::on_or_off;
use crate::command::{Row, Run};
use crate::error::CommandResult;
use crate::session::SessionContext;

pub(super) static ROW: Row = Row {
    name: "no-evict",
    arity: 3,
    flags: super::ADMIN,
    run: Run::Session(no_evict),
    categories: &["connection"],
    since: "7.0.0",
    group: "connection",
    summary: "Sets the client eviction mode of the connection.",
    complexity: "O(1)",
    syntax: "enabled:<ON | OFF>",
    ..Row::DEFAULT
};

fn no_evict(context: &mut SessionContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    context.session.no_evict = on_or_off(args.get(2))?;
    reply.ok();
    Ok(())
}
