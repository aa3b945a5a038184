//! FUNCTION: libraries of functions. None can be loaded yet, so there are none to list and none to remove; what
//! would need one is no subcommand.

mod flush;
mod help;
mod list;
mod stats;

use crate::command::Row;

pub(super) static ROW: Row = Row {
    name: "function",
    arity: -2,
    summary: "A container for function commands.",
    complexity: "Depends on subcommand.",
    subcommands: &[&flush::ROW, &help::ROW, &list::ROW, &stats::ROW],
    ..ROW_DEFAULT
};

/// What the subcommands start from.
const ROW_DEFAULT: Row = Row { since: "7.0.0", group: "scripting", ..Row::DEFAULT };
