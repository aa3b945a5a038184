//! SCRIPT HELP: the subcommands.

use crate::command::{Flags, Row};
use crate::commands::server::help;

pub(super) static ROW: Row = Row {
    flags: Flags::LOADING.and(Flags::STALE),
    categories: &["scripting"],
    since: "5.0.0",
    group: "scripting",
    ..help::ROW_DEFAULT
};
