//! XLEN key: the number of entries of a stream.

use torc_resp::{Args, Reply};
use torc_store::Stream;

use super::lookup;
use crate::command::{Flags, KeySpec, Row, Run};
use crate::error::CommandResult;
use crate::shard::ShardContext;

pub(super) static ROW: Row = Row {
    name: "xlen",
    arity: 2,
    flags: Flags::READONLY.and(Flags::FAST),
    keys: &[KeySpec::at(1, "RO")],
    run: Run::Shard(xlen),
    summary: "Return the number of messages in a stream.",
    syntax: "key",
    ..super::ROW_DEFAULT
};

fn xlen(context: &mut ShardContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let len = lookup::read(context, args.get(1))?.map_or(0, Stream::len);
    reply.integer(len as i64);
    Ok(())
}
