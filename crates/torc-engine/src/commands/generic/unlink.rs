//! UNLINK key [key ...]: removes keys, and frees what they held in the background, as DEL does here too.

use super::del::del;
use crate::command::{Flags, KeySpec, Merge, Propagation, Route, Row, Run};

pub(super) static ROW: Row = Row {
    name: "unlink",
    arity: -2,
    flags: Flags::WRITE.and(Flags::FAST),
    propagation: Propagation::AsItCame,
    keys: &[KeySpec::from(1, "RM delete")],
    route: Route::Split { stride: 1, merge: Merge::Sum },
    run: Run::Shard(del),
    since: "4.0.0",
    summary: "Asynchronously deletes one or more keys.",
    complexity: "O(1) for each key removed regardless of its size. Big values are freed in the background.",
    syntax: "key [key ...]",
    tips: &["request_policy:multi_shard", "response_policy:agg_sum"],
    ..super::ROW_DEFAULT
};
