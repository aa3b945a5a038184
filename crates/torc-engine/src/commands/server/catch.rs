//! The host's own command: all keys of all cores are caught as they are, to be saved. No client can name it; the host has an engine run
//! it ([`crate::Engine::begin_cut`]).
//!
//! It claims every shard shared, as any command does that reads all keys. So when it runs on the first core, no write is under way
//! anywhere, and none begins on a core before it has run there: what the cores catch is one state of all keys, between two commands.

use torc_resp::{Args, Reply};

use crate::command::{Flags, Merge, Route, Row, Run};
use crate::error::CommandResult;
use crate::shard::ShardContext;

pub(crate) static ROW: Row = Row {
    name: "catch",
    arity: 2,
    flags: Flags::READONLY.and(Flags::ADMIN),
    route: Route::Every(Merge::Same),
    run: Run::Shard(catch),
    is_internal: true,
    group: "server",
    summary: "Catches all keys as they are, to be saved.",
    syntax: "cut",
    ..Row::DEFAULT
};

fn catch(context: &mut ShardContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let cut = torc_resp::number::parse_i64(args.get(1)).expect("the host numbers its cuts");
    context.begin_saving(cut as u64);
    reply.ok();
    Ok(())
}
