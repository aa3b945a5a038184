//! BGSAVE [SCHEDULE | CANCEL]: saves all keys to disk; replies when their state is caught.

use torc_resp::{Args, Reply};

use crate::command::{Flags, HostStep, Row, Run};
use crate::error::{CommandError, CommandResult};
use crate::host_request::{HostRequest, SaveHow};
use crate::session::{Session, SessionContext};
use crate::state::Facts;

pub(super) static ROW: Row = Row {
    name: "bgsave",
    arity: -1,
    flags: Flags::ADMIN.and(Flags::NOSCRIPT),
    run: Run::Session(bgsave),
    host_step: Some(&STEP),
    group: "server",
    summary: "Asynchronously saves the database(s) to disk.",
    complexity: "O(1)",
    syntax: "operation:[SCHEDULE@3.2.2 | CANCEL@8.1.0]",
    history: &[
        ("3.2.2", "Added the `SCHEDULE` option."),
        ("8.1.0", "Added the `CANCEL` option."),
    ],
    ..Row::DEFAULT
};

static STEP: HostStep = HostStep { request, failed: CommandError::fixed("ERR") };

fn request(_facts: Facts<'_>, args: Args<'_>, session: &Session) -> Option<HostRequest> {
    let how = how(args)?;
    Some(HostRequest::Save { how, asker: session.connection })
}

fn how(args: Args<'_>) -> Option<SaveHow> {
    match args.len() {
        1 => Some(SaveHow::Background),
        2 if args.get(1).eq_ignore_ascii_case(b"schedule") => Some(SaveHow::Scheduled),
        2 if args.get(1).eq_ignore_ascii_case(b"cancel") => Some(SaveHow::Cancel),
        _ => None,
    }
}

fn bgsave(_context: &mut SessionContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    if how(args).is_none() {
        return Err(CommandError::Syntax);
    }
    reply.simple("Background saving started");
    Ok(())
}
