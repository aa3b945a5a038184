//! FCALL function numkeys [key ...] [arg ...]: runs a function of a library.

use crate::command::{KeySpec, Row, Run};
use crate::script::{Named, ScriptCommand};

pub(super) static ROW: Row = Row {
    name: "fcall",
    keys: &[KeySpec {
        notes: "We cannot tell how the keys will be used so we assume the worst, RW and UPDATE",
        ..KeySpec::counted(2, "RW access update")
    }],
    run: Run::Script(ScriptCommand { named: Named::Function, is_read_only: false }),
    since: "7.0.0",
    summary: "Invokes a function.",
    complexity: super::COMPLEXITY_OF_FUNCTION,
    syntax: "function numkeys [key ...] [arg ...]",
    ..super::ROW_DEFAULT
};
