//! UNLINK key [key ...]: removes keys, and frees what they held in the background, as DEL does here too.

use super::del::del;
use crate::command::{Flags, KeySpec, Merge, Route, Row, Run};

/// The description of UNLINK.
pub static ROW: Row = Row {
    name: "unlink",
    arity: -2,
    flags: Flags::WRITE.and(Flags::FAST),
    keys: &[KeySpec::from(1, "RM delete")],
    route: Route::Split { stride: 1, merge: Merge::Sum },
    run: Run::Shard(del),
    since: "4.0.0",
    summary: "Asynchronously deletes one or more keys.",
    complexity: "O(1) for each key removed regardless of its size. Then the command does O(N) work in a different thread in order to reclaim memory, where N is the number of allocations the deleted objects where composed of.",
    syntax: "key [key ...]",
    ..super::ROW_DEFAULT
};
