//! Which version this is: Torc's own, and the Redis version whose behaviour it shows.
//!
//! Clients choose features by the Redis version, so that one is what HELLO and INFO name first. redis-py caches on its side only
//! from 7.4 on.

/// The Redis release that clients are told of. Replies, errors and encodings are those of 7.2; what 7.4 added to the types and to CLIENT is there.
pub const REDIS_VERSION: &str = "7.4.0";

/// The same as scripts see it, a byte for each part.
pub const REDIS_VERSION_NUM: u32 = 0x0007_0400;

/// The version of this program.
pub const TORC_VERSION: &str = env!("CARGO_PKG_VERSION");
