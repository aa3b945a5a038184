//! Sets of strings.
//!
//! Beside the commands: `combine` is the algebra of SINTER, SUNION, SDIFF and their relatives, on values of this core and of others,
//! `members` what they collect, `limits` the thresholds of the encodings.

use super::family;
use crate::command::Row;

mod combine;
mod limits;
mod members;

family!(
    sadd,
    scard,
    sdiff,
    sdiffstore,
    sinter,
    sintercard,
    sinterstore,
    sismember,
    smembers,
    smismember,
    smove,
    spop,
    srandmember,
    srem,
    sscan,
    sunion,
    sunionstore,
);

/// What the rows of the family start from.
const ROW_DEFAULT: Row = Row { group: "set", ..Row::DEFAULT };
