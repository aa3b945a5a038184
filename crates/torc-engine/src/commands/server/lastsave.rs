//! LASTSAVE: when the data was saved last, Unix seconds; before the first time, when the server started.

use torc_resp::{Args, Reply};

use crate::command::{Flags, Row, Run};
use crate::error::CommandResult;
use crate::session::SessionContext;

pub(super) static ROW: Row = Row {
    name: "lastsave",
    arity: 1,
    flags: Flags::LOADING.and(Flags::STALE).and(Flags::FAST),
    run: Run::Session(lastsave),
    group: "server",
    summary: "Returns the Unix timestamp of the last successful save to disk.",
    categories: &["admin", "dangerous"],
    tips: &["nondeterministic_output"],
    ..Row::DEFAULT
};

fn lastsave(context: &mut SessionContext<'_>, _args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    reply.integer(context.facts().persistence.saves.last_s);
    Ok(())
}
