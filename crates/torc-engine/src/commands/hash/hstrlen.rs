//! HSTRLEN key field: the length of the value of a field.

use torc_resp::{Args, Reply};

use super::access::{read_hash, reclaim};
use crate::command::{Flags, KeySpec, Row, Run};
use crate::error::CommandResult;
use crate::shard::ShardContext;

pub(super) static ROW: Row = Row {
    name: "hstrlen",
    arity: 3,
    flags: Flags::READONLY.and(Flags::FAST),
    keys: &[KeySpec::at(1, "RO")],
    element_at: 2,
    run: Run::Shard(hstrlen),
    since: "3.2.0",
    summary: "Returns the length of the value of a field.",
    syntax: "key field",
    ..super::ROW_DEFAULT
};

fn hstrlen(context: &mut ShardContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let (key, field) = (args.get(1), args.get(2));
    let hash = read_hash(context, key)?;
    let answer = hash.and_then(|hash| hash.get(field)).map_or(0, |value| value.byte_len() as i64);
    let has_expired = hash.is_some_and(|hash| hash.has_expired(field));
    reply.integer(answer);
    if has_expired {
        reclaim(context, key, args.from(2));
    }
    Ok(())
}
