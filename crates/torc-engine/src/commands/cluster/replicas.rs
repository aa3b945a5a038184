//! CLUSTER REPLICAS node-id, and its old name SLAVES: a core has no replicas.

use torc_resp::{Args, Reply};

use super::node;
use crate::command::{Deprecated, Row, Run};
use crate::error::CommandResult;
use crate::session::SessionContext;

pub(super) static ROW: Row = Row {
    name: "replicas",
    arity: 3,
    flags: super::ADMIN,
    run: Run::Session(replicas),
    since: "5.0.0",
    summary: "Lists the replica nodes of a master node.",
    complexity: "O(1)",
    syntax: "node-id",
    tips: &["nondeterministic_output"],
    ..super::ROW_DEFAULT
};

/// The same under its old name.
pub(super) static SLAVES: Row = Row {
    name: "slaves",
    since: "3.0.0",
    deprecated: Some(Deprecated { since: "5.0.0", replaced_by: "`CLUSTER REPLICAS`" }),
    ..ROW
};

fn replicas(context: &mut SessionContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    node::check_known(context, args.get(2))?;
    reply.array(0);
    Ok(())
}
