//! PUBSUB NUMSUB [channel ...]: how many subscribers channels have, patterns apart.

use torc_resp::{Args, Reply};

use crate::command::{Merge, Route, Row, Run};
use crate::error::CommandResult;
use crate::pubsub::TopicKind;
use crate::session::CoreContext;

pub(super) static ROW: Row = Row {
    name: "numsub",
    arity: -2,
    flags: super::PLAIN,
    route: Route::Every(Merge::Custom(super::merge_counts)),
    run: Run::Core(numsub),
    since: "2.8.0",
    group: "pubsub",
    summary: "Returns a count of subscribers to channels.",
    complexity: "O(N) for the NUMSUB subcommand, where N is the number of requested channels",
    syntax: "[channel [channel ...]]",
    ..Row::DEFAULT
};

fn numsub(context: &mut CoreContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    super::count(context, TopicKind::Channel, args, reply)
}
