//! The keyspace of a shard: where keys and values live in memory.
//!
//! ```text
//! keyspace   the databases of a shard, and its background work        value   handles to a key
//! database   the table of one database: growth, scan, expiry
//! directory  which segment a hash belongs to
//! segment    up to 1,260 keys sharing a hash prefix       group   14 of them, probed at once
//! entry      key, value and what goes with them, in one allocation
//! storage    making and changing entries  =  heap (small)  +  large (big values)
//! access     24 bits per key for eviction                 text    how strings are encoded
//! observed   keys somebody watches or waits for
//! ```
//!
//! **Invariant**: no I/O, no clock, no thread, no global state. The time is an argument, and
//! randomness follows from the seed. `unsafe` stays inside the modules below `keyspace`.

mod access;
mod database;
mod directory;
mod entry;
mod group;
mod heap;
mod keyspace;
mod large;
mod observed;
mod segment;
mod storage;
mod text;
mod value;

#[cfg(test)]
mod tests;

pub use access::AccessClock;
pub use keyspace::{Background, Keyspace, KeyspaceOptions, KeyspaceStats, MemoryUse, Prefetched};
pub use text::StringForm;
pub use value::{Entry, Kind, Occupied, Vacant, ValueRef};

/// Milliseconds since the Unix epoch.
pub type UnixMillis = i64;
