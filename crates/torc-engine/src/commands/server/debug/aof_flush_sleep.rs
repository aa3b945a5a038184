//! DEBUG AOF-FLUSH-SLEEP microseconds: the log waits before each write, as if the disk took that long.

use std::time::Duration;

use torc_resp::{Args, Reply};

use crate::command::{HostStep, Row, Run};
use crate::error::{CommandError, CommandResult};
use crate::host_request::HostRequest;
use crate::session::SessionContext;

pub(super) static ROW: Row = Row {
    name: "aof-flush-sleep",
    arity: 3,
    flags: super::DEVELOPER,
    run: Run::Session(aof_flush_sleep),
    host_step: Some(&STEP),
    group: "server",
    summary: "Has the append-only log wait so many microseconds before each write.",
    complexity: "O(1)",
    syntax: "microseconds",
    ..Row::DEFAULT
};

static STEP: HostStep = HostStep {
    request: |_, args, asking| {
        // What is no number counts as zero, as it does in Redis.
        let micros = str::from_utf8(args.get(2)).ok().and_then(|text| text.parse().ok()).unwrap_or(0);
        Some(HostRequest::SlowWrites { pause: Duration::from_micros(micros), asker: asking.session.connection })
    },
    failed: CommandError::fixed("ERR the append-only log does not answer"),
};

fn aof_flush_sleep(_context: &mut SessionContext<'_>, _args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    reply.ok();
    Ok(())
}
