//! OBJECT FREQ key: how often the value is accessed, on a logarithmic scale, under an LFU policy.

use torc_resp::{Args, Reply};

use crate::command::{Row, Run};
use crate::error::{CommandError, CommandResult};
use crate::shard::ShardContext;

pub(super) static ROW: Row = Row {
    name: "freq",
    run: Run::Shard(freq),
    since: "4.0.0",
    summary: "Returns the logarithmic access frequency counter of a Redis object.",
    tips: &["nondeterministic_output"],
    ..super::ON_KEY
};

fn freq(context: &mut ShardContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let (now_ms, is_lfu) = (context.now_ms(), context.config().eviction.policy.is_lfu());
    let Some(value) = super::value(context, args, reply) else { return Ok(()) };
    if !is_lfu {
        return Err(CommandError::fixed(
            "ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note that when switching \
             between policies at runtime LRU and LFU data will take some time to adjust.",
        ));
    }
    reply.integer(i64::from(value.frequency(now_ms)));
    Ok(())
}
