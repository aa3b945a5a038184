//! Commands that run scripts and functions, and about these: docs/scripts.md.

mod killing;

use super::family;
use crate::command::{Flags, KeySpec, Row};

family!(eval, eval_ro, evalsha, evalsha_ro, fcall, fcall_ro, function, script);

/// What COMMAND DOCS says of how long functions take.
const COMPLEXITY_OF_FUNCTION: &str = "Depends on the function that is executed.";

/// The keys of what may write them.
const WRITTEN: KeySpec = KeySpec {
    notes: "We cannot tell how the keys will be used so we assume the worst, RW and UPDATE",
    ..KeySpec::counted(2, "RW access update")
};

/// The keys of what only reads them.
const READ: KeySpec = KeySpec {
    notes: "We cannot tell how the keys will be used so we assume the worst, RO and ACCESS",
    ..KeySpec::counted(2, "RO access")
};

/// The flags of all commands that run a script.
const RUNS: Flags = Flags::NOSCRIPT
    .and(Flags::STALE)
    .and(Flags::SKIP_MONITOR)
    .and(Flags::NO_MANDATORY_KEYS)
    .and(Flags::MAY_REPLICATE)
    .and(Flags::LONG);

/// What their rows start from.
const ROW_DEFAULT: Row = Row {
    arity: -3,
    flags: RUNS,
    route: crate::command::Route::Script,
    categories: &["scripting"],
    since: "2.6.0",
    group: "scripting",
    complexity: "Depends on the script that is executed.",
    ..Row::DEFAULT
};
