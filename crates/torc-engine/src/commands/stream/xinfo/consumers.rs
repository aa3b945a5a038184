//! XINFO CONSUMERS key group: the consumers of a group.

use torc_resp::{Args, Reply};

use super::super::lookup;
use crate::command::{KeySpec, Row, Run};
use crate::error::{CommandError, CommandResult};
use crate::shard::ShardContext;

pub(super) static ROW: Row = Row {
    name: "consumers",
    arity: 4,
    keys: &[KeySpec::at(2, "RO access")],
    run: Run::Shard(consumers),
    summary: "Returns a list of the consumers in a consumer group.",
    syntax: "key group",
    tips: &["nondeterministic_output"],
    history: &[
        ("7.2.0", "Added the `inactive` field, and changed the meaning of `idle`."),
    ],
    ..super::ROW_DEFAULT
};

fn consumers(context: &mut ShardContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let (key, name, now_ms) = (args.get(2), args.get(3), context.now_ms());
    let stream = lookup::read(context, key)?.ok_or(CommandError::NoSuchKey)?;
    let group = stream.groups().find(name).ok_or_else(|| lookup::no_group(key, name))?;
    let group = stream.groups().get(group);
    reply.array(group.consumers().len());
    for consumer in group.consumers() {
        reply.map(4);
        reply.bulk(b"name");
        reply.bulk(consumer.name());
        reply.bulk(b"pending");
        reply.integer(consumer.pending_len() as i64);
        reply.bulk(b"idle");
        reply.integer((now_ms.saturating_sub(consumer.seen_at)).max(0));
        reply.bulk(b"inactive");
        reply.integer(consumer.active_at.map_or(-1, |active_at| (now_ms.saturating_sub(active_at)).max(0)));
    }
    Ok(())
}
