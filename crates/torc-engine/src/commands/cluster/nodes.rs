//! CLUSTER NODES: one line for each node, as Redis also keeps them in its cluster file.
//!
//! ```text
//!   <id> <host>:<port>@<bus port> <flags> <master> <ping sent> <pong received> <epoch> <link> <slots>
//! ```

use torc_resp::{Args, Reply};

use super::node::{self, Node};
use crate::command::{Row, Run};
use crate::error::CommandResult;
use crate::session::SessionContext;

pub(super) static ROW: Row = Row {
    name: "nodes",
    run: Run::Session(nodes),
    summary: "Returns the cluster configuration for a node.",
    complexity: "O(N) where N is the total number of Cluster nodes",
    tips: &["nondeterministic_output"],
    ..super::ROW_DEFAULT
};

/// How far above a node's port Redis puts its cluster bus.
const BUS_PORT_DISTANCE: u16 = 10_000;

fn nodes(context: &mut SessionContext<'_>, _args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let (own, now_ms) = (context.facts().core, context.facts().now_ms);
    let lines: String = node::nodes(context)?.iter().map(|node| line(node, node.core == own, now_ms)).collect();
    reply.verbatim("txt", lines.as_bytes());
    Ok(())
}

fn line(node: &Node, is_own: bool, now_ms: i64) -> String {
    let Node { id, host, port, slots, .. } = node;
    // Nothing listens there, but clients expect the number.
    let bus_port = port.checked_add(BUS_PORT_DISTANCE).unwrap_or(0);
    let flags = if is_own { "myself,master" } else { "master" };
    let pong_ms = if is_own { 0 } else { now_ms };
    let epoch = node::config_epoch(node.core);
    let range = |&(first, last): &(u16, u16)| {
        if first == last { format!(" {first}") } else { format!(" {first}-{last}") }
    };
    let slots: String = slots.iter().map(range).collect();
    format!("{id} {host}:{port}@{bus_port} {flags} - 0 {pong_ms} {epoch} connected{slots}\n")
}
