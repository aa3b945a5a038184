//! SORT key [BY pattern] [LIMIT offset count] [GET pattern ...] [ASC|DESC] [ALPHA] [STORE destination]: the elements of a list, set or
//! sorted set in order, or what keys made of them hold.

use super::sorting::{self, FOLLOW, RELAY, runs_with_store};
use crate::command::{Flags, Keys, Route, Row, Run};

/// The description of SORT.
pub static ROW: Row = Row {
    name: "sort",
    arity: -2,
    flags: Flags::WRITE.and(Flags::DENYOOM).and(Flags::MOVABLE_KEYS),
    keys: Keys::ONE,
    key_runs: Some(runs_with_store),
    key_flags: "RO access",
    route: Route::Relay(&RELAY),
    follow: Some(&FOLLOW),
    run: Run::Shard(sorting::run),
    categories: &["set", "sortedset", "list", "dangerous"],
    summary: "Sorts the elements in a list, a set, or a sorted set, optionally storing the result.",
    complexity: sorting::COMPLEXITY,
    syntax: "key [BY by-pattern] [LIMIT offset count] [GET get-pattern [GET get-pattern ...]] [ASC | DESC] [ALPHA] \
             [STORE destination]",
    ..super::ROW_DEFAULT
};
