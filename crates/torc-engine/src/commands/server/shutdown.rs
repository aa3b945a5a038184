//! SHUTDOWN [NOSAVE | SAVE] [NOW] [FORCE] [ABORT]: stops the server; there is no reply when it does.

use torc_resp::{Args, Reply};

use crate::command::{Asking, Flags, HostStep, Row, Run};
use crate::error::{CommandError, CommandResult};
use crate::host_request::{HostRequest, Shutdown};
use crate::session::SessionContext;
use crate::state::Facts;

pub(super) static ROW: Row = Row {
    name: "shutdown",
    arity: -1,
    flags: Flags::ADMIN
        .and(Flags::NOSCRIPT)
        .and(Flags::LOADING)
        .and(Flags::STALE)
        .and(Flags::NO_MULTI)
        .and(Flags::ALLOW_BUSY),
    run: Run::Session(shutdown),
    host_step: Some(&STEP),
    group: "server",
    summary: "Synchronously saves the database(s) to disk and shuts down the Redis server.",
    complexity: "O(N) when saving, where N is the total number of keys in all databases when saving data, otherwise O(1)",
    syntax: "save-selector:[NOSAVE | SAVE] [NOW@7.0.0] [FORCE@7.0.0] [ABORT@7.0.0]",
    history: &[
        ("7.0.0", "Added the `NOW`, `FORCE` and `ABORT` modifiers."),
    ],
    ..Row::DEFAULT
};

static STEP: HostStep =
    HostStep { request, failed: CommandError::fixed("ERR Errors trying to SHUTDOWN. Check logs.") };

/// What the arguments ask for.
enum Wanted {
    Stop(Shutdown),
    Abort,
}

fn wanted(args: Args<'_>) -> Result<Wanted, CommandError> {
    let (mut saves, mut is_forced, mut is_now, mut aborts) = (None, false, false, false);
    for word in args.from(1).iter() {
        match word.to_ascii_lowercase().as_slice() {
            b"nosave" if saves != Some(true) => saves = Some(false),
            b"save" if saves != Some(false) => saves = Some(true),
            b"force" => is_forced = true,
            // There are no replicas to wait for.
            b"now" => is_now = true,
            b"abort" => aborts = true,
            _ => return Err(CommandError::Syntax),
        }
    }
    match aborts {
        false => Ok(Wanted::Stop(Shutdown { saves, is_forced })),
        true if saves.is_some() || is_forced || is_now => Err(CommandError::Syntax),
        true => Ok(Wanted::Abort),
    }
}

fn request(_facts: Facts<'_>, args: Args<'_>, asking: Asking<'_>) -> Option<HostRequest> {
    let Asking { session, .. } = asking;
    let asker = session.connection;
    Some(match wanted(args).ok()? {
        Wanted::Abort => HostRequest::AbortShutdown { asker },
        Wanted::Stop(how) => {
            let by = format!("id={} addr={} laddr={}", session.id, session.info.address, session.info.local_address);
            HostRequest::Shutdown { how, by, asker }
        }
    })
}

/// Whoever asked for a stop gets no reply; this answers what cannot be understood, and an abort that was carried out.
fn shutdown(_context: &mut SessionContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    wanted(args)?;
    reply.ok();
    Ok(())
}
