//! BGSAVE [SCHEDULE | CANCEL]: saves all keys to disk; replies when their state is caught.

use torc_resp::{Args, Reply};

use crate::command::{Asking, Flags, HostStep, Row, Run};
use crate::error::{CommandError, CommandResult};
use crate::host_request::{HostRequest, SaveHow};
use crate::session::SessionContext;
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

fn request(_facts: Facts<'_>, args: Args<'_>, asking: Asking<'_>) -> Option<HostRequest> {
    let how = how(args, asking.in_transaction)?;
    Some(HostRequest::Save { how, asker: asking.session.connection })
}

/// In a transaction the answer cannot wait for the cut, which waits for the transaction.
fn how(args: Args<'_>, in_transaction: bool) -> Option<SaveHow> {
    match args.len() {
        1 => Some(SaveHow::Background { is_answered_early: in_transaction }),
        2 if args.get(1).eq_ignore_ascii_case(b"schedule") => Some(SaveHow::Scheduled { is_answered_early: in_transaction }),
        2 if args.get(1).eq_ignore_ascii_case(b"cancel") => Some(SaveHow::Cancel),
        _ => None,
    }
}

fn bgsave(_context: &mut SessionContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    if how(args, false).is_none() {
        return Err(CommandError::Syntax);
    }
    reply.simple("Background saving started");
    Ok(())
}
