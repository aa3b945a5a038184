//! HLEN key: the number of fields of a hash, with those that have expired but are not removed yet.

use torc_resp::{Args, Reply};

use super::access::read_hash;
use crate::command::{Flags, KeySpec, Row, Run};
use crate::error::CommandResult;
use crate::shard::ShardContext;

pub(super) static ROW: Row = Row {
    name: "hlen",
    arity: 2,
    flags: Flags::READONLY.and(Flags::FAST),
    keys: &[KeySpec::at(1, "RO")],
    run: Run::Shard(hlen),
    since: "2.0.0",
    summary: "Returns the number of fields in a hash.",
    syntax: "key",
    ..super::ROW_DEFAULT
};

fn hlen(context: &mut ShardContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let len = read_hash(context, args.get(1))?.map_or(0, |hash| hash.len());
    reply.integer(len as i64);
    Ok(())
}
