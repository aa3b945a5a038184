//! SUBSCRIBE channel [channel ...]: messages on these channels come to the connection.

use torc_resp::{Args, Reply};

use crate::command::{ChannelSpec, Row, Run};
use crate::error::CommandResult;
use crate::pubsub::TopicKind;
use crate::session::SessionContext;

pub(super) static ROW: Row = Row {
    name: "subscribe",
    arity: -2,
    flags: super::SUBSCRIBES,
    run: Run::Session(subscribe),
    channels: Some(ChannelSpec { first: 1, is_list: true, are_patterns: false }),
    since: "2.0.0",
    group: "pubsub",
    summary: "Listens for messages published to channels.",
    complexity: "O(N) where N is the number of channels to subscribe to.",
    syntax: "channel [channel ...]",
    ..Row::DEFAULT
};

fn subscribe(context: &mut SessionContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    super::subscribe(context, TopicKind::Channel, args, reply);
    Ok(())
}
