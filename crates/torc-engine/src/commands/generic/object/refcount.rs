//! OBJECT REFCOUNT key: how many keys share the value. Nothing is shared here, but small integers are in Redis.

use torc_resp::{Args, Reply, number};
use torc_store::ValueRef;

use crate::command::{Row, Run};
use crate::error::CommandResult;
use crate::shard::ShardContext;

pub(super) static ROW: Row = Row {
    name: "refcount",
    run: Run::Shard(refcount),
    summary: "Returns the reference count of a value of a key.",
    tips: &["nondeterministic_output"],
    ..super::ON_KEY
};

/// What Redis answers for a value that it shares.
const SHARED: i64 = i32::MAX as i64;

/// Redis keeps the integers below this one once and for all keys.
const SHARED_INTEGERS: i64 = 10_000;

fn refcount(context: &mut ShardContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let shares_none = context.facts().memory.max_bytes != 0 && context.config().eviction.policy.is_by_use();
    if let Some(value) = super::value(context, args, reply) {
        reply.integer(if !shares_none && is_shared_in_redis(value) { SHARED } else { 1 });
    }
    Ok(())
}

fn is_shared_in_redis(value: ValueRef<'_>) -> bool {
    let integer = value.as_string().filter(|_| value.encoding() == "int").and_then(number::parse_i64);
    integer.is_some_and(|integer| (0..SHARED_INTEGERS).contains(&integer))
}
