//! FUNCTION KILL: ends the function that has run for long and has written nothing.

use crate::command::Row;
use crate::commands::scripting::killing;

pub(super) static ROW: Row = Row {
    since: "7.0.0",
    summary: "Terminates a function during execution.",
    complexity: "O(1)",
    ..killing::FUNCTION_KILL
};
