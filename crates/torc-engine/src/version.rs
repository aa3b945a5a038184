//! Which version this is: Torc's own, and the Redis version whose behaviour it shows.
//!
//! Clients choose features by the Redis version, so that one is what HELLO and INFO name first. redis-py caches on its side only from 7.4 on,
//! of which all that clients see is there.

/// The Redis release whose replies, errors and encodings are the target.
pub const REDIS_VERSION: &str = "7.4.0";

/// The version of this program.
pub const TORC_VERSION: &str = env!("CARGO_PKG_VERSION");
