//! CLIENT CAPA capability ...: what the client can do. Words that mean nothing to this server are taken, and forgotten.

use torc_resp::{Args, Reply};

use crate::command::{Flags, Row, Run};
use crate::error::CommandResult;
use crate::session::SessionContext;

pub(super) static ROW: Row = Row {
    name: "capa",
    arity: -3,
    flags: super::PLAIN.and(Flags::ALLOW_BUSY),
    run: Run::Session(capa),
    categories: &["connection"],
    since: "8.0.0",
    group: "connection",
    summary: "A client claims its capability.",
    complexity: "O(1)",
    syntax: "capability [capability ...]",
    ..Row::DEFAULT
};

fn capa(context: &mut SessionContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let is_redirect = |word: &[u8]| word.eq_ignore_ascii_case(b"redirect");
    context.session.can_be_redirected |= args.from(2).iter().any(is_redirect);
    reply.ok();
    Ok(())
}
