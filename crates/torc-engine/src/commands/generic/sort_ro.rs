//! SORT_RO: SORT without STORE, which only reads.

use super::sorting::{self, FOLLOW, RELAY};
use crate::command::{Flags, Keys, Route, Row, Run};

/// The description of SORT_RO.
pub static ROW: Row = Row {
    name: "sort_ro",
    arity: -2,
    flags: Flags::READONLY.and(Flags::MOVABLE_KEYS),
    keys: Keys::ONE,
    key_flags: "RO access",
    route: Route::Relay(&RELAY),
    follow: Some(&FOLLOW),
    run: Run::Shard(sorting::run),
    categories: &["set", "sortedset", "list", "dangerous"],
    since: "7.0.0",
    summary: "Returns the sorted elements of a list, a set, or a sorted set.",
    complexity: sorting::COMPLEXITY,
    syntax: "key [BY by-pattern] [LIMIT offset count] [GET get-pattern [GET get-pattern ...]] [ASC | DESC] [ALPHA]",
    ..super::ROW_DEFAULT
};
