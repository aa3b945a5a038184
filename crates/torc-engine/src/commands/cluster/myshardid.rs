//! CLUSTER MYSHARDID: the id of the shard (a master with its replicas) of the connection's core.

use torc_resp::{Args, Reply};

use super::node;
use crate::command::{Row, Run};
use crate::error::CommandResult;
use crate::session::SessionContext;

pub(super) static ROW: Row = Row {
    name: "myshardid",
    run: Run::Session(myshardid),
    since: "7.2.0",
    summary: "Returns the shard ID of a node.",
    tips: &["nondeterministic_output"],
    ..super::ROW_DEFAULT
};

fn myshardid(context: &mut SessionContext<'_>, _args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    node::check_enabled(context.facts())?;
    reply.bulk(node::shard_id(context.facts().identity, context.facts().core).as_bytes());
    Ok(())
}
