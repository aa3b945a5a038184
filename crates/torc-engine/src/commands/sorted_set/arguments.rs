//! Reading scores and bounds, with Redis's error texts.

use torc_resp::number::parse_f64;
use torc_store::sorted_set::{LexBound, LexRange, PackLimits, ScoreRange};

use crate::error::CommandError;
use crate::shard::ShardContext;

/// A score that is none: only an increment makes one, of infinities.
pub const NOT_A_NUMBER: CommandError = CommandError::fixed("ERR resulting score is not a number (NaN)");

/// Until when a sorted set stays in its small form, by the configuration.
pub fn limits(context: &ShardContext<'_>) -> PackLimits {
    let config = context.config();
    PackLimits {
        entries: config.zset_max_listpack_entries as usize,
        value_bytes: config.zset_max_listpack_value as usize,
    }
}

/// A score or an increment.
pub fn score(argument: &[u8]) -> Result<f64, CommandError> {
    parse_f64(argument).ok_or(CommandError::NotAFloat)
}

/// The bounds of a range of scores: `1`, `(1` without that score itself, `-inf`.
pub fn score_range(min: &[u8], max: &[u8]) -> Result<ScoreRange, CommandError> {
    let bound = |argument| score_bound(argument).ok_or(CommandError::fixed("ERR min or max is not a float"));
    let ((min, min_excluded), (max, max_excluded)) = (bound(min)?, bound(max)?);
    Ok(ScoreRange { min, min_excluded, max, max_excluded })
}

/// Bounds are read more leniently than scores: nothing is 0, blanks may stand before, and what is too large is infinite.
fn score_bound(argument: &[u8]) -> Option<(f64, bool)> {
    let (text, excluded) = match argument {
        [b'(', rest @ ..] => (rest, true),
        _ => (argument, false),
    };
    let text = text.trim_ascii_start();
    let lenient = || str::from_utf8(text).ok()?.parse().ok().filter(|value: &f64| !value.is_nan());
    let value = if text.is_empty() { 0.0 } else { parse_f64(text).or_else(lenient)? };
    Some((value, excluded))
}

/// The bounds of a range of members: `[a` with, `(a` without that member itself, `-` and `+` for the ends.
pub fn lex_range<'a>(min: &'a [u8], max: &'a [u8]) -> Result<LexRange<'a>, CommandError> {
    let refusal = CommandError::fixed("ERR min or max not valid string range item");
    match (lex_bound(min), lex_bound(max)) {
        (Some(min), Some(max)) => Ok(LexRange { min, max }),
        _ => Err(refusal),
    }
}

fn lex_bound(argument: &[u8]) -> Option<LexBound<'_>> {
    match argument {
        [b'-'] => Some(LexBound::Lowest),
        [b'+'] => Some(LexBound::Highest),
        [b'[', member @ ..] => Some(LexBound::Included(member)),
        [b'(', member @ ..] => Some(LexBound::Excluded(member)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_of_scores_are_read_as_redis_reads_them() {
        let bound = |value, excluded| Some((value, excluded));
        let cases = [
            (&b"1.5"[..], bound(1.5, false)),
            (b"(1.5", bound(1.5, true)),
            (b"", bound(0.0, false)),
            (b"(", bound(0.0, true)),
            (b" 1", bound(1.0, false)),
            (b"1 ", None),
            (b"-inf", bound(f64::NEG_INFINITY, false)),
            (b"(+inf", bound(f64::INFINITY, true)),
            (b"1e999", bound(f64::INFINITY, false)),
            (b"nan", None),
            (b"((1", None),
            (b"x", None),
        ];
        for (text, wanted) in cases {
            assert_eq!(score_bound(text), wanted, "{:?}", text.escape_ascii().to_string());
        }
    }

    #[test]
    fn bounds_of_members_begin_with_what_they_mean() {
        assert_eq!(lex_bound(b"["), Some(LexBound::Included(b"")));
        assert_eq!(lex_bound(b"(a"), Some(LexBound::Excluded(b"a")));
        assert_eq!(lex_bound(b"-"), Some(LexBound::Lowest));
        assert_eq!(lex_bound(b"+"), Some(LexBound::Highest));
        for refused in [&b""[..], b"a", b"++", b"-a", b"]a"] {
            assert_eq!(lex_bound(refused), None);
        }
    }
}
