//! CLIENT GETNAME: the connection's name.

use torc_resp::{Args, Reply};

use crate::command::{Row, Run};
use crate::error::CommandResult;
use crate::session::SessionContext;

pub(super) static ROW: Row = Row {
    name: "getname",
    arity: 2,
    flags: super::PLAIN,
    run: Run::Session(getname),
    categories: &["connection"],
    since: "2.6.9",
    group: "connection",
    summary: "Returns the name of the connection.",
    complexity: "O(1)",
    ..Row::DEFAULT
};

fn getname(context: &mut SessionContext<'_>, _args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    match context.session.name.as_slice() {
        [] => reply.null(),
        name => reply.bulk(name),
    }
    Ok(())
}
