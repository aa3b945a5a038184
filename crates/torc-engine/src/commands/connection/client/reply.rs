//! CLIENT REPLY ON | OFF | SKIP: whether commands are answered. Not inside MULTI, as in Valkey 9: EXEC says how many replies follow.

use torc_resp::{Args, Reply};

use crate::command::{Flags, Row, Run};
use crate::error::{CommandError, CommandResult};
use crate::session::{ReplyMode, SessionContext};

pub(super) static ROW: Row = Row {
    name: "reply",
    arity: 3,
    flags: super::PLAIN.and(Flags::NO_MULTI),
    run: Run::Session(reply),
    categories: &["connection"],
    since: "3.2.0",
    group: "connection",
    summary: "Instructs the server whether to reply to commands.",
    complexity: "O(1)",
    syntax: "action:<ON | OFF | SKIP>",
    ..Row::DEFAULT
};

fn reply(context: &mut SessionContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let (argument, session) = (args.get(2), &mut *context.session);
    if argument.eq_ignore_ascii_case(b"on") {
        session.reply_mode = ReplyMode::On;
        reply.ok();
    } else if argument.eq_ignore_ascii_case(b"off") {
        session.reply_mode = ReplyMode::Off;
    } else if argument.eq_ignore_ascii_case(b"skip") {
        if session.reply_mode != ReplyMode::Off {
            session.reply_mode = ReplyMode::Skip;
        }
    } else {
        return Err(CommandError::Syntax);
    }
    Ok(())
}
