//! MEMORY: how much memory things take.

mod help;
mod usage;

use crate::command::Row;

pub(super) static ROW: Row = Row {
    name: "memory",
    arity: -2,
    since: "4.0.0",
    group: "server",
    summary: "A container for memory diagnostics commands.",
    complexity: "Depends on subcommand.",
    subcommands: &[&help::ROW, &usage::ROW],
    ..Row::DEFAULT
};
