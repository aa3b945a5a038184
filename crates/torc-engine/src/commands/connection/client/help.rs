//! CLIENT HELP: the subcommands.

use crate::command::{Flags, Row, Run};
use crate::commands::server::help;

/// The description of CLIENT HELP.
pub static ROW: Row = Row {
    flags: Flags::LOADING.and(Flags::STALE),
    run: Run::Session(help::help),
    categories: &["connection"],
    since: "5.0.0",
    group: "connection",
    ..help::ROW_DEFAULT
};
