//! GETBIT key offset: one bit of a string.

use torc_resp::{Args, Reply};

use super::offset::bit_offset;
use crate::command::{Flags, KeySpec, Route, Row, Run};
use crate::error::CommandResult;
use crate::shard::ShardContext;

pub(super) static ROW: Row = Row {
    name: "getbit",
    arity: 3,
    flags: Flags::READONLY.and(Flags::FAST),
    keys: &[KeySpec::at(1, "RO access")],
    route: Route::Owner,
    run: Run::Shard(getbit),
    since: "2.2.0",
    group: "bitmap",
    summary: "Returns a bit value by offset.",
    syntax: "key offset",
    ..Row::DEFAULT
};

fn getbit(context: &mut ShardContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let offset = bit_offset(args.get(2), context.string_len_max())?;
    let value = context.read_string(args.get(1))?.unwrap_or_default();
    let byte = value.get((offset >> 3) as usize).copied().unwrap_or(0);
    reply.integer(i64::from(byte >> (7 - (offset & 7)) & 1));
    Ok(())
}
