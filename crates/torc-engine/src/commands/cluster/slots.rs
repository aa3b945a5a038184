//! CLUSTER SLOTS: for each range of slots the core that owns it. What most cluster clients ask first.

use torc_resp::{Args, Reply};

use super::node::{self, Node};
use crate::command::{Deprecated, Flags, Row, Run};
use crate::error::CommandResult;
use crate::session::SessionContext;

pub(super) static ROW: Row = Row {
    name: "slots",
    flags: Flags::LOADING.and(Flags::STALE),
    run: Run::Session(slots),
    summary: "Returns the mapping of cluster slots to nodes.",
    complexity: "O(N) where N is the total number of Cluster nodes",
    tips: &["nondeterministic_output"],
    history: &[("4.0.0", "Added node IDs."), ("7.0.0", "Added additional networking metadata field.")],
    deprecated: Some(Deprecated { since: "7.0.0", replaced_by: "`CLUSTER SHARDS`" }),
    ..super::ROW_DEFAULT
};

fn slots(context: &mut SessionContext<'_>, _args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let nodes = node::nodes(context)?;
    let mut ranges: Vec<((u16, u16), &Node)> =
        nodes.iter().flat_map(|node| node.slots.iter().map(move |&range| (range, node))).collect();
    ranges.sort_unstable_by_key(|&(range, _)| range);
    reply.array(ranges.len());
    ranges.into_iter().for_each(|(range, node)| write(range, node, reply));
    Ok(())
}

fn write((first, last): (u16, u16), node: &Node, reply: &mut Reply<'_>) {
    reply.array(3);
    reply.integer(i64::from(first));
    reply.integer(i64::from(last));
    reply.array(4);
    reply.bulk(node.host.as_bytes());
    reply.integer(i64::from(node.port));
    reply.bulk(node.id.as_bytes());
    // Host names and the like, of which there are none.
    reply.map(0);
}
