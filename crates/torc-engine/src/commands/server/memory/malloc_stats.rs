//! MEMORY MALLOC-STATS: there are none of Redis's kind, which are those of jemalloc.

use torc_resp::{Args, Reply};

use crate::command::{Row, Run};
use crate::error::CommandResult;
use crate::session::SessionContext;

pub(super) static ROW: Row = Row {
    name: "malloc-stats",
    arity: 2,
    run: Run::Session(malloc_stats),
    since: "4.0.0",
    group: "server",
    summary: "Returns the allocator statistics.",
    complexity: "Depends on how much memory is allocated, could be slow",
    tips: &["nondeterministic_output", "request_policy:all_shards", "response_policy:special"],
    ..Row::DEFAULT
};

fn malloc_stats(_context: &mut SessionContext<'_>, _args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    reply.bulk(b"Stats not supported for the current allocator");
    Ok(())
}
