//! Ids and intervals of ids, as clients write them: `ms`, `ms-seq`, `-`, `+`, and `(` before an end that is not included.

use torc_store::StreamId;

use crate::error::CommandError;

/// The error for whatever is no id.
pub const INVALID: CommandError = CommandError::fixed("ERR Invalid stream ID specified as stream command argument");

/// Longer texts are never ids.
const TEXT_LEN_MAX: usize = 127;

/// The id that XADD is to use.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NewId {
    /// `*`.
    Auto,
    /// `ms-*`.
    AutoSequence(u64),
    /// `ms-seq`.
    Given(StreamId),
}

/// Reads an id; without sequence it has `missing_seq`.
pub fn parse(text: &[u8], missing_seq: u64) -> Result<StreamId, CommandError> {
    match split(text)? {
        (ms, None) => Ok(StreamId::new(number(ms)?, missing_seq)),
        (ms, Some(seq)) => Ok(StreamId::new(number(ms)?, number(seq)?)),
    }
}

/// Reads an id of a list of them.
pub fn parse_exact(text: &[u8]) -> Result<StreamId, CommandError> {
    parse(text, 0)
}

/// Reads an id, `-` or `+`.
pub fn parse_bound(text: &[u8], missing_seq: u64) -> Result<StreamId, CommandError> {
    match text {
        b"-" => Ok(StreamId::MIN),
        b"+" => Ok(StreamId::MAX),
        _ => parse(text, missing_seq),
    }
}

/// Reads the id of a new entry.
pub fn parse_new(text: &[u8]) -> Result<NewId, CommandError> {
    if text == b"*" {
        return Ok(NewId::Auto);
    }
    match split(text)? {
        (ms, Some(b"*")) => Ok(NewId::AutoSequence(number(ms)?)),
        _ => parse(text, 0).map(NewId::Given),
    }
}

/// Reads the start of an interval, which may be excluded with `(`.
pub fn parse_start(text: &[u8]) -> Result<StreamId, CommandError> {
    match text {
        [b'(', id @ ..] if !id.is_empty() => {
            parse(id, 0)?.next().ok_or(CommandError::fixed("ERR invalid start ID for the interval"))
        }
        _ => parse_bound(text, 0),
    }
}

/// Reads the end of an interval, which may be excluded with `(`.
pub fn parse_end(text: &[u8]) -> Result<StreamId, CommandError> {
    match text {
        [b'(', id @ ..] if !id.is_empty() => {
            parse(id, u64::MAX)?.previous().ok_or(CommandError::fixed("ERR invalid end ID for the interval"))
        }
        _ => parse_bound(text, u64::MAX),
    }
}

fn split(text: &[u8]) -> Result<(&[u8], Option<&[u8]>), CommandError> {
    if text.len() > TEXT_LEN_MAX {
        return Err(INVALID);
    }
    match text.iter().position(|&byte| byte == b'-') {
        Some(dash) => Ok((&text[..dash], Some(&text[dash + 1..]))),
        None => Ok((text, None)),
    }
}

/// A number as `strtoull` reads it: spaces, a plus and zeros may stand before it.
fn number(text: &[u8]) -> Result<u64, CommandError> {
    let text = text.trim_ascii_start();
    let digits = text.strip_prefix(b"+").unwrap_or(text);
    if digits.is_empty() {
        return Err(INVALID);
    }
    digits.iter().try_fold(0u64, |number, byte| {
        let digit = byte.wrapping_sub(b'0');
        let number = (digit <= 9).then(|| number.checked_mul(10)).flatten();
        number.and_then(|number| number.checked_add(u64::from(digit))).ok_or(INVALID)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_and_their_edges() {
        let max = u64::MAX;
        let table: &[(&str, Option<(u64, u64)>)] = &[
            ("1-2", Some((1, 2))),
            ("7", Some((7, 9))),
            ("007-+3", Some((7, 3))),
            ("18446744073709551615-18446744073709551615", Some((max, max))),
            ("18446744073709551616", None),
            ("", None),
            ("-", None),
            ("+", None),
            ("1-", None),
            ("1-2-3", None),
            ("1-*", None),
            ("a-1", None),
            ("-1", None),
        ];
        for &(text, expected) in table {
            let parsed = parse(text.as_bytes(), 9).ok().map(|id| (id.ms, id.seq));
            assert_eq!(parsed, expected, "{text}");
        }
        assert_eq!(parse_new(b"*"), Ok(NewId::Auto));
        assert_eq!(parse_new(b"5-*"), Ok(NewId::AutoSequence(5)));
        assert_eq!(parse_new(b"5"), Ok(NewId::Given(StreamId::new(5, 0))));
        assert_eq!(parse_new(b"-"), Err(INVALID));
        assert_eq!(parse_start(b"(5"), Ok(StreamId::new(5, 1)));
        assert_eq!(parse_end(b"(5"), Ok(StreamId::new(5, max - 1)));
        assert_eq!(parse_end(b"5"), Ok(StreamId::new(5, max)));
        assert_eq!(parse_start(b"(-"), Err(INVALID));
        assert_eq!(parse_start(b"("), Err(INVALID));
        assert!(parse_start(b"(18446744073709551615-18446744073709551615").is_err());
        assert!(parse_end(b"(0-0").is_err());
        assert_eq!((parse_start(b"-"), parse_end(b"+")), (Ok(StreamId::MIN), Ok(StreamId::MAX)));
    }
}
