//! CLIENT SETINFO LIB-NAME libname | LIB-VER libver: which library speaks.

use torc_resp::{Args, Reply};

use crate::command::{Row, Run};
use crate::commands::connection::name;
use crate::error::{CommandError, CommandResult};
use crate::session::SessionContext;

pub(super) static ROW: Row = Row {
    name: "setinfo",
    arity: 4,
    flags: super::PLAIN,
    run: Run::Session(setinfo),
    categories: &["connection"],
    since: "7.2.0",
    group: "connection",
    summary: "Sets information specific to the client or connection.",
    complexity: "O(1)",
    syntax: "attr:<LIB-NAME libname | LIB-VER libver>",
    tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
    ..Row::DEFAULT
};

fn setinfo(context: &mut SessionContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let (attribute, value) = (args.get(2), args.get(3));
    let session = &mut *context.session;
    let field = if attribute.eq_ignore_ascii_case(b"lib-name") {
        &mut session.library_name
    } else if attribute.eq_ignore_ascii_case(b"lib-ver") {
        &mut session.library_version
    } else {
        return Err(CommandError::quoting("ERR Unrecognized option '{}'", &[attribute]));
    };
    if !name::is_valid(value) {
        let text = "ERR {} cannot contain spaces, newlines or special characters.";
        return Err(CommandError::quoting(text, &[attribute]));
    }
    *field = value.to_vec();
    reply.ok();
    Ok(())
}
