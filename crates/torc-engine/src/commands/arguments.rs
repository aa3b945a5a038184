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

/// Most elements that one reply draws with repetition: a client that asks for more would only exhaust the memory.
pub const SAMPLES_MAX: u64 = 1 << 27;

/// A number above 0, or else the error with this text.
pub fn above_zero(argument: &[u8], refusal: &'static str) -> Result<usize, CommandError> {
    let number = parse_i64(argument).and_then(|number| usize::try_from(number).ok());
    number.filter(|&number| number > 0).ok_or(CommandError::fixed(refusal))
}

/// `numkeys key [key ...] WHERE [COUNT count]` from argument `count_at` on, of the commands that pop several elements from the first of
/// several keys.
#[derive(Clone, Copy)]
pub struct PopRequest<'a> {
    /// The keys.
    pub keys: Args<'a>,
    /// Where to pop.
    pub end: &'a [u8],
    /// How many at most.
    pub count: usize,
}

impl<'a> PopRequest<'a> {
    /// Reads it; `is_end` says whether a word tells where to pop.
    pub fn parse(args: Args<'a>, count_at: usize, is_end: fn(&[u8]) -> bool) -> Result<Self, CommandError> {
        let key_count = above_zero(args.get(count_at), NUMKEYS_NOT_POSITIVE)?;
        let keys_at = count_at + 1;
        if key_count >= args.len() - keys_at {
            return Err(CommandError::Syntax);
        }
        let end_at = keys_at + key_count;
        let end = Some(args.get(end_at)).filter(|word| is_end(word)).ok_or(CommandError::Syntax)?;
        let (mut count, mut words) = (None, args.from(end_at + 1).iter());
        while let Some(word) = words.next() {
            let value = words.next().filter(|_| count.is_none() && word.eq_ignore_ascii_case(b"count"));
            count = Some(above_zero(value.ok_or(CommandError::Syntax)?, "ERR count should be greater than 0")?);
        }
        Ok(PopRequest { keys: args.range(keys_at..end_at), end, count: count.unwrap_or(1) })
    }
}

const NUMKEYS_NOT_POSITIVE: &str = "ERR numkeys should be greater than 0";

/// The keys behind a `numkeys` argument.
pub fn counted_keys(args: Args<'_>, count_at: usize) -> Result<Keys, CommandError> {
    above_zero(args.get(count_at), NUMKEYS_NOT_POSITIVE)?;
    match Keys::counted(args, count_at) {
        Keys::NONE => Err(CommandError::fixed("ERR Number of keys can't be greater than number of args")),
        keys => Ok(keys),
    }
}
