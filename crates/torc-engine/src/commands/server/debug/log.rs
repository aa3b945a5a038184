//! DEBUG LOG message: a line in the server's log.

use torc_resp::{Args, Reply};

use crate::command::{Row, Run};
use crate::error::CommandResult;
use crate::host_request::LogKind;
use crate::session::SessionContext;

pub(super) static ROW: Row = Row {
    name: "log",
    arity: 3,
    flags: super::DEVELOPER,
    run: Run::Session(log),
    group: "server",
    summary: "Writes a message to the server log.",
    complexity: "O(1)",
    syntax: "message",
    ..Row::DEFAULT
};

fn log(context: &mut SessionContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    context.log(LogKind::DebugLog, || format!("DEBUG LOG: {}", String::from_utf8_lossy(args.get(2))));
    reply.ok();
    Ok(())
}
