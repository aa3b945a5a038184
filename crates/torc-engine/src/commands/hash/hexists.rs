//! HEXISTS key field: whether a field is there.

use torc_resp::{Args, Reply};

use super::access::{read_hash, reclaim};
use crate::command::{Flags, KeySpec, Row, Run};
use crate::error::CommandResult;
use crate::shard::ShardContext;

pub(super) static ROW: Row = Row {
    name: "hexists",
    arity: 3,
    flags: Flags::READONLY.and(Flags::FAST),
    keys: &[KeySpec::at(1, "RO")],
    element_at: 2,
    run: Run::Shard(hexists),
    since: "2.0.0",
    summary: "Determines whether a field exists in a hash.",
    syntax: "key field",
    ..super::ROW_DEFAULT
};

fn hexists(context: &mut ShardContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let (key, field) = (args.get(1), args.get(2));
    let hash = read_hash(context, key)?;
    let answer = hash.and_then(|hash| hash.get(field)).map_or(0, |_| 1);
    let has_expired = hash.is_some_and(|hash| hash.has_expired(field));
    reply.integer(answer);
    if has_expired {
        reclaim(context, key, args.from(2));
    }
    Ok(())
}
