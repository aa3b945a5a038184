//! The range of BITCOUNT and BITPOS: a first and a last index, in bytes or bits, negative ones counting from the end.

use torc_resp::Args;

use crate::command::integer_argument;
use crate::error::CommandError;

/// What the indexes count.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unit {
    /// Bytes.
    Byte,
    /// Bits.
    Bit,
}

impl Unit {
    /// Reads `BYTE` or `BIT`.
    pub fn parse(word: &[u8]) -> Result<Unit, CommandError> {
        if word.eq_ignore_ascii_case(b"bit") {
            Ok(Unit::Bit)
        } else if word.eq_ignore_ascii_case(b"byte") {
            Ok(Unit::Byte)
        } else {
            Err(CommandError::Syntax)
        }
    }
}

/// A range as the client gave it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Range {
    /// First index.
    pub start: i64,
    /// Last index; `None`: the last one of the string.
    pub end: Option<i64>,
    /// What the indexes count.
    pub unit: Unit,
}

impl Range {
    /// All of a string.
    pub const ALL: Range = Range { start: 0, end: None, unit: Unit::Byte };

    /// Reads `[start [end [BYTE | BIT]]]`; their number is judged first, and the unit before the end, as Redis does.
    pub fn parse(words: Args<'_>) -> Result<Range, CommandError> {
        let mut range = Range::ALL;
        if words.len() > 3 {
            return Err(CommandError::Syntax);
        }
        if !words.is_empty() {
            range.start = integer_argument(words.get(0))?;
        }
        if words.len() > 2 {
            range.unit = Unit::parse(words.get(2))?;
        }
        if words.len() > 1 {
            range.end = Some(integer_argument(words.get(1))?);
        }
        Ok(range)
    }

    /// The first and the last bit of the range in a string of `len` bytes; `None` if it is empty there.
    pub fn bits(self, len: usize) -> Option<(u64, u64)> {
        let total = match self.unit {
            Unit::Byte => len as i64,
            Unit::Bit => len as i64 * 8,
        };
        let from_start = |index: i64| if index < 0 { (total + index).max(0) } else { index };
        let (first, last) = (from_start(self.start), from_start(self.end.unwrap_or(-1)).min(total - 1));
        if total == 0 || first > last {
            return None;
        }
        let (first, last) = (first as u64, last as u64);
        Some(match self.unit {
            Unit::Byte => (first * 8, last * 8 + 7),
            Unit::Bit => (first, last),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_cut_to_the_string() {
        let range = |start, end, unit| Range { start, end: Some(end), unit };
        let table = [
            (Range::ALL, Some((0, 23))),
            (range(0, -1, Unit::Bit), Some((0, 23))),
            (range(1, 1, Unit::Byte), Some((8, 15))),
            (range(-2, -2, Unit::Byte), Some((8, 15))),
            (range(5, 9, Unit::Bit), Some((5, 9))),
            (range(-1, 100, Unit::Bit), Some((23, 23))),
            (range(-100, -100, Unit::Byte), Some((0, 7))),
            (range(3, 100, Unit::Byte), None),
            (range(2, 1, Unit::Byte), None),
            (range(i64::MIN, i64::MAX, Unit::Bit), Some((0, 23))),
            (range(i64::MAX, i64::MIN, Unit::Bit), None),
        ];
        for (given, expected) in table {
            assert_eq!(given.bits(3), expected, "{given:?}");
            assert_eq!(given.bits(0), None, "{given:?}");
        }
    }
}
