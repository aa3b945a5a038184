//! The nodes of the cluster that the cores make: their ids, addresses and slots.

use crate::error::CommandError;
use crate::route::CoreId;
use crate::session::{Session, SessionContext};
use crate::state::{Facts, Identity};

/// Hex digits of a node's id that come from the process; the other four are the core.
const PROCESS_DIGITS: usize = 36;

/// The address of this machine for clients that came through a unix socket.
const LOOPBACK: &str = "127.0.0.1";

/// One core, as a cluster client sees it.
pub struct Node {
    /// The core.
    pub core: CoreId,
    /// 40 hex digits.
    pub id: String,
    /// The address at which the client that asks has reached this process.
    pub host: String,
    /// The core's own port.
    pub port: u16,
    /// Its slots in ascending ranges, first and last, both included.
    pub slots: Vec<(u16, u16)>,
}

/// Refuses every command about the cluster when the cores have no ports of their own.
pub fn check_enabled(facts: Facts<'_>) -> Result<(), CommandError> {
    if facts.identity.core_ports.is_empty() {
        return Err(CommandError::fixed("ERR This instance has cluster support disabled"));
    }
    Ok(())
}

/// All nodes, in the order of the cores, for the connection that asks; refused as by [`check_enabled`].
pub fn nodes(context: &SessionContext<'_>) -> Result<Vec<Node>, CommandError> {
    let facts = context.facts();
    check_enabled(facts)?;
    assert_eq!(facts.identity.core_ports.len(), usize::from(facts.cores), "each core has a port");
    let host = host(context.session);
    let node = |(core, &port): (CoreId, &u16)| Node {
        core,
        id: node_id(facts.identity, core),
        host: host.to_owned(),
        port,
        slots: facts.slots.ranges(core),
    };
    Ok((0..facts.cores).zip(&facts.identity.core_ports).map(node).collect())
}

/// Refuses an id that is no node's; and all, as [`check_enabled`] does.
pub fn check_known(context: &SessionContext<'_>, id: &[u8]) -> Result<(), CommandError> {
    let known = nodes(context)?.iter().any(|node| node.id.as_bytes() == id);
    known.then_some(()).ok_or_else(|| CommandError::made([&b"ERR Unknown node "[..], id].concat()))
}

/// The id of the node that a core is.
pub fn node_id(identity: &Identity, core: CoreId) -> String {
    format!("{}{core:04x}", process_digits(identity))
}

/// The id of the shard that a core is: unlike any node's.
pub fn shard_id(identity: &Identity, core: CoreId) -> String {
    // A run id is random, so the same digits in another order meet no other id but by chance.
    format!("{core:04x}{}", process_digits(identity))
}

/// The configuration epoch of a core's node: each its own, as in a cluster that was set up in this order.
pub fn config_epoch(core: CoreId) -> u32 {
    u32::from(core) + 1
}

/// The first digits of the run id; zeros where it is too short.
fn process_digits(identity: &Identity) -> String {
    let digits = identity.run_id.get(..PROCESS_DIGITS).unwrap_or(&identity.run_id);
    format!("{digits:0<PROCESS_DIGITS$}")
}

/// The local address of a connection without its port, and without the brackets of IPv6.
fn host(session: &Session) -> &str {
    if session.info.unix {
        return LOOPBACK;
    }
    let address = session.info.local_address.as_str();
    let host = address.rsplit_once(':').map_or(address, |(host, _port)| host);
    host.trim_start_matches('[').trim_end_matches(']')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_have_forty_digits_and_differ() {
        let identity = |run_id: &str| Identity { run_id: run_id.to_owned(), ..Identity::default() };
        let full = identity("0123456789abcdef0123456789abcdef01234567");
        assert_eq!(node_id(&full, 0x12), "0123456789abcdef0123456789abcdef01230012");
        assert_eq!(shard_id(&full, 0x12), "00120123456789abcdef0123456789abcdef0123");
        assert_eq!(node_id(&identity(""), 1).len(), 40);
        assert_eq!(node_id(&identity("abc"), 1), format!("abc{:0>37}", 1));
    }
}
