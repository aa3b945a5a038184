//! ASKING: the next command follows a redirection to a slot on the move, of which there are none here.

use crate::command::{Flags, Row, Run};

pub(super) static ROW: Row = Row {
    name: "asking",
    arity: 1,
    flags: Flags::FAST,
    run: Run::Session(super::accept),
    categories: &["connection"],
    since: "3.0.0",
    group: "cluster",
    summary: "Signals that a cluster client is following an -ASK redirect.",
    ..Row::DEFAULT
};
