//! EVALSHA sha1 numkeys [key ...] [arg ...]: runs a script that is known.

use crate::command::{KeySpec, Row, Run};
use crate::script::{Named, ScriptCommand};

pub(super) static ROW: Row = Row {
    name: "evalsha",
    keys: &[KeySpec::counted(2, "RW access update")],
    run: Run::Script(ScriptCommand { named: Named::Sha, is_read_only: false }),
    since: "2.6.0",
    summary: "Executes a server-side Lua script by SHA1 digest.",
    syntax: "sha1 numkeys [key ...] [arg ...]",
    ..super::ROW_DEFAULT
};
