//! DEBUG RELOAD [NOSAVE] [NOFLUSH] [MERGE]: saves all keys, removes them, and loads the file.

use torc_resp::{Args, Reply};

use crate::command::{Asking, Flags, HostStep, Row, Run};
use crate::error::{CommandError, CommandResult};
use crate::host_request::{HostRequest, Reload};
use crate::session::SessionContext;
use crate::state::Facts;

pub(super) static ROW: Row = Row {
    name: "reload",
    arity: -2,
    // The save waits for all transactions, so none may wait for it.
    flags: super::DEVELOPER.and(Flags::NO_MULTI),
    run: Run::Session(reload),
    host_step: Some(&STEP),
    group: "server",
    summary: "Saves all keys to disk, removes them, and loads the file. NOSAVE and NOFLUSH leave out a step; with MERGE the keys of the file replace others.",
    complexity: "O(N) where N is the size of all values",
    syntax: "[NOSAVE] [NOFLUSH] [MERGE]",
    ..Row::DEFAULT
};

static STEP: HostStep = HostStep {
    request,
    failed: CommandError::fixed("ERR Error trying to load the RDB dump, check server logs."),
};

fn request(_facts: Facts<'_>, args: Args<'_>, asking: Asking<'_>) -> Option<HostRequest> {
    let how = how(args).ok()?;
    Some(HostRequest::Reload { how, asker: asking.session.connection })
}

fn how(args: Args<'_>) -> Result<Reload, CommandError> {
    let mut how = Reload { saves: true, empties: true, replaces: false, from_log: false };
    for word in args.from(2).iter() {
        match word.to_ascii_lowercase().as_slice() {
            b"nosave" => how.saves = false,
            b"noflush" => how.empties = false,
            b"merge" => how.replaces = true,
            _ => {
                return Err(CommandError::fixed(
                    "ERR DEBUG RELOAD only supports the MERGE, NOFLUSH and NOSAVE options.",
                ));
            }
        }
    }
    Ok(how)
}

fn reload(_context: &mut SessionContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    how(args)?;
    reply.ok();
    Ok(())
}
