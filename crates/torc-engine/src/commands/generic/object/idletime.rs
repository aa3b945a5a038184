//! OBJECT IDLETIME key: seconds since the value was last accessed, unless an LFU policy counts accesses instead.

use torc_resp::{Args, Reply};

use crate::command::{Row, Run};
use crate::error::{CommandError, CommandResult};
use crate::shard::ShardContext;

pub(super) static ROW: Row = Row {
    name: "idletime",
    run: Run::Shard(idletime),
    summary: "Returns the time since the last access to a Redis object.",
    tips: &["nondeterministic_output"],
    ..super::ON_KEY
};

fn idletime(context: &mut ShardContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let (now_ms, is_lfu) = (context.now_ms(), context.config().eviction.policy.is_lfu());
    let Some(value) = super::value(context, args, reply) else { return Ok(()) };
    if is_lfu {
        return Err(CommandError::fixed(
            "ERR An LFU maxmemory policy is selected, idle time not tracked. Please note that when switching between \
             policies at runtime LRU and LFU data will take some time to adjust.",
        ));
    }
    reply.integer(value.idle_seconds(now_ms) as i64);
    Ok(())
}
