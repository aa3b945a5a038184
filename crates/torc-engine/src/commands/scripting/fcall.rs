//! FCALL function numkeys [key ...] [arg ...]: runs a function of a library.

use crate::command::{Row, Run};
use crate::script::{Named, ScriptCommand};

pub(super) static ROW: Row = Row {
    name: "fcall",
    keys: &[super::WRITTEN],
    run: Run::Script(ScriptCommand { named: Named::Function, is_read_only: false }),
    since: "7.0.0",
    summary: "Invokes a function.",
    complexity: super::COMPLEXITY_OF_FUNCTION,
    syntax: "function numkeys [key ...] [arg ...]",
    ..super::ROW_DEFAULT
};
