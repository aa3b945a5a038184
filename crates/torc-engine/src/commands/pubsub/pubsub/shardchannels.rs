//! PUBSUB SHARDCHANNELS [pattern]: shard channels with subscribers.

use torc_resp::{Args, Reply};

use crate::command::{Flags, Merge, Route, Row, Run};
use crate::error::CommandResult;
use crate::pubsub::TopicKind;
use crate::session::CoreContext;

pub(super) static ROW: Row = Row {
    name: "shardchannels",
    arity: -2,
    flags: super::PLAIN.and(Flags::LONG),
    route: Route::Every(Merge::Concat),
    run: Run::Core(shardchannels),
    since: "7.0.0",
    group: "pubsub",
    summary: "Returns the active shard channels.",
    complexity: "O(N) where N is the number of active shard channels, and assuming constant time pattern matching (relatively short shard channels).",
    syntax: "[pattern]",
    ..Row::DEFAULT
};

fn shardchannels(context: &mut CoreContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    super::list(context, TopicKind::Shard, args, reply)
}
