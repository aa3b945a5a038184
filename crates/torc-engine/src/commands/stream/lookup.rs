//! Streams and groups by name, and the errors when they are not there.

use torc_store::{Entry, Kind, NodeLimits, Occupied, ProducerLimits, Stream};

use crate::config::Config;
use crate::error::CommandError;
use crate::shard::ShardContext;

/// The stream at a key, to be read.
#[inline]
pub fn read<'a>(context: &'a mut ShardContext<'_>, key: &[u8]) -> Result<Option<&'a Stream>, CommandError> {
    let value = context.read_kind(key, Kind::Stream)?;
    Ok(value.map(|value| value.as_stream().expect("the kind says so")))
}

/// The stream at a key, at which a command only glances: see [`ShardContext::glance`].
pub fn glance<'a>(context: &'a ShardContext<'_>, key: &[u8]) -> Result<Option<&'a Stream>, CommandError> {
    let value = context.glance_kind(key, Kind::Stream)?;
    Ok(value.map(|value| value.as_stream().expect("the kind says so")))
}

/// The stream at a key, to be changed.
pub fn occupied<'a>(context: &'a mut ShardContext<'_>, key: &'a [u8]) -> Result<Option<Occupied<'a>>, CommandError> {
    match context.entry_of_kind(key, Kind::Stream)? {
        Entry::Occupied(occupied) => Ok(Some(occupied)),
        Entry::Vacant(_) => Ok(None),
    }
}

/// The stream of an entry that was found to be one.
pub fn stream<'a>(occupied: &'a Occupied<'_>) -> &'a Stream {
    occupied.value().as_stream().expect("the kind was checked")
}

/// The stream at a key, to be changed, with the index of a group in it.
pub fn group<'a>(
    context: &'a mut ShardContext<'_>,
    key: &'a [u8],
    group: &[u8],
) -> Result<Option<(Occupied<'a>, usize)>, CommandError> {
    let found = occupied(context, key)?;
    Ok(found.and_then(|occupied| {
        let index = stream(&occupied).groups().find(group);
        index.map(|index| (occupied, index))
    }))
}

/// The error when key or group is not there, for commands that need both.
pub fn no_key_or_group(key: &[u8], group: &[u8]) -> CommandError {
    CommandError::quoting("NOGROUP No such key '{}' or consumer group '{}'", &[key, group])
}

/// The error when the key is there and the group is not.
pub fn no_group(key: &[u8], group: &[u8]) -> CommandError {
    CommandError::quoting("NOGROUP No such consumer group '{}' for key name '{}'", &[group, key])
}

/// The error for options that a subcommand does not have.
pub fn subcommand_syntax(context: &ShardContext<'_>, given: &[u8]) -> CommandError {
    let container = context.command.full_name.split('|').next().unwrap_or_default().to_uppercase();
    CommandError::quoting(
        "ERR unknown subcommand or wrong number of arguments for '{}'. Try {} HELP.",
        &[&given[..given.len().min(128)], container.as_bytes()],
    )
}

/// How large nodes may become.
#[inline]
pub fn node_limits(config: &Config) -> NodeLimits {
    NodeLimits { entries_max: config.stream_node_max_entries, bytes_max: config.stream_node_max_bytes }
}

/// What a new stream keeps of what producers add.
#[inline]
pub fn producer_limits(config: &Config) -> ProducerLimits {
    ProducerLimits { duration_seconds: config.stream_idmp_duration, records_max: config.stream_idmp_maxsize }
}
