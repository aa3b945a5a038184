//! SUNSUBSCRIBE [shardchannel ...]: messages on these shard channels, or on any, come no longer.

use torc_resp::{Args, Reply};

use crate::command::{KeySpec, Row, Run};
use crate::error::CommandResult;
use crate::pubsub::TopicKind;
use crate::session::SessionContext;

pub(super) static ROW: Row = Row {
    name: "sunsubscribe",
    arity: -1,
    flags: super::SUBSCRIBES,
    keys: &[KeySpec::from(1, "not_key")],
    run: Run::Session(sunsubscribe),
    since: "7.0.0",
    group: "pubsub",
    summary: "Stops listening to messages posted to shard channels.",
    complexity: "O(N) where N is the number of shard channels to unsubscribe.",
    syntax: "[shardchannel [shardchannel ...]]",
    ..Row::DEFAULT
};

fn sunsubscribe(context: &mut SessionContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    super::unsubscribe(context, TopicKind::Shard, args, reply);
    Ok(())
}
