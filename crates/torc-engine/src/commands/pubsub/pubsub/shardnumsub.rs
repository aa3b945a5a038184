//! PUBSUB SHARDNUMSUB [shardchannel ...]: how many subscribers shard channels have.

use torc_resp::{Args, Reply};

use crate::command::{Merge, Route, Row, Run};
use crate::error::CommandResult;
use crate::pubsub::TopicKind;
use crate::session::CoreContext;

pub(super) static ROW: Row = Row {
    name: "shardnumsub",
    arity: -2,
    flags: super::PLAIN,
    route: Route::Every(Merge::Custom(super::merge_counts)),
    run: Run::Core(shardnumsub),
    since: "7.0.0",
    group: "pubsub",
    summary: "Returns the count of subscribers of shard channels.",
    complexity: "O(N) for the SHARDNUMSUB subcommand, where N is the number of requested shard channels",
    syntax: "[shardchannel [shardchannel ...]]",
    ..Row::DEFAULT
};

fn shardnumsub(context: &mut CoreContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    super::count(context, TopicKind::Shard, args, reply)
}
