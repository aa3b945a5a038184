//! BGREWRITEAOF: the log is made anew of the keys as they are, also while nothing is appended to it; replies when that has begun.

use torc_resp::{Args, Reply};

use crate::command::{Flags, HostStep, Row, Run};
use crate::error::{CommandError, CommandResult};
use crate::host_request::HostRequest;
use crate::session::SessionContext;

pub(super) static ROW: Row = Row {
    name: "bgrewriteaof",
    arity: 1,
    flags: Flags::ADMIN.and(Flags::NOSCRIPT),
    run: Run::Session(bgrewriteaof),
    host_step: Some(&STEP),
    group: "server",
    summary: "Asynchronously rewrites the append-only file to disk.",
    ..Row::DEFAULT
};

static STEP: HostStep = HostStep {
    request: |_, _, asking| {
        Some(HostRequest::Rewrite { in_transaction: asking.in_transaction, asker: asking.session.connection })
    },
    failed: CommandError::fixed("ERR Can't execute an AOF background rewriting. Please check the server logs for more information."),
};

fn bgrewriteaof(_context: &mut SessionContext<'_>, _args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    reply.simple("Background append only file rewriting started");
    Ok(())
}
