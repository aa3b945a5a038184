//! DEBUG SLEEP seconds: the connection's core does nothing for a while, as if a command took that long.

use std::time::Duration;

use torc_resp::{Args, Reply};

use crate::command::{Row, Run};
use crate::error::CommandResult;
use crate::session::SessionContext;

pub(super) static ROW: Row = Row {
    name: "sleep",
    arity: 3,
    flags: super::DEVELOPER,
    run: Run::Session(sleep),
    group: "server",
    summary: "Stops the core of the connection for so many seconds. Decimals are allowed.",
    complexity: "O(1)",
    syntax: "seconds",
    ..Row::DEFAULT
};

fn sleep(context: &mut SessionContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    // What is no number counts as zero, as it does in Redis.
    let seconds: f64 = str::from_utf8(args.get(2)).ok().and_then(|text| text.parse().ok()).unwrap_or(0.0);
    if let Ok(span) = Duration::try_from_secs_f64(seconds) {
        context.sleep(span);
    }
    reply.ok();
    Ok(())
}
