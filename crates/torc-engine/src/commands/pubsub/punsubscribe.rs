//! PUNSUBSCRIBE [pattern ...]: messages on channels that match these patterns, or any, come no longer.

use torc_resp::{Args, Reply};

use crate::command::{Row, Run};
use crate::error::CommandResult;
use crate::pubsub::TopicKind;
use crate::session::SessionContext;

pub(super) static ROW: Row = Row {
    name: "punsubscribe",
    arity: -1,
    flags: super::SUBSCRIBES,
    run: Run::Session(punsubscribe),
    since: "2.0.0",
    group: "pubsub",
    summary: "Stops listening to messages published to channels that match one or more patterns.",
    complexity: "O(N) where N is the number of patterns to unsubscribe.",
    syntax: "[pattern [pattern ...]]",
    ..Row::DEFAULT
};

fn punsubscribe(context: &mut SessionContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    super::unsubscribe(context, TopicKind::Pattern, args, reply);
    Ok(())
}
