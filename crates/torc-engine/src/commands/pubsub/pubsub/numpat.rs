//! PUBSUB NUMPAT: how many patterns anybody has subscribed to, each counted once.

use torc_resp::{Args, Reply};

use crate::command::{Row, Run};
use crate::error::CommandResult;
use crate::session::SessionContext;

pub(super) static ROW: Row = Row {
    name: "numpat",
    arity: 2,
    flags: super::PLAIN,
    run: Run::Session(numpat),
    since: "2.8.0",
    group: "pubsub",
    summary: "Returns a count of unique pattern subscriptions.",
    complexity: "O(1)",
    ..Row::DEFAULT
};

/// Every core is home to every pattern.
fn numpat(context: &mut SessionContext<'_>, _args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    reply.integer(context.routes().patterns() as i64);
    Ok(())
}
