//! MEMORY PURGE: gives empty pages back to the system, on every core.
//!
//! The heaps of keys keep a few of them warm; what the allocator of buffers keeps goes back within a second by itself.

use torc_resp::{Args, Reply};

use crate::command::{Merge, Route, Row, Run};
use crate::error::CommandResult;
use crate::session::CoreContext;

pub(super) static ROW: Row = Row {
    name: "purge",
    arity: 2,
    route: Route::Every(Merge::Same),
    run: Run::Core(purge),
    since: "4.0.0",
    group: "server",
    summary: "Asks the allocator to release memory.",
    complexity: "Depends on how much memory is allocated, could be slow",
    tips: &["request_policy:all_shards", "response_policy:all_succeeded"],
    ..Row::DEFAULT
};

fn purge(context: &mut CoreContext<'_>, _args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    context.purge_memory();
    reply.ok();
    Ok(())
}
