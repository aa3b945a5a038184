//! HMSET key field value [field value ...]: sets fields; the older HSET.

use torc_resp::{Args, Reply};

use super::access::set_fields;
use crate::command::{Deprecated, Flags, KeySpec, Propagation, Row, Run};
use crate::error::CommandResult;
use crate::shard::ShardContext;

pub(super) static ROW: Row = Row {
    name: "hmset",
    arity: -4,
    flags: Flags::WRITE.and(Flags::DENYOOM).and(Flags::FAST),
    propagation: Propagation::AsItCame,
    keys: &[KeySpec::at(1, "RW update")],
    element_at: 2,
    run: Run::Shard(hmset),
    since: "2.0.0",
    summary: "Sets the values of multiple fields.",
    complexity: "O(N) where N is the number of fields being set.",
    syntax: "key field value data:[field value ...]",
    deprecated: Some(Deprecated { since: "4.0.0", replaced_by: "`HSET` with multiple field-value pairs" }),
    ..super::ROW_DEFAULT
};

fn hmset(context: &mut ShardContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    set_fields(context, args)?;
    reply.ok();
    Ok(())
}
