//! EVAL_RO script numkeys [key ...] [arg ...]: runs a script that may not write.

use crate::command::{Flags, Row, Run};
use crate::script::{Named, ScriptCommand};

pub(super) static ROW: Row = Row {
    name: "eval_ro",
    flags: super::RUNS.and(Flags::READONLY),
    keys: &[super::READ],
    run: Run::Script(ScriptCommand { named: Named::Text, is_read_only: true }),
    since: "7.0.0",
    summary: "Executes a read-only server-side Lua script.",
    syntax: "script numkeys [key ...] [arg ...]",
    ..super::ROW_DEFAULT
};
