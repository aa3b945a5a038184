//! FCALL_RO function numkeys [key ...] [arg ...]: runs a function that may not write.

use crate::command::{Flags, Row, Run};
use crate::script::{Named, ScriptCommand};

pub(super) static ROW: Row = Row {
    name: "fcall_ro",
    flags: super::RUNS.and(Flags::READONLY),
    keys: &[super::READ],
    run: Run::Script(ScriptCommand { named: Named::Function, is_read_only: true }),
    since: "7.0.0",
    summary: "Invokes a read-only function.",
    complexity: super::COMPLEXITY_OF_FUNCTION,
    syntax: "function numkeys [key ...] [arg ...]",
    ..super::ROW_DEFAULT
};
