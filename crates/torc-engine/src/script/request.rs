//! EVAL, FCALL and their like as requests: what they run, and which keys are declared to it.

use std::ops::Range;

use torc_resp::{Args, number};

use super::known::{Known, Script};
use crate::error::CommandError;

/// How a command names what it runs, and what that may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ScriptCommand {
    /// What its first argument is.
    pub named: Named,
    /// It may not write.
    pub is_read_only: bool,
}

/// What the first argument of a command is that runs something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Named {
    /// The text of a script.
    Text,
    /// The sha of a script.
    Sha,
    /// A function of a library.
    Function,
}

impl ScriptCommand {
    /// The script that a request names, if it names one that is known.
    pub fn script<'k>(self, known: &'k Known, args: Args<'_>) -> Option<&'k Script> {
        match self.named {
            Named::Text => known.by_source(args.get(1)),
            Named::Sha => known.by_sha(args.get(1)),
            Named::Function => None,
        }
    }

    /// Where the declared keys stand among the arguments.
    ///
    /// # Errors
    /// Redis's words for a number of keys that is none, or too large.
    pub fn declared_keys(self, args: Args<'_>) -> Result<Range<usize>, CommandError> {
        let count = number::parse_i64(args.get(2)).ok_or(match self.named {
            Named::Function => CommandError::fixed("ERR Bad number of keys provided"),
            Named::Text | Named::Sha => CommandError::NotAnInteger,
        })?;
        if count > (args.len() - 3) as i64 {
            return Err(CommandError::fixed("ERR Number of keys can't be greater than number of args"));
        }
        let count = usize::try_from(count).map_err(|_| CommandError::fixed("ERR Number of keys can't be negative"))?;
        Ok(3..3 + count)
    }

    /// What it names does not exist.
    pub const fn unknown(self) -> CommandError {
        CommandError::fixed(match self.named {
            Named::Function => "ERR Function not found",
            Named::Text | Named::Sha => "NOSCRIPT No matching script. Please use EVAL.",
        })
    }
}
