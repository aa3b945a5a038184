//! MEMORY: how much memory things take.

mod doctor;
mod help;
mod malloc_stats;
mod purge;
mod stats;
mod usage;

use crate::command::Row;

pub(super) static ROW: Row = Row {
    name: "memory",
    arity: -2,
    since: "4.0.0",
    group: "server",
    summary: "A container for memory diagnostics commands.",
    complexity: "Depends on subcommand.",
    subcommands: &[&doctor::ROW, &help::ROW, &malloc_stats::ROW, &purge::ROW, &stats::ROW, &usage::ROW],
    ..Row::DEFAULT
};
