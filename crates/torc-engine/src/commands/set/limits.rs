//! The thresholds at which a set takes another form.

use torc_store::set::Limits;

use crate::shard::ShardContext;

/// By the configuration.
pub fn limits(_context: &ShardContext<'_>) -> Limits {
    Limits { integers_max: 512, pack_len_max: 128, pack_member_len_max: 64 }
}
