//! HGET key field: the value of a field.

use torc_resp::{Args, Reply};

use super::access::{read_hash, reclaim, write_text};
use crate::command::{Flags, KeySpec, Row, Run};
use crate::error::CommandResult;
use crate::shard::ShardContext;

pub(super) static ROW: Row = Row {
    name: "hget",
    arity: 3,
    flags: Flags::READONLY.and(Flags::FAST),
    keys: &[KeySpec::at(1, "RO access")],
    element_at: 2,
    run: Run::Shard(hget),
    since: "2.0.0",
    summary: "Returns the value of a field in a hash.",
    syntax: "key field",
    ..super::ROW_DEFAULT
};

fn hget(context: &mut ShardContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let (key, field) = (args.get(1), args.get(2));
    let Some(hash) = read_hash(context, key)? else {
        reply.null();
        return Ok(());
    };
    match hash.get(field) {
        Some(value) => write_text(reply, value),
        None => {
            let has_expired = hash.has_expired(field);
            reply.null();
            if has_expired {
                reclaim(context, key, args.from(2));
            }
        }
    }
    Ok(())
}
