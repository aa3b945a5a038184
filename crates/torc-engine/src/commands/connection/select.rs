//! SELECT index: the database that the connection's later commands work on.

use torc_resp::{Args, Reply};

use crate::command::{Databases, Flags, Row, Run, integer_argument};
use crate::error::{CommandError, CommandResult};
use crate::session::SessionContext;

pub(super) static ROW: Row = Row {
    name: "select",
    arity: 2,
    flags: Flags::LOADING.and(Flags::STALE).and(Flags::FAST),
    run: Run::Session(select),
    databases: Databases::Selected,
    categories: &["connection"],
    group: "connection",
    summary: "Changes the selected database.",
    complexity: "O(1)",
    syntax: "index",
    ..Row::DEFAULT
};

fn select(context: &mut SessionContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let index = integer_argument(args.get(1))?;
    if i32::try_from(index).is_err() {
        // Redis's wording, its grammar included.
        return Err(CommandError::fixed("ERR value is out of range, value must between -2147483648 and 2147483647"));
    }
    match u16::try_from(index) {
        Ok(db) if db < context.databases() => context.session.db = db,
        _ => return Err(CommandError::OutOfRange("DB index")),
    }
    reply.ok();
    Ok(())
}
