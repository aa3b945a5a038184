//! PSUBSCRIBE pattern [pattern ...]: messages on all channels that match come to the connection.

use torc_resp::{Args, Reply};

use crate::command::{ChannelSpec, Row, Run};
use crate::error::CommandResult;
use crate::pubsub::TopicKind;
use crate::session::SessionContext;

pub(super) static ROW: Row = Row {
    name: "psubscribe",
    arity: -2,
    flags: super::SUBSCRIBES,
    run: Run::Session(psubscribe),
    channels: Some(ChannelSpec { first: 1, is_list: true, are_patterns: true }),
    since: "2.0.0",
    group: "pubsub",
    summary: "Listens for messages published to channels that match one or more patterns.",
    complexity: "O(N) where N is the number of patterns to subscribe to.",
    syntax: "pattern [pattern ...]",
    ..Row::DEFAULT
};

fn psubscribe(context: &mut SessionContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    super::subscribe(context, TopicKind::Pattern, args, reply);
    Ok(())
}
