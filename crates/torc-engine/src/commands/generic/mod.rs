//! Commands on keys of any type.

mod database;
mod expiry;
mod flush;
mod image;
pub(super) mod key_list;
mod remaining;
mod sort_options;
mod sorting;

use super::family;
use crate::command::{Flags, Row};

family!(
    copy,
    del,
    dump,
    exists,
    expire,
    expireat,
    expiretime,
    flushall,
    flushdb,
    keys,
    r#move,
    object,
    persist,
    pexpire,
    pexpireat,
    pexpiretime,
    pttl,
    randomkey,
    rename,
    renamenx,
    restore,
    scan,
    sort,
    sort_ro,
    swapdb,
    touch,
    ttl,
    r#type,
    unlink,
);

/// The flags of most commands that only ask about a key.
const ASK: Flags = Flags::READONLY.and(Flags::FAST);

/// What all rows of the family start from.
const ROW_DEFAULT: Row = Row { group: "generic", categories: &["keyspace"], ..Row::DEFAULT };
