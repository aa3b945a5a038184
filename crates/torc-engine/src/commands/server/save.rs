//! SAVE: saves all keys to disk and replies when that is done. Others are served meanwhile.

use torc_resp::{Args, Reply};

use crate::command::{Flags, HostStep, Row, Run};
use crate::error::{CommandError, CommandResult};
use crate::host_request::{HostRequest, SaveHow};
use crate::session::SessionContext;

pub(super) static ROW: Row = Row {
    name: "save",
    arity: 1,
    flags: Flags::ADMIN.and(Flags::NOSCRIPT).and(Flags::NO_MULTI),
    run: Run::Session(save),
    host_step: Some(&STEP),
    group: "server",
    summary: "Synchronously saves the database(s) to disk.",
    complexity: "O(N) where N is the total number of keys in all databases",
    ..Row::DEFAULT
};

static STEP: HostStep = HostStep {
    request: |_, _, asking| Some(HostRequest::Save { how: SaveHow::Awaited, asker: asking.session.connection }),
    failed: CommandError::fixed("ERR"),
};

fn save(_context: &mut SessionContext<'_>, _args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    reply.ok();
    Ok(())
}
