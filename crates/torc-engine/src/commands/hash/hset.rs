//! HSET key field value [field value ...]: sets fields, and answers how many of them are new.

use torc_resp::{Args, Reply};

use super::access::set_fields;
use crate::command::{Flags, KeySpec, Propagation, Row, Run};
use crate::error::CommandResult;
use crate::shard::ShardContext;

pub(super) static ROW: Row = Row {
    name: "hset",
    arity: -4,
    flags: Flags::WRITE.and(Flags::DENYOOM).and(Flags::FAST),
    propagation: Propagation::AsItCame,
    keys: &[KeySpec::at(1, "RW update")],
    element_at: 2,
    run: Run::Shard(hset),
    since: "2.0.0",
    summary: "Creates or modifies the value of a field in a hash.",
    complexity: "O(1) for each field/value pair added, so O(N) to add N field/value pairs when the command is called with multiple field/value pairs.",
    syntax: "key field value data:[field value ...]",
    history: &[
        ("4.0.0", "Accepts multiple `field` and `value` arguments."),
    ],
    ..super::ROW_DEFAULT
};

fn hset(context: &mut ShardContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let created = set_fields(context, args)?;
    reply.integer(created as i64);
    Ok(())
}
