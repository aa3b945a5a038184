//! CLUSTER MYID: the id of the node that the connection's core is.

use torc_resp::{Args, Reply};

use super::node;
use crate::command::{Row, Run};
use crate::error::CommandResult;
use crate::session::SessionContext;

pub(super) static ROW: Row =
    Row { name: "myid", run: Run::Session(myid), summary: "Returns the ID of a node.", ..super::ROW_DEFAULT };

fn myid(context: &mut SessionContext<'_>, _args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    node::check_enabled(context.facts())?;
    reply.bulk(node::node_id(context.facts().identity, context.facts().core).as_bytes());
    Ok(())
}
