//! SORT key [BY pattern] [LIMIT offset count] [GET pattern ...] [ASC|DESC] [ALPHA] [STORE destination]: the elements of a list, set or
//! sorted set in order, or what keys made of them hold.

use super::sorting::{self, FOLLOW, PATTERNS, RELAY, STORE};
use crate::command::{Flags, KeySpec, Propagation, Route, Row, Run};

pub(super) static ROW: Row = Row {
    name: "sort",
    arity: -2,
    flags: Flags::WRITE.and(Flags::DENYOOM).and(Flags::LONG),
    propagation: Propagation::AsItCame,
    keys: &[KeySpec::at(1, "RO access"), PATTERNS, STORE],
    route: Route::Relay(&RELAY),
    follow: Some(&FOLLOW),
    run: Run::Shard(sorting::run),
    categories: &["set", "sortedset", "list", "dangerous"],
    summary: "Sorts the elements in a list, a set, or a sorted set, optionally storing the result.",
    complexity: sorting::COMPLEXITY,
    syntax: "key [BY by-pattern:pattern#1] [LIMIT offset count] [GET get-pattern:pattern#1 [GET pattern ...]] order:[ASC | DESC] [sorting:ALPHA] [STORE destination#2]",
    ..super::ROW_DEFAULT
};
