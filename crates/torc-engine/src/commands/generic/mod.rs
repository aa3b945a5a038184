//! Commands on keys of any type.

mod expiry;
mod flush;
pub(super) mod key_list;
mod remaining;

use super::family;
use crate::command::{Flags, Row};

family!(
    del,
    exists,
    expire,
    expireat,
    expiretime,
    flushall,
    flushdb,
    keys,
    object,
    persist,
    pexpire,
    pexpireat,
    pexpiretime,
    pttl,
    randomkey,
    scan,
    touch,
    ttl,
    r#type,
    unlink,
);

/// The flags of most commands that only ask about a key.
const ASK: Flags = Flags::READONLY.and(Flags::FAST);

/// What all rows of the family start from.
const ROW_DEFAULT: Row = Row { group: "generic", categories: &["keyspace"], ..Row::DEFAULT };
