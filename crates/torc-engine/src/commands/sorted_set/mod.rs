//! Sorted sets: strings in the order of their scores.
//!
//! Beside the commands:
//!
//! ```text
//! arguments  scores, bounds and thresholds          range    which members a range command means, in ranks
//! replies    members with scores, for both RESPs    remove   what commands that take members out share
//! collected  members that were read, copied; stored under another key, sent to another core
//! combine    union, intersection and difference     request  what ZUNION and its relatives are asked for
//! ```
//!
//! For other families that keep their data in sorted sets (GEO): [`arguments::limits`], [`collected`], and the store's
//! `sorted_set` module.

use super::family;
use crate::command::{Keys, Route, Row};

pub(super) mod arguments;
pub(super) mod collected;
mod combine;
mod range;
mod remove;
mod replies;
mod request;

family!(
    bzmpop,
    bzpopmax,
    bzpopmin,
    zadd,
    zcard,
    zcount,
    zdiff,
    zdiffstore,
    zincrby,
    zinter,
    zintercard,
    zinterstore,
    zlexcount,
    zmpop,
    zmscore,
    zpopmax,
    zpopmin,
    zrandmember,
    zrange,
    zrangebylex,
    zrangebyscore,
    zrangestore,
    zrank,
    zrem,
    zremrangebylex,
    zremrangebyrank,
    zremrangebyscore,
    zrevrange,
    zrevrangebylex,
    zrevrangebyscore,
    zrevrank,
    zscan,
    zscore,
    zunion,
    zunionstore,
);

/// What the rows of the family start from.
const ROW_DEFAULT: Row = Row { group: "sorted-set", keys: Keys::ONE, route: Route::Owner, ..Row::DEFAULT };
