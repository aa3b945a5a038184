//! ECHO message: answers the message.

use torc_resp::{Args, Reply};

use crate::command::{Flags, Row, Run};
use crate::error::CommandResult;
use crate::session::SessionContext;

pub(super) static ROW: Row = Row {
    name: "echo",
    arity: 2,
    flags: Flags::LOADING.and(Flags::STALE).and(Flags::FAST),
    run: Run::Session(echo),
    categories: &["connection"],
    group: "connection",
    summary: "Returns the given string.",
    complexity: "O(1)",
    syntax: "message",
    ..Row::DEFAULT
};

fn echo(_context: &mut SessionContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    reply.bulk(args.get(1));
    Ok(())
}
