//! CLIENT IMPORT-SOURCE ON | OFF: whether the client fills a server that is in import mode. Torc has no such mode.

use torc_resp::{Args, Reply};

use crate::command::{Row, Run};
use crate::error::{CommandError, CommandResult};
use crate::session::SessionContext;

pub(super) static ROW: Row = Row {
    name: "import-source",
    arity: 3,
    flags: super::PLAIN,
    run: Run::Session(import_source),
    categories: &["connection"],
    since: "8.1.0",
    group: "connection",
    summary: "Marks this client as an import source when the server is in import mode.",
    complexity: "O(1)",
    syntax: "enabled:<ON | OFF>",
    ..Row::DEFAULT
};

fn import_source(_: &mut SessionContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    if !args.get(2).eq_ignore_ascii_case(b"off") {
        return Err(CommandError::fixed("ERR Server is not in import mode"));
    }
    reply.ok();
    Ok(())
}
