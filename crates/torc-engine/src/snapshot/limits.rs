//! The limits of packed forms that lead to a wanted layout: those of the configuration where it is the size that decides.

use torc_rdb::Thresholds;
use torc_store::hash::Limits as HashLimits;
use torc_store::set::Limits as SetLimits;
use torc_store::sorted_set::PackLimits;
use torc_store::{ListLimits, NodeLimits};

use super::Layout;
use crate::config::Config;

/// A limit that is never reached.
const UNLIMITED: usize = usize::MAX;

/// Limits that have the encoder write a value of this layout as such.
pub fn thresholds(config: &Config, layout: Layout) -> Thresholds {
    let by_size = configured(config);
    let (packed, integers) = match layout {
        Layout::BySize => return by_size,
        Layout::ByTextSize => return Thresholds { set_max_intset_entries: 0, ..by_size },
        Layout::Integers => (0, UNLIMITED),
        Layout::Packed => (UNLIMITED, 0),
        Layout::Object => (0, 0),
    };
    Thresholds {
        hash_max_listpack_entries: packed,
        hash_max_listpack_value: packed,
        set_max_intset_entries: integers,
        set_max_listpack_entries: packed,
        set_max_listpack_value: packed,
        zset_max_listpack_entries: packed,
        zset_max_listpack_value: packed,
        ..by_size
    }
}

/// Limits that have the store make a set of this layout.
pub fn set(config: &Config, layout: Layout) -> SetLimits {
    let limits = thresholds(config, layout);
    SetLimits {
        integers_max: limits.set_max_intset_entries,
        pack_len_max: limits.set_max_listpack_entries,
        pack_member_len_max: limits.set_max_listpack_value,
    }
}

/// Limits that have the store make a sorted set of this layout.
pub fn sorted_set(config: &Config, layout: Layout) -> PackLimits {
    let limits = thresholds(config, layout);
    PackLimits { entries: limits.zset_max_listpack_entries, value_bytes: limits.zset_max_listpack_value }
}

/// Limits that have the store make a hash of this layout.
pub fn hash(config: &Config, layout: Layout) -> HashLimits {
    let limits = thresholds(config, layout);
    HashLimits { pack_len_max: limits.hash_max_listpack_entries, pack_text_len_max: limits.hash_max_listpack_value }
}

/// Limits of the nodes of a list; with one node, it is packed.
pub fn list(config: &Config) -> ListLimits {
    ListLimits::of(i64::from(config.list_max_listpack_size))
}

/// Limits of the nodes of a stream.
pub fn stream(config: &Config) -> NodeLimits {
    NodeLimits { entries_max: config.stream_node_max_entries, bytes_max: config.stream_node_max_bytes }
}

fn configured(config: &Config) -> Thresholds {
    let limit = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
    Thresholds {
        list_max_listpack_size: i64::from(config.list_max_listpack_size),
        hash_max_listpack_entries: limit(config.hash_max_listpack_entries),
        hash_max_listpack_value: limit(config.hash_max_listpack_value),
        set_max_intset_entries: limit(config.set_max_intset_entries),
        set_max_listpack_entries: limit(config.set_max_listpack_entries),
        set_max_listpack_value: limit(config.set_max_listpack_value),
        zset_max_listpack_entries: limit(config.zset_max_listpack_entries),
        zset_max_listpack_value: limit(config.zset_max_listpack_value),
        stream_node_max_bytes: limit(config.stream_node_max_bytes),
        stream_node_max_entries: limit(config.stream_node_max_entries),
    }
}
