//! CLIENT UNBLOCK client-id [TIMEOUT | ERROR]: ends the wait of a connection, of whatever core.

use torc_resp::{Args, Reply};

use crate::asker::core_of_client;
use crate::command::{Route, Row, Run, integer_argument};
use crate::error::{CommandError, CommandResult};
use crate::route::{CoreId, SlotMap};
use crate::session::{CoreContext, Unblock};

pub(super) static ROW: Row = Row {
    name: "unblock",
    arity: -3,
    flags: super::ADMIN,
    route: Route::Pick(core_of_argument),
    run: Run::Core(unblock),
    categories: &["connection"],
    since: "5.0.0",
    group: "connection",
    summary: "Unblocks a client blocked by a blocking command from a different connection.",
    complexity: "O(log N) where N is the number of client connections",
    syntax: "client-id unblock-type:[TIMEOUT | ERROR]",
    ..Row::DEFAULT
};

/// The core of the client that is named.
fn core_of_argument(args: Args<'_>, slots: &SlotMap) -> Option<CoreId> {
    let id = torc_resp::number::parse_u64(args.get(2)).filter(|&id| id > 0)?;
    Some(core_of_client(id, slots.cores()))
}

fn unblock(context: &mut CoreContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let how = match args.len() {
        3 => Unblock::Timeout,
        4 if args.get(3).eq_ignore_ascii_case(b"timeout") => Unblock::Timeout,
        4 if args.get(3).eq_ignore_ascii_case(b"error") => Unblock::Error,
        4 => return Err(CommandError::fixed("ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR")),
        _ => return Err(CommandError::Syntax),
    };
    let id = integer_argument(args.get(2))?;
    let found = context.sessions.iter().find(|session| session.id as i64 == id).map(|session| session.connection);
    let session = found.and_then(|connection| context.sessions.get(connection));
    let Some(session) = session.filter(|session| session.activity.is_blocked_open()) else {
        reply.integer(0);
        return Ok(());
    };
    session.activity.unblock(how);
    let (connection, asker) = (session.connection, session.asker());
    context.note_unblocked(&asker);
    context.sessions.mark_runnable(connection);
    reply.integer(1);
    Ok(())
}
