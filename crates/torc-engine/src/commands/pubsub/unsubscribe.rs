//! UNSUBSCRIBE [channel ...]: messages on these channels, or on any, come no longer.

use torc_resp::{Args, Reply};

use crate::command::{Row, Run};
use crate::error::CommandResult;
use crate::pubsub::TopicKind;
use crate::session::SessionContext;

pub(super) static ROW: Row = Row {
    name: "unsubscribe",
    arity: -1,
    flags: super::SUBSCRIBES,
    run: Run::Session(unsubscribe),
    since: "2.0.0",
    group: "pubsub",
    summary: "Stops listening to messages posted to channels.",
    complexity: "O(N) where N is the number of channels to unsubscribe.",
    syntax: "[channel [channel ...]]",
    ..Row::DEFAULT
};

fn unsubscribe(context: &mut SessionContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    super::unsubscribe(context, TopicKind::Channel, args, reply);
    Ok(())
}
