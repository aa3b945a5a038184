//! SUBSTR key start end: the old name of GETRANGE.

use super::range::get_range;
use crate::command::{Deprecated, Flags, KeySpec, Route, Row, Run};

pub(super) static ROW: Row = Row {
    name: "substr",
    arity: 4,
    flags: Flags::READONLY,
    keys: &[KeySpec::at(1, "RO access")],
    route: Route::Owner,
    run: Run::Shard(get_range),
    since: "1.0.0",
    group: "string",
    summary: "Returns a substring from a string value.",
    complexity: "O(N) where N is the length of the returned string.",
    syntax: "key start end",
    deprecated: Some(Deprecated { since: "2.0.0", replaced_by: "`GETRANGE`" }),
    ..Row::DEFAULT
};
