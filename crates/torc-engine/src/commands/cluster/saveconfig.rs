//! CLUSTER SAVECONFIG: the cores' slots follow from their number, so there is nothing to be saved.

use crate::command::{Row, Run};

pub(super) static ROW: Row = Row {
    name: "saveconfig",
    flags: super::ADMIN,
    run: Run::Session(super::accept),
    summary: "Forces a node to save the cluster configuration to disk.",
    ..super::ROW_DEFAULT
};
