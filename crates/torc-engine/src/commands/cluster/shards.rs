//! CLUSTER SHARDS: for each core its slots and, as the only node of the shard, itself.

use torc_resp::{Args, Reply};

use super::node::{self, Node};
use crate::command::{Flags, Row, Run};
use crate::error::CommandResult;
use crate::session::SessionContext;

pub(super) static ROW: Row = Row {
    name: "shards",
    flags: Flags::LOADING.and(Flags::STALE),
    run: Run::Session(shards),
    since: "7.0.0",
    summary: "Returns the mapping of cluster slots to shards.",
    complexity: "O(N) where N is the total number of cluster nodes",
    tips: &["nondeterministic_output"],
    ..super::ROW_DEFAULT
};

fn shards(context: &mut SessionContext<'_>, _args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let nodes = node::nodes(context)?;
    reply.array(nodes.len());
    nodes.iter().for_each(|node| write(node, reply));
    Ok(())
}

fn write(node: &Node, reply: &mut Reply<'_>) {
    reply.map(2);
    reply.bulk(b"slots");
    reply.array(2 * node.slots.len());
    for &(first, last) in &node.slots {
        reply.integer(i64::from(first));
        reply.integer(i64::from(last));
    }
    reply.bulk(b"nodes");
    reply.array(1);
    reply.map(7);
    reply.bulk(b"id");
    reply.bulk(node.id.as_bytes());
    reply.bulk(b"port");
    reply.integer(i64::from(node.port));
    reply.bulk(b"ip");
    reply.bulk(node.host.as_bytes());
    reply.bulk(b"endpoint");
    reply.bulk(node.host.as_bytes());
    reply.bulk(b"role");
    reply.bulk(b"master");
    reply.bulk(b"replication-offset");
    reply.integer(0);
    reply.bulk(b"health");
    reply.bulk(b"online");
}
