//! Commands that run scripts and functions, and about these: docs/scripts.md.

mod killing;

use super::family;
use crate::command::{Flags, Row};

family!(eval, eval_ro, evalsha, evalsha_ro, fcall, fcall_ro, function, script);

/// What COMMAND DOCS says of how long functions take.
const COMPLEXITY_OF_FUNCTION: &str = "Depends on the function that is executed.";

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
