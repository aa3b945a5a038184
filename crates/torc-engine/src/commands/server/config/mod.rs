//! CONFIG: reads and changes the configuration of a running server.

mod get;
mod help;
mod resetstat;
mod rewrite;
mod set;

use crate::command::{Flags, Row};

pub(super) static ROW: Row = Row {
    name: "config",
    arity: -2,
    since: "2.0.0",
    group: "server",
    summary: "A container for server configuration commands.",
    complexity: "Depends on subcommand.",
    subcommands: &[&get::ROW, &help::ROW, &resetstat::ROW, &rewrite::ROW, &set::ROW],
    ..Row::DEFAULT
};

/// The flags of all subcommands but HELP.
const ADMIN: Flags = Flags::ADMIN.and(Flags::NOSCRIPT).and(Flags::LOADING).and(Flags::STALE);
