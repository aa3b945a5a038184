//! EVALSHA_RO sha1 numkeys [key ...] [arg ...]: runs a script that is known and may not write.

use crate::command::{Flags, KeySpec, Row, Run};
use crate::script::{Named, ScriptCommand};

pub(super) static ROW: Row = Row {
    name: "evalsha_ro",
    flags: super::RUNS.and(Flags::READONLY),
    keys: &[KeySpec::counted(2, "RO access")],
    run: Run::Script(ScriptCommand { named: Named::Sha, is_read_only: true }),
    since: "7.0.0",
    summary: "Executes a read-only server-side Lua script by SHA1 digest.",
    syntax: "sha1 numkeys [key ...] [arg ...]",
    ..super::ROW_DEFAULT
};
