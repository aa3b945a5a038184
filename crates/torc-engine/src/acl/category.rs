//! Access-control categories: which commands each of them has.

use crate::command::{Flags, Row};

/// All categories, in the order in which Redis shows them.
pub const CATEGORY_NAMES: [&str; 21] = [
    "keyspace",
    "read",
    "write",
    "set",
    "sortedset",
    "list",
    "hash",
    "string",
    "bitmap",
    "hyperloglog",
    "geo",
    "stream",
    "pubsub",
    "admin",
    "fast",
    "slow",
    "blocking",
    "dangerous",
    "connection",
    "transaction",
    "scripting",
];

/// The category of this name, without `@` and in any case.
pub fn find(name: &[u8]) -> Option<&'static str> {
    CATEGORY_NAMES.into_iter().find(|known| known.as_bytes().eq_ignore_ascii_case(name))
}

/// Whether a command belongs to a category, named without `@` and in any case.
pub fn has_category(row: &Row, wanted: &[u8]) -> bool {
    categories(row).any(|name| name.as_bytes().eq_ignore_ascii_case(wanted))
}

/// Those that the row names, and those that follow from its flags and, for a data type, from its group.
pub fn categories(row: &Row) -> impl Iterator<Item = &'static str> + Clone + '_ {
    CATEGORY_NAMES.into_iter().filter(|&name| {
        let is_of_group = match row.group {
            "sorted-set" => name == "sortedset",
            // These groups are not the categories of the same name.
            "generic" | "server" | "connection" | "cluster" | "pubsub" => false,
            group => name == group,
        };
        // A container is in no category of its group: it does nothing itself.
        let is_of_group = is_of_group && row.subcommands.is_empty();
        row.categories.contains(&name)
            || is_of_group
            || match name {
                // What a container or a session command reads is no key, so READONLY alone decides.
                "read" => row.flags.has(Flags::READONLY) && row.group != "scripting",
                "write" => row.flags.has(Flags::WRITE),
                "blocking" => row.flags.has(Flags::BLOCKING),
                "pubsub" => row.flags.has(Flags::PUBSUB),
                "fast" => row.flags.has(Flags::FAST),
                "slow" => !row.flags.has(Flags::FAST),
                "admin" | "dangerous" => row.flags.has(Flags::ADMIN),
                _ => false,
            }
    })
}
