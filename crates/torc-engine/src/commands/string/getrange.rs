//! GETRANGE key start end: a slice of a string.

use super::range::get_range;
use crate::command::{Flags, KeySpec, Route, Row, Run};

pub(super) static ROW: Row = Row {
    name: "getrange",
    arity: 4,
    flags: Flags::READONLY,
    keys: &[KeySpec::at(1, "RO access")],
    route: Route::Owner,
    run: Run::Shard(get_range),
    since: "2.4.0",
    group: "string",
    summary: "Returns a substring of the string stored at a key.",
    complexity: "O(N) where N is the length of the returned string.",
    syntax: "key start end",
    ..Row::DEFAULT
};
