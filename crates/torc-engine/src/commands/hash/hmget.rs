//! HMGET key field [field ...]: the values of fields.

use torc_resp::{Args, Reply};

use super::access::{read_hash, reclaim, write_text};
use crate::command::{Flags, KeySpec, Row, Run};
use crate::error::CommandResult;
use crate::shard::ShardContext;

pub(super) static ROW: Row = Row {
    name: "hmget",
    arity: -3,
    flags: Flags::READONLY.and(Flags::FAST),
    keys: &[KeySpec::at(1, "RO access")],
    element_at: 2,
    run: Run::Shard(hmget),
    since: "2.0.0",
    summary: "Returns the values of all fields in a hash.",
    complexity: "O(N) where N is the number of fields being requested.",
    syntax: "key field [field ...]",
    ..super::ROW_DEFAULT
};

fn hmget(context: &mut ShardContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let (key, fields) = (args.get(1), args.from(2));
    let hash = read_hash(context, key)?;
    reply.array(fields.len());
    let Some(hash) = hash else {
        fields.iter().for_each(|_| reply.null());
        return Ok(());
    };
    fields.iter().for_each(|field| hash.prefetch(field));
    let mut has_expired = false;
    for field in fields {
        match hash.get(field) {
            Some(value) => write_text(reply, value),
            None => {
                has_expired |= hash.has_expired(field);
                reply.null();
            }
        }
    }
    if has_expired {
        reclaim(context, key, fields);
    }
    Ok(())
}
