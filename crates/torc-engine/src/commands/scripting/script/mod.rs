//! SCRIPT: the scripts that are known.

mod debug;
mod exists;
mod flush;
mod help;
mod kill;
mod load;
mod show;

use crate::command::Row;

pub(super) static ROW: Row = Row {
    name: "script",
    arity: -2,
    summary: "A container for Lua scripts management commands.",
    complexity: "Depends on subcommand.",
    subcommands: &[&debug::ROW, &exists::ROW, &flush::ROW, &help::ROW, &kill::ROW, &load::ROW, &show::ROW],
    ..ROW_DEFAULT
};

/// What the subcommands start from.
const ROW_DEFAULT: Row = Row { since: "2.6.0", group: "scripting", ..Row::DEFAULT };
