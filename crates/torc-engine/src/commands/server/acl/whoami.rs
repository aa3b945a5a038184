//! ACL WHOAMI: the name of the connection's user.

use torc_resp::{Args, Reply};

use crate::command::{Row, Run};
use crate::error::CommandResult;
use crate::session::SessionContext;

pub(super) static ROW: Row = Row {
    name: "whoami",
    arity: 2,
    flags: super::PLAIN,
    run: Run::Session(whoami),
    since: "6.0.0",
    group: "server",
    summary: "Returns the authenticated username of the current connection.",
    complexity: "O(1)",
    ..Row::DEFAULT
};

fn whoami(context: &mut SessionContext<'_>, _args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    reply.bulk(context.session.user().name());
    Ok(())
}
