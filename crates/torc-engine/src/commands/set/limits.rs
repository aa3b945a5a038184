//! The thresholds at which a set takes another form.

use torc_store::set::Limits;

use crate::shard::ShardContext;

/// By the configuration.
pub fn limits(context: &ShardContext<'_>) -> Limits {
    let config = context.config();
    Limits {
        integers_max: config.set_max_intset_entries as usize,
        pack_len_max: config.set_max_listpack_entries as usize,
        pack_member_len_max: config.set_max_listpack_value as usize,
    }
}
