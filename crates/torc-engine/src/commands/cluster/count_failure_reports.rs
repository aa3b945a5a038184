//! CLUSTER COUNT-FAILURE-REPORTS node-id: no core reports another one as failed.

use torc_resp::{Args, Reply};

use super::node;
use crate::command::{Row, Run};
use crate::error::CommandResult;
use crate::session::SessionContext;

pub(super) static ROW: Row = Row {
    name: "count-failure-reports",
    arity: 3,
    flags: super::ADMIN,
    run: Run::Session(count_failure_reports),
    summary: "Returns the number of active failure reports active for a node.",
    complexity: "O(N) where N is the number of failure reports",
    syntax: "node-id",
    tips: &["nondeterministic_output"],
    ..super::ROW_DEFAULT
};

fn count_failure_reports(context: &mut SessionContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    node::check_known(context, args.get(2))?;
    reply.integer(0);
    Ok(())
}
