//! FCALL_RO function numkeys [key ...] [arg ...]: runs a function that may not write.

use crate::command::{Flags, KeySpec, Row, Run};
use crate::script::{Named, ScriptCommand};

pub(super) static ROW: Row = Row {
    name: "fcall_ro",
    flags: super::RUNS.and(Flags::READONLY),
    keys: &[KeySpec {
        notes: "We cannot tell how the keys will be used so we assume the worst, RO and ACCESS",
        ..KeySpec::counted(2, "RO access")
    }],
    run: Run::Script(ScriptCommand { named: Named::Function, is_read_only: true }),
    since: "7.0.0",
    summary: "Invokes a read-only function.",
    complexity: super::COMPLEXITY_OF_FUNCTION,
    syntax: "function numkeys [key ...] [arg ...]",
    ..super::ROW_DEFAULT
};
