//! PUBLISH channel message: how many subscribers get it, each pattern that matches counted.

use torc_resp::{Args, Reply};

use crate::command::{ChannelSpec, Flags, Route, Row, Run};
use crate::error::CommandResult;
use crate::pubsub::{Home, TopicKind};
use crate::shard::ShardContext;

pub(super) static ROW: Row = Row {
    name: "publish",
    arity: 3,
    flags: super::PLAIN.and(Flags::FAST).and(Flags::LONG).and(Flags::MAY_REPLICATE),
    route: Route::Pick(|args, slots| Some(Home::publisher(TopicKind::Channel, args.get(1), slots))),
    run: Run::Shard(publish),
    channels: Some(ChannelSpec { first: 1, is_list: false, are_patterns: false }),
    since: "2.0.0",
    group: "pubsub",
    summary: "Posts a message to a channel.",
    complexity: "O(N+M) where N is the number of clients subscribed to the receiving channel and M is the total number of subscribed patterns (by any client).",
    syntax: "channel message",
    ..Row::DEFAULT
};

fn publish(context: &mut ShardContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    reply.integer(context.publish(TopicKind::Channel, args.get(1), args.get(2)) as i64);
    Ok(())
}
