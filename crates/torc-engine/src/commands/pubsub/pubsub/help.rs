//! PUBSUB HELP: the subcommands.

use crate::command::{Flags, Row};
use crate::commands::server::help;

pub(super) static ROW: Row = Row {
    flags: Flags::LOADING.and(Flags::STALE),
    since: "6.2.0",
    group: "pubsub",
    ..help::ROW_DEFAULT
};
