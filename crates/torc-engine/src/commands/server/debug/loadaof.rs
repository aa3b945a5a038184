//! DEBUG LOADAOF: writes what the append-only log still waits for, removes all keys, and loads the log.

use torc_resp::{Args, Reply};

use crate::command::{Flags, HostStep, Row, Run};
use crate::error::{CommandError, CommandResult};
use crate::host_request::{HostRequest, Reload};
use crate::session::SessionContext;

pub(super) static ROW: Row = Row {
    name: "loadaof",
    arity: 2,
    // It waits for all transactions, so none may wait for it.
    flags: super::DEVELOPER.and(Flags::NO_MULTI),
    run: Run::Session(loadaof),
    host_step: Some(&STEP),
    group: "server",
    summary: "Writes the append-only log to its end, removes all keys, and loads it.",
    complexity: "O(N) where N is the size of the log",
    ..Row::DEFAULT
};

static STEP: HostStep = HostStep {
    request: |_, _, asking| {
        let how = Reload { saves: false, empties: true, replaces: false, from_log: true };
        Some(HostRequest::Reload { how, asker: asking.session.connection })
    },
    failed: CommandError::fixed("ERR Error trying to load the AOF files, check server logs."),
};

fn loadaof(_context: &mut SessionContext<'_>, _args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    reply.ok();
    Ok(())
}
