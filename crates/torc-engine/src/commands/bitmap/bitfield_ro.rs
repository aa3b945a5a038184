//! BITFIELD_RO key [GET encoding offset ...]: reads integers of any width inside a string.

use torc_resp::{Args, Reply};

use super::bitfield::read_all;
use super::field::Operations;
use crate::command::{Flags, KeySpec, Route, Row, Run};
use crate::error::{CommandError, CommandResult};
use crate::shard::ShardContext;

pub(super) static ROW: Row = Row {
    name: "bitfield_ro",
    arity: -2,
    flags: Flags::READONLY.and(Flags::FAST),
    keys: &[KeySpec::at(1, "RO access")],
    route: Route::Owner,
    run: Run::Shard(bitfield_ro),
    since: "6.0.0",
    group: "bitmap",
    summary: "Performs arbitrary read-only bitfield integer operations on strings.",
    complexity: "O(1) for each subcommand specified",
    syntax: "key [GET get-block:<encoding offset> [GET get-block:<encoding offset> ...]]",
    ..Row::DEFAULT
};

fn bitfield_ro(context: &mut ShardContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let operations = || Operations::new(args.from(2), context.string_len_max());
    let (count, last_byte_written) = operations().check()?;
    if last_byte_written.is_some() {
        return Err(CommandError::fixed("ERR BITFIELD_RO only supports the GET subcommand"));
    }
    let operations = operations();
    read_all(context, args.get(1), count, operations, reply)
}
