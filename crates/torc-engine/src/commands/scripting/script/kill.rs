//! SCRIPT KILL: ends the script that has run for long and has written nothing.

use crate::command::Row;
use crate::commands::scripting::killing;

pub(super) static ROW: Row = Row {
    since: "2.6.0",
    summary: "Terminates a server-side Lua script during execution.",
    ..killing::SCRIPT_KILL
};
