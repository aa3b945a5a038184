//! What the bytes of a string value say about its encoding.
//!
//! Values are always kept as text; Redis's `int` encoding is derived by looking, which only
//! OBJECT ENCODING and its like ever do.

/// How a string came to be, as far as its encoding depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum StringForm {
    /// From the content: `int`, else `embstr` up to 44 bytes, else `raw`.
    Auto = 0,
    /// Edited in place (APPEND, SETRANGE, SETBIT): always `raw`.
    Raw = 1,
    /// Written by INCRBYFLOAT: `embstr` or `raw`, never `int`.
    Embedded = 2,
}

/// Longest string Redis embeds in its object header.
const EMBSTR_LEN_MAX: usize = 44;

/// The encoding OBJECT ENCODING reports for a string.
pub(crate) fn encoding_of(value: &[u8], form: StringForm) -> &'static str {
    match form {
        StringForm::Raw => "raw",
        StringForm::Auto if is_canonical_integer(value) => "int",
        _ if value.len() <= EMBSTR_LEN_MAX => "embstr",
        _ => "raw",
    }
}

/// Whether `text` is exactly what printing some `i64` would give.
pub(crate) fn is_canonical_integer(text: &[u8]) -> bool {
    canonical_integer(text).is_some()
}

/// The `i64` that `text` is the printed form of.
#[inline]
pub(crate) fn canonical_integer(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        _ => (false, text),
    };
    match digits {
        [b'0'] => (!negative).then_some(0),
        [b'1'..=b'9', ..] if digits.len() <= 19 => {
            let mut magnitude = 0u64;
            for &byte in digits {
                let digit = byte.wrapping_sub(b'0');
                if digit > 9 {
                    return None;
                }
                magnitude = magnitude * 10 + u64::from(digit);
            }
            let limit = i64::MAX as u64 + u64::from(negative);
            let value = if negative { (magnitude as i64).wrapping_neg() } else { magnitude as i64 };
            (magnitude <= limit).then_some(value)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_are_recognised_only_in_their_printed_form() {
        for yes in ["0", "7", "-1", "9223372036854775807", "-9223372036854775808"] {
            assert!(is_canonical_integer(yes.as_bytes()), "{yes}");
        }
        let no = [
            "",
            "-",
            "-0",
            "00",
            "01",
            "+1",
            " 1",
            "1 ",
            "1.0",
            "9223372036854775808",
            "-9223372036854775809",
            "99999999999999999999",
            "abc",
        ];
        for text in no {
            assert!(!is_canonical_integer(text.as_bytes()), "{text}");
        }
    }

    #[test]
    fn encodings_follow_content_and_form() {
        assert_eq!(encoding_of(b"12", StringForm::Auto), "int");
        assert_eq!(encoding_of(b"12", StringForm::Embedded), "embstr");
        assert_eq!(encoding_of(b"12", StringForm::Raw), "raw");
        assert_eq!(encoding_of(&[b'x'; 44], StringForm::Auto), "embstr");
        assert_eq!(encoding_of(&[b'x'; 45], StringForm::Auto), "raw");
    }
}
