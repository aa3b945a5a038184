//! EVAL script numkeys [key ...] [arg ...]: runs a script.

use crate::command::{Row, Run};
use crate::script::{Named, ScriptCommand};

pub(super) static ROW: Row = Row {
    name: "eval",
    keys: &[super::WRITTEN],
    run: Run::Script(ScriptCommand { named: Named::Text, is_read_only: false }),
    since: "2.6.0",
    summary: "Executes a server-side Lua script.",
    syntax: "script numkeys [key ...] [arg ...]",
    ..super::ROW_DEFAULT
};
