//! PUBSUB CHANNELS [pattern]: channels with subscribers, patterns apart.

use torc_resp::{Args, Reply};

use crate::command::{Flags, Merge, Route, Row, Run};
use crate::error::CommandResult;
use crate::pubsub::TopicKind;
use crate::session::CoreContext;

pub(super) static ROW: Row = Row {
    name: "channels",
    arity: -2,
    flags: super::PLAIN.and(Flags::LONG),
    route: Route::Every(Merge::Concat),
    run: Run::Core(channels),
    since: "2.8.0",
    group: "pubsub",
    summary: "Returns the active channels.",
    complexity: "O(N) where N is the number of active channels, and assuming constant time pattern matching (relatively short channels and patterns)",
    syntax: "[pattern]",
    ..Row::DEFAULT
};

fn channels(context: &mut CoreContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    super::list(context, TopicKind::Channel, args, reply)
}
