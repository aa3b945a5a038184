//! FUNCTION DUMP: all libraries as one payload, for FUNCTION RESTORE.

use torc_rdb::file::dump_libraries;
use torc_resp::{Args, Reply};

use crate::command::{Flags, Row, Run};
use crate::error::CommandResult;
use crate::session::SessionContext;

pub(super) static ROW: Row = Row {
    name: "dump",
    arity: 2,
    flags: Flags::NOSCRIPT,
    run: Run::Session(dump),
    categories: &["scripting"],
    summary: "Dumps all libraries into a serialized binary payload.",
    complexity: "O(N) where N is the number of functions",
    ..super::ROW_DEFAULT
};

fn dump(context: &mut SessionContext<'_>, _args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let compress = context.facts().config.rdbcompression;
    let sources = context.libraries().iter().map(|library| &*library.source);
    reply.bulk(&dump_libraries(sources, compress));
    Ok(())
}
