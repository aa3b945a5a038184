//! CLIENT NO-TOUCH ON | OFF: whether the connection's reads leave the access clock of keys alone.

use torc_resp::{Args, Reply};

use super::on_or_off;
use crate::command::{Row, Run};
use crate::error::CommandResult;
use crate::session::SessionContext;

pub(super) static ROW: Row = Row {
    name: "no-touch",
    arity: 3,
    flags: super::PLAIN,
    run: Run::Session(no_touch),
    categories: &["connection"],
    since: "7.2.0",
    group: "connection",
    summary: "Controls whether commands sent by the client affect the LRU/LFU of accessed keys.",
    complexity: "O(1)",
    syntax: "enabled:<ON | OFF>",
    ..Row::DEFAULT
};

fn no_touch(context: &mut SessionContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    context.session.no_touch = on_or_off(args.get(2))?;
    reply.ok();
    Ok(())
}
