//! FUNCTION STATS: the function that runs and the engines with their libraries. No function, no engine.

use torc_resp::{Args, Reply};

use crate::command::{Flags, Row, Run};
use crate::error::CommandResult;
use crate::session::SessionContext;

pub(super) static ROW: Row = Row {
    name: "stats",
    arity: 2,
    flags: Flags::NOSCRIPT.and(Flags::ALLOW_BUSY),
    run: Run::Session(stats),
    categories: &["scripting"],
    summary: "Returns information about a function during execution.",
    complexity: "O(1)",
    tips: &["nondeterministic_output", "request_policy:all_shards", "response_policy:special"],
    ..super::ROW_DEFAULT
};

fn stats(_context: &mut SessionContext<'_>, _args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    reply.map(2);
    reply.bulk(b"running_script");
    reply.null();
    reply.bulk(b"engines");
    reply.map(0);
    Ok(())
}
