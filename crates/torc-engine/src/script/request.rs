//! EVAL and its like as requests: which script, and which keys are declared to it.

use std::ops::Range;

use torc_resp::{Args, number};

use super::known::{Known, Script};
use crate::error::CommandError;

/// How a command names its script, and what that may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ScriptCommand {
    /// By its sha; else by its text.
    pub by_sha: bool,
    /// It may not write.
    pub is_read_only: bool,
}

impl ScriptCommand {
    /// The script that a request names, if it is known.
    pub fn script<'k>(self, known: &'k Known, args: Args<'_>) -> Option<&'k Script> {
        if self.by_sha { known.by_sha(args.get(1)) } else { known.by_source(args.get(1)) }
    }
}

/// Where the declared keys stand among the arguments.
///
/// # Errors
/// Redis's words for a number of keys that is none, or too large.
pub fn declared_keys(args: Args<'_>) -> Result<Range<usize>, CommandError> {
    let count = number::parse_i64(args.get(2)).ok_or(CommandError::NotAnInteger)?;
    if count > (args.len() - 3) as i64 {
        return Err(CommandError::fixed("ERR Number of keys can't be greater than number of args"));
    }
    let count = usize::try_from(count).map_err(|_| CommandError::fixed("ERR Number of keys can't be negative"))?;
    Ok(3..3 + count)
}
