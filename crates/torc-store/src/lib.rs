//! The keyspace of a shard: where keys and values live in memory.
//!
//! ```text
//! keyspace   the databases of a shard, and its background work        value   handles to a key
//! database   the table of one database, and when its keys expire
//! table      entries by name: growth, scan
//! directory  which segment a hash belongs to
//! segment    up to 1,260 keys sharing a hash prefix       group   14 of them, probed at once
//! entry      key, value and what goes with them, in one allocation
//! storage    making and changing entries  =  heap (small)  +  large (big values)
//! access     24 bits per key for eviction                 text    how strings are encoded
//! change     the one seam of all changes, and who hears of them
//! duty       what is still to be saved of the keys as they were at a cut
//! observed   keys somebody watches or waits for    group_counts  keys by hash slot, where that is asked for
//! pack       small collections in one run of bytes    object     big ones: list, hash, set, sorted_set, stream
//! field_expiry  which hashes have expiring fields
//! elements   the table of a big collection            workshop   what objects borrow of their keyspace
//! detached_value     big values on their way to another shard    memory   what the system gives and refuses
//! ```
//!
//! **Invariant**: no I/O, no clock, no thread, no global state but a note of the allocation that
//! failed last. The time is an argument, and randomness follows from the seed. `unsafe` stays inside
//! `memory` and the modules below `keyspace`.

mod access;
mod change;
mod database;
mod detached_value;
mod directory;
mod duty;
mod elements;
mod entry;
mod field_expiry;
mod group;
mod group_counts;
pub mod hash;
#[cfg_attr(torc_sanitize, allow(dead_code, reason = "only its own tests use it then"))]
mod heap;
#[cfg(torc_sanitize)]
mod heap_checked;
mod keyspace;
mod large;
mod list;
mod loans;
pub mod memory;
mod object;
mod observed;
pub mod pack;
mod segment;
pub mod set;
pub mod sorted_set;
mod storage;
mod stream;
mod table;
mod text;
mod value;
mod workshop;

#[cfg(test)]
mod tests;

#[cfg(not(torc_sanitize))]
use heap::Heap;
#[cfg(torc_sanitize)]
use heap_checked::Heap;

pub use access::AccessClock;
pub use change::{Change, RecordedChange, RecordedChanges, RecordedRef, Recording, StreamPart};
pub use detached_value::DetachedValue;
pub use duty::{KeySink, Piece};
pub use elements::{BigFrom, Element, Elements};
pub use group_counts::GroupOf;
pub use hash::{Hash, HashMut, HashRef};
pub use keyspace::{
    Background, Evicted, Eviction, EvictionOrder, KeyHash, Keyspace, KeyspaceOptions, KeyspaceStats, LOOK_AHEAD_MAX,
    MemoryUse, Prefetched,
};
pub use list::{
    End, List, ListLimits, ListMut, ListRef, Run, RunElements, Runs, build_list, create_list, create_list_object,
};
pub use object::{CollectionForm, Object};
pub use set::{Set, SetRef};
pub use sorted_set::SortedSet;
pub use stream::{
    Bound, Consumer, EntryRef, Group, Groups, IdText, Identifier, NodeLimits, NodeRef, Pairs, Pending, ProducerLimits,
    Producers, Range, RangeBack, References, STREAM_ENTRY_BYTES_MAX, Stream, StreamId, StreamOrder, StreamPiece, Trim,
};
pub use text::StringForm;
pub use value::{Content, Entry, Kind, Occupied, Vacant, ValueRef};
pub use workshop::{Lens, Workshop};

/// Milliseconds since the Unix epoch.
pub type UnixMillis = i64;
