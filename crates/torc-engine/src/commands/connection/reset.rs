//! RESET: the connection is as if it had just been made; an open MULTI is forgotten.

use torc_resp::{Args, Reply};

use super::HANDSHAKE;
use crate::command::{Flags, Row, Run};
use crate::error::CommandResult;
use crate::session::SessionContext;

pub(super) static ROW: Row = Row {
    name: "reset",
    arity: 1,
    flags: HANDSHAKE.and(Flags::IMMEDIATE).and(Flags::SUBSCRIBES).and(Flags::WHILE_SUBSCRIBED),
    run: Run::Session(reset),
    categories: &["connection"],
    since: "6.2.0",
    group: "connection",
    summary: "Resets the connection.",
    complexity: "O(1)",
    ..Row::DEFAULT
};

fn reset(context: &mut SessionContext<'_>, _args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    // A status looks the same in both protocols, so it does not matter that the old one is still in use here.
    let default_user = std::sync::Arc::clone(context.facts().users.default_user());
    context.session.reset(&default_user);
    reply.simple("RESET");
    Ok(())
}
