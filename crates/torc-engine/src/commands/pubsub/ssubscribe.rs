//! SSUBSCRIBE shardchannel [shardchannel ...]: messages on these shard channels come to the connection.

use torc_resp::{Args, Reply};

use crate::command::{ChannelSpec, KeySpec, Row, Run};
use crate::error::CommandResult;
use crate::pubsub::TopicKind;
use crate::session::SessionContext;

pub(super) static ROW: Row = Row {
    name: "ssubscribe",
    arity: -2,
    flags: super::SUBSCRIBES,
    keys: &[KeySpec::from(1, "not_key")],
    run: Run::Session(ssubscribe),
    channels: Some(ChannelSpec { first: 1, is_list: true, are_patterns: false }),
    since: "7.0.0",
    group: "pubsub",
    summary: "Listens for messages published to shard channels.",
    complexity: "O(N) where N is the number of shard channels to subscribe to.",
    syntax: "shardchannel [shardchannel ...]",
    ..Row::DEFAULT
};

fn ssubscribe(context: &mut SessionContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    super::subscribe(context, TopicKind::Shard, args, reply);
    Ok(())
}
