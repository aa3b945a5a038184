//! Numbers as text, strictly in the forms Redis reads and writes: what `SET n 10` stores, what `INCR` accepts, what `ZSCORE` shows.
//!
//! Integers are parsed without leniency (one text per value), because a value's encoding depends on it: `"007"` must stay a
//! string. Floats are read as `strtod` reads them and written with the fewest digits that read back the same.

mod float;

pub use float::{F64Text, format_f64, parse_f64};

/// The longest text of an `i64`: `-9223372036854775808`.
pub const I64_TEXT_MAX: usize = 20;

/// Reads a decimal `i64`. None for anything but its one canonical text: no spaces, `+`, leading zeros or `-0`.
#[inline]
pub fn parse_i64(text: &[u8]) -> Option<i64> {
    match text {
        [b'-', digits @ ..] => {
            let magnitude = parse_u64(digits)?;
            let in_range = magnitude != 0 && magnitude <= i64::MIN.unsigned_abs();
            in_range.then(|| (magnitude as i64).wrapping_neg())
        }
        digits => i64::try_from(parse_u64(digits)?).ok(),
    }
}

/// Reads a decimal `u64`, as strictly as [`parse_i64`].
#[inline]
pub fn parse_u64(text: &[u8]) -> Option<u64> {
    match text {
        [b'0'] => return Some(0),
        [b'1'..=b'9', ..] if text.len() <= U64_TEXT_MAX => {}
        _ => return None,
    }
    // Nineteen digits cannot overflow; only the twentieth needs care.
    let (safe, last) = text.split_at(text.len().min(U64_TEXT_MAX - 1));
    let mut value = 0_u64;
    for byte in safe {
        value = value * 10 + digit(*byte)?;
    }
    match last {
        [] => Some(value),
        [byte, ..] => value.checked_mul(10)?.checked_add(digit(*byte)?),
    }
}

/// Appends `value` in decimal.
#[inline]
pub fn write_i64(out: &mut Vec<u8>, value: i64) {
    out.extend_from_slice(I64Text::new(value).as_bytes());
}

/// An `i64` in decimal, kept in place rather than on the heap.
#[derive(Clone, Copy)]
pub struct I64Text {
    bytes: [u8; I64_TEXT_MAX],
    start: u8,
}

impl I64Text {
    /// The text of `value`.
    #[inline]
    pub fn new(value: i64) -> Self {
        let mut bytes = [0; I64_TEXT_MAX];
        let start = write_digits_before(&mut bytes, value) as u8;
        Self { bytes, start }
    }

    /// The text, without padding.
    #[inline]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[self.start as usize..]
    }
}

/// Writes `value` in decimal so that it ends where `buffer` ends, and returns where it starts. The buffer must have room for it.
#[inline]
pub(crate) fn write_digits_before(buffer: &mut [u8], value: i64) -> usize {
    let mut at = buffer.len();
    let mut rest = value.unsigned_abs();
    while rest >= 100 {
        let pair = (rest % 100) as usize * 2;
        rest /= 100;
        at -= 2;
        buffer[at..at + 2].copy_from_slice(&DIGIT_PAIRS[pair..pair + 2]);
    }
    if rest >= 10 {
        let pair = rest as usize * 2;
        at -= 2;
        buffer[at..at + 2].copy_from_slice(&DIGIT_PAIRS[pair..pair + 2]);
    } else {
        at -= 1;
        buffer[at] = b'0' + rest as u8;
    }
    if value < 0 {
        at -= 1;
        buffer[at] = b'-';
    }
    at
}

/// The longest text of a `u64`: `18446744073709551615`.
const U64_TEXT_MAX: usize = 20;

/// `00` to `99`: two digits for one division.
const DIGIT_PAIRS: [u8; 200] = {
    let mut pairs = [0; 200];
    let mut value = 0;
    while value < 100 {
        pairs[value * 2] = b'0' + (value / 10) as u8;
        pairs[value * 2 + 1] = b'0' + (value % 10) as u8;
        value += 1;
    }
    pairs
};

#[inline]
fn digit(byte: u8) -> Option<u64> {
    let value = byte.wrapping_sub(b'0');
    (value < 10).then_some(u64::from(value))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn integers_have_one_text() {
        for text in ["0", "1", "-1", "10", "9223372036854775807", "-9223372036854775808"] {
            assert_eq!(parse_i64(text.as_bytes()), Some(text.parse().expect("a number")), "{text}");
        }
        let refused = [
            "",
            "-",
            "+",
            "+1",
            "-0",
            "00",
            "01",
            "-01",
            " 1",
            "1 ",
            "1.0",
            "1e3",
            "0x1",
            "a",
            "1a",
            "--1",
            "9223372036854775808",
            "-9223372036854775809",
            "18446744073709551616",
            "111111111111111111111",
        ];
        for text in refused {
            assert_eq!(parse_i64(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn unsigned_integers_reach_their_maximum() {
        assert_eq!(parse_u64(b"18446744073709551615"), Some(u64::MAX));
        assert_eq!(parse_u64(b"18446744073709551616"), None);
        assert_eq!(parse_u64(b"99999999999999999999"), None);
        assert_eq!(parse_u64(b"1844674407370955161x"), None);
        assert_eq!(parse_u64(b"-1"), None);
    }

    proptest! {
        #[test]
        fn integers_round_trip(value: i64) {
            let text = I64Text::new(value);
            let expected = value.to_string();
            prop_assert_eq!(text.as_bytes(), expected.as_bytes());
            prop_assert_eq!(parse_i64(text.as_bytes()), Some(value));
            let mut out = b"x".to_vec();
            write_i64(&mut out, value);
            prop_assert_eq!(&out[1..], text.as_bytes());
        }

        #[test]
        fn strictness_is_the_round_trip(text in "[-+ 0-9]{0,21}") {
            let canonical = text.parse::<i64>().ok().filter(|value| value.to_string() == text);
            prop_assert_eq!(parse_i64(text.as_bytes()), canonical);
        }
    }
}
