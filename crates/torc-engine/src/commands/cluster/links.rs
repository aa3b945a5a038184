//! CLUSTER LINKS: the connections between the nodes. Cores share memory instead, so there are none.

use torc_resp::{Args, Reply};

use super::node;
use crate::command::{Row, Run};
use crate::error::CommandResult;
use crate::session::SessionContext;

pub(super) static ROW: Row = Row {
    name: "links",
    run: Run::Session(links),
    since: "7.0.0",
    summary: "Returns a list of all TCP links to and from peer nodes.",
    complexity: "O(N) where N is the total number of Cluster nodes",
    tips: &["nondeterministic_output"],
    ..super::ROW_DEFAULT
};

fn links(context: &mut SessionContext<'_>, _args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    node::check_enabled(context.facts())?;
    reply.array(0);
    Ok(())
}
