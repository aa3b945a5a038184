//! READONLY: this connection may read from a replica, of which there are none here.

use crate::command::{Flags, Row, Run};

pub(super) static ROW: Row = Row {
    name: "readonly",
    arity: 1,
    flags: Flags::LOADING.and(Flags::STALE).and(Flags::FAST),
    run: Run::Session(super::accept),
    categories: &["connection"],
    since: "3.0.0",
    group: "cluster",
    summary: "Enables read-only queries for a connection to a Redis Cluster replica node.",
    ..Row::DEFAULT
};
