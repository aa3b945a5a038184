//! DEBUG SEGFAULT: the process ends as if it had touched memory that is not its own.

use torc_resp::{Args, Reply};

use crate::command::{HostStep, Row, Run};
use crate::error::{CommandError, CommandResult};
use crate::host_request::HostRequest;
use crate::session::SessionContext;

pub(super) static ROW: Row = Row {
    name: "segfault",
    arity: 2,
    flags: super::DEVELOPER,
    run: Run::Session(segfault),
    host_step: Some(&STEP),
    group: "server",
    summary: "Crashes the server with SIGSEGV.",
    complexity: "O(1)",
    ..Row::DEFAULT
};

static STEP: HostStep = HostStep {
    request: |_, _, asking| Some(HostRequest::Crash { asker: asking.session.connection }),
    failed: CommandError::fixed("ERR the server has not crashed"),
};

/// Nobody sees this reply.
fn segfault(_context: &mut SessionContext<'_>, _args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    reply.ok();
    Ok(())
}
