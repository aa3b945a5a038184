//! QUIT: closes the connection after the replies that are owed.

use torc_resp::{Args, Reply};

use super::HANDSHAKE;
use crate::command::{Deprecated, Flags, Row, Run};
use crate::error::CommandResult;
use crate::session::{Closing, SessionContext};

pub(super) static ROW: Row = Row {
    name: "quit",
    arity: -1,
    flags: HANDSHAKE.and(Flags::IMMEDIATE).and(Flags::WHILE_SUBSCRIBED),
    run: Run::Session(quit),
    categories: &["connection"],
    group: "connection",
    summary: "Closes the connection.",
    complexity: "O(1)",
    deprecated: Some(Deprecated { since: "7.2.0", replaced_by: "just closing the connection" }),
    ..Row::DEFAULT
};

fn quit(context: &mut SessionContext<'_>, _args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    context.session.closing = Closing::AfterFlush;
    reply.ok();
    Ok(())
}
