//! SORT_RO: SORT without STORE, which only reads.

use super::sorting::{self, FOLLOW, PATTERNS, RELAY};
use crate::command::{Flags, KeySpec, Route, Row, Run};

pub(super) static ROW: Row = Row {
    name: "sort_ro",
    arity: -2,
    flags: Flags::READONLY.and(Flags::LONG),
    keys: &[KeySpec::at(1, "RO access"), PATTERNS],
    route: Route::Relay(&RELAY),
    follow: Some(&FOLLOW),
    run: Run::Shard(sorting::run),
    categories: &["set", "sortedset", "list", "dangerous"],
    since: "7.0.0",
    summary: "Returns the sorted elements of a list, a set, or a sorted set.",
    complexity: sorting::COMPLEXITY,
    syntax: "key [BY by-pattern:pattern#1] [LIMIT offset count] [GET get-pattern:pattern#1 [GET pattern ...]] order:[ASC | DESC] [sorting:ALPHA]",
    ..super::ROW_DEFAULT
};
