//! What SCAN, HSCAN, SSCAN and ZSCAN have in common: their cursors and options.

use torc_resp::Args;

use super::generic::key_list::KeyPattern;
use crate::command::integer_argument;
use crate::error::CommandError;

/// COUNT when it is not given.
const COUNT_DEFAULT: usize = 10;
/// A larger COUNT is taken as this, which is more than anything holds.
const COUNT_MAX: i64 = 1 << 32;

/// What stands behind the cursor.
pub struct ScanOptions<'a> {
    /// What names must match.
    pub pattern: KeyPattern<'a>,
    /// About how many elements to look at.
    pub count: usize,
    /// The values of the further options, in the order in which they were asked for.
    pub extra: [Option<&'a [u8]>; 1],
}

/// An option of one of the commands: its name in lower case, and whether a value follows it.
pub struct Extra(pub &'static [u8], pub bool);

impl<'a> ScanOptions<'a> {
    /// Reads MATCH, COUNT and the options of `extras`, of which there is at most one.
    pub fn parse(args: Args<'a>, extras: &[Extra]) -> Result<Self, CommandError> {
        assert!(extras.len() <= 1, "no command has more");
        let mut options = ScanOptions { pattern: KeyPattern::ALL, count: COUNT_DEFAULT, extra: [None] };
        let mut words = args.iter();
        while let Some(option) = words.next() {
            if let Some(Extra(_, has_value)) = extras.iter().find(|Extra(name, _)| option.eq_ignore_ascii_case(name)) {
                options.extra[0] = Some(if *has_value { words.next().ok_or(CommandError::Syntax)? } else { option });
                continue;
            }
            let value = words.next().ok_or(CommandError::Syntax)?;
            if option.eq_ignore_ascii_case(b"count") {
                let count = integer_argument(value)?.min(COUNT_MAX);
                options.count = usize::try_from(count).ok().filter(|&count| count > 0).ok_or(CommandError::Syntax)?;
            } else if option.eq_ignore_ascii_case(b"match") {
                options.pattern = KeyPattern::new(value);
            } else {
                return Err(CommandError::Syntax);
            }
        }
        Ok(options)
    }
}

/// Reads what C's `strtoul` reads, which Redis uses: nothing at all is 0, and a sign may stand before the digits.
pub fn parse_cursor(text: &[u8]) -> Result<u64, CommandError> {
    let (digits, is_negative) = match text {
        [] => return Ok(0),
        [b'-', digits @ ..] => (digits, true),
        [b'+', digits @ ..] => (digits, false),
        digits => (digits, false),
    };
    let is_number = digits.iter().all(u8::is_ascii_digit);
    let number: Option<u64> = str::from_utf8(digits).ok().filter(|_| is_number).and_then(|digits| digits.parse().ok());
    let number = number.ok_or(CommandError::fixed("ERR invalid cursor"))?;
    Ok(if is_negative { number.wrapping_neg() } else { number })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_are_read_as_redis_reads_them() {
        let cases: [(&[u8], Option<u64>); 12] = [
            (b"", Some(0)),
            (b"0", Some(0)),
            (b"+17", Some(17)),
            (b"-1", Some(u64::MAX)),
            (b"18446744073709551615", Some(u64::MAX)),
            (b"18446744073709551616", None),
            (b"-18446744073709551615", Some(1)),
            (b"+", None),
            (b"-+1", None),
            (b" 1", None),
            (b"1 ", None),
            (b"0x1", None),
        ];
        for (text, wanted) in cases {
            assert_eq!(parse_cursor(text).ok(), wanted, "{:?}", text.escape_ascii().to_string());
        }
    }
}
