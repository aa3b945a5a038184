//! OBJECT HELP: the subcommands.

use crate::command::{Flags, Row, Run};
use crate::commands::server::help;

pub(super) static ROW: Row = Row {
    flags: Flags::LOADING.and(Flags::STALE),
    run: Run::Session(help::help),
    categories: &["keyspace"],
    since: "6.2.0",
    group: "generic", ..help::ROW_DEFAULT
};
