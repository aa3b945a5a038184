//! READWRITE: this connection reads from masters only, as it does anyway.

use crate::command::{Flags, Row, Run};

pub(super) static ROW: Row = Row {
    name: "readwrite",
    arity: 1,
    flags: Flags::LOADING.and(Flags::STALE).and(Flags::FAST),
    run: Run::Session(super::accept),
    categories: &["connection"],
    since: "3.0.0",
    group: "cluster",
    summary: "Enables read-write queries for a connection to a Redis Cluster replica node.",
    ..Row::DEFAULT
};
