//! Sorted sets: strings in the order of their scores.
//!
//! Beside the commands:
//!
//! ```text
//! arguments  scores, bounds and thresholds          range    which members a range command means, in ranks
//! adding     what ZADD does                         remove   what commands that take members out share
//! replies    members with scores, for both RESPs    request  what ZUNION and its relatives are asked for
//! collected  copied members: to be stored under another key, to be sent to another core
//! combine    union, intersection and difference
//! ```
//!
//! For families that keep their data in sorted sets (GEO):
//!
//! ```text
//! add with own scores   adding::{Conditions, add_all}
//! read                  torc_store::sorted_set::SortedSetRef: score(member), ranks_by_score(range), range(ranks, reversed)
//! store what was found  collected::Collected: push, then store(context, key, reply), which also removes a key for no members
//! on several cores      collected::{begin_sending, send, receive, store_members}, as ZRANGESTORE does
//! ```

use super::family;
use crate::command::{Route, Row};

pub(super) mod adding;
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
const ROW_DEFAULT: Row = Row { group: "sorted-set", route: Route::Owner, ..Row::DEFAULT };
