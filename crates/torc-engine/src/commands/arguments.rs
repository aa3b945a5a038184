//! Reading arguments that many commands have in common, with Redis's error texts.

use torc_resp::Args;
use torc_resp::number::parse_i64;

use crate::command::{Keys, integer_argument};
use crate::error::CommandError;

/// A count that must not be negative.
pub fn positive_count(argument: &[u8]) -> Result<usize, CommandError> {
    let refusal = CommandError::fixed("ERR value is out of range, must be positive");
    parse_i64(argument).and_then(|count| usize::try_from(count).ok()).ok_or(refusal)
}

/// A count whose sign has a meaning; all but the least integer.
pub fn signed_count(argument: &[u8]) -> Result<i64, CommandError> {
    let count = integer_argument(argument)?;
    if count == i64::MIN {
        let text = "ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807";
        return Err(CommandError::fixed(text));
    }
    Ok(count)
}

/// The keys behind a `numkeys` argument.
pub fn counted_keys(args: Args<'_>, count_at: usize) -> Result<Keys, CommandError> {
    let count = parse_i64(args.get(count_at)).filter(|&count| count > 0);
    if count.is_none() {
        return Err(CommandError::fixed("ERR numkeys should be greater than 0"));
    }
    match Keys::counted(args, count_at) {
        Keys::NONE => Err(CommandError::fixed("ERR Number of keys can't be greater than number of args")),
        keys => Ok(keys),
    }
}
