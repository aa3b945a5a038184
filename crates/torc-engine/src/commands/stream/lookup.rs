//! Streams and groups by name, and the errors when they are not there.

use torc_store::{Kind, NodeLimits, Stream};

use crate::error::CommandError;
use crate::shard::ShardContext;
use crate::state::CoreState;

/// The stream at a key, to be read.
#[inline]
pub fn read<'a>(context: &'a mut ShardContext<'_>, key: &[u8]) -> Result<Option<&'a Stream>, CommandError> {
    let value = context.read_kind(key, Kind::Stream)?;
    Ok(value.map(|value| value.as_stream().expect("the kind says so")))
}

/// How large nodes may become.
pub fn node_limits(_state: &CoreState) -> NodeLimits {
    NodeLimits { entries_max: 100, bytes_max: 4096 }
}
