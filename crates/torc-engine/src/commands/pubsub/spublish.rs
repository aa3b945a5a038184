//! SPUBLISH shardchannel message: how many subscribers of the shard channel get it.

use torc_resp::{Args, Reply};

use crate::command::{ChannelSpec, Flags, KeySpec, Route, Row, Run};
use crate::error::CommandResult;
use crate::pubsub::{Home, TopicKind};
use crate::shard::ShardContext;

pub(super) static ROW: Row = Row {
    name: "spublish",
    arity: 3,
    flags: super::PLAIN.and(Flags::FAST).and(Flags::LONG).and(Flags::MAY_REPLICATE),
    keys: &[KeySpec::at(1, "not_key")],
    route: Route::Pick(|args, slots| Some(Home::publisher(TopicKind::Shard, args.get(1), slots))),
    run: Run::Shard(spublish),
    channels: Some(ChannelSpec { first: 1, is_list: false, are_patterns: false }),
    since: "7.0.0",
    group: "pubsub",
    summary: "Post a message to a shard channel",
    complexity: "O(N) where N is the number of clients subscribed to the receiving shard channel.",
    syntax: "shardchannel message",
    ..Row::DEFAULT
};

fn spublish(context: &mut ShardContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    reply.integer(context.publish(TopicKind::Shard, args.get(1), args.get(2)) as i64);
    Ok(())
}
