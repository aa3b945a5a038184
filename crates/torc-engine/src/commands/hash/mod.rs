//! Hashes: maps of fields to strings.
//!
//! Beside the commands: `access` is how they reach a hash and what HSET and HMSET share, `field_expiry` what the commands on the expiry of
//! fields share.

use super::family;
use crate::command::{Route, Row};

mod access;
mod field_expiry;

family!(
    hdel,
    hexists,
    hexpire,
    hexpireat,
    hexpiretime,
    hget,
    hgetall,
    hgetdel,
    hgetex,
    hincrby,
    hincrbyfloat,
    hkeys,
    hlen,
    hmget,
    hmset,
    hpersist,
    hpexpire,
    hpexpireat,
    hpexpiretime,
    hpttl,
    hrandfield,
    hscan,
    hset,
    hsetex,
    hsetnx,
    hstrlen,
    httl,
    hvals,
);

/// What the rows of the family start from.
const ROW_DEFAULT: Row = Row { group: "hash", route: Route::Owner, ..Row::DEFAULT };
