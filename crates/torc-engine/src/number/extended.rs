//! An 80-bit float: parsed like `strtold`, added like an x87, shown like `%.17Lf` without trailing zeros.
//!
//! ```text
//!   value = significand * 2^exponent        significand: 64 bits, exponent: -16445 ..= 16320
//!
//!   exponent >= 0   an integer of up to 16,384 bits: repeated division by 10^19
//!   exponent <  0   significand * 10^17 fits 128 bits: one shift, rounded half to even
//! ```

use std::borrow::Cow;

use rustc_apfloat::ieee::X87DoubleExtended;
use rustc_apfloat::{Float, Round, Status};

/// Longer texts than this are no numbers.
const TEXT_LEN_MAX: usize = 5 * 1024 - 1;

/// Digits after the point.
const FRACTION_DIGITS: usize = 17;

/// The weight of the last digit after the point.
const FRACTION_SCALE: u128 = 10u128.pow(FRACTION_DIGITS as u32);

/// The largest power of ten in 64 bits, and its number of zeros.
const CHUNK: u64 = 10u64.pow(CHUNK_DIGITS as u32);
const CHUNK_DIGITS: usize = 19;

/// A float with a significand of 64 bits and an exponent of 15. Never NaN; may be infinite.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Extended(X87DoubleExtended);

impl Extended {
    /// Zero: what an absent key counts as.
    pub const ZERO: Extended = Extended(X87DoubleExtended::ZERO);

    /// Reads a number in decimal or hexadecimal notation, or an infinity.
    ///
    /// `None` for anything else, for spaces around it, for NaN, and for a number whose size is beyond the
    /// format: too large, or so small that it would become zero.
    pub fn parse(text: &[u8]) -> Option<Self> {
        if text.len() > TEXT_LEN_MAX {
            return None;
        }
        let (negative, magnitude) = match text {
            [b'-', rest @ ..] => (true, rest),
            [b'+', rest @ ..] => (false, rest),
            _ => (false, text),
        };
        let value = match magnitude {
            [b'0', b'x' | b'X', digits @ ..] => parse_finite(hexadecimal(magnitude, digits)?)?,
            [b'i' | b'I', ..] => parse_infinity(magnitude)?,
            _ => parse_finite(decimal(magnitude)?)?,
        };
        Some(Extended(if negative { -value } else { value }))
    }

    /// The sum, rounded to the nearest; `None` when it is infinite or no number at all.
    pub fn plus(self, other: Extended) -> Option<Extended> {
        let sum = self.0.add_r(other.0, Round::NearestTiesToEven).value;
        sum.is_finite().then_some(Extended(sum))
    }

    /// A thousand times the number, rounded up to an integer (seconds to milliseconds); `None` above `i64::MAX`, `i64::MIN` for anything below that.
    pub fn thousandfold_up(self) -> Option<i64> {
        let thousand = X87DoubleExtended::from_u128(1000).value;
        let product = self.0.mul_r(thousand, Round::NearestTiesToEven).value;
        let mut is_exact = false;
        let integer = product.to_i128_r(64, Round::TowardPositive, &mut is_exact);
        match integer.status.contains(Status::INVALID_OP) {
            true if product.is_negative() => Some(i64::MIN),
            true => None,
            false => Some(integer.value as i64),
        }
    }

    /// The decimal text with at most 17 digits after the point and no trailing zeros there.
    pub fn text(self) -> String {
        assert!(self.0.is_finite(), "only finite numbers are shown");
        let (significand, exponent) = self.parts();
        let mut text = String::new();
        if exponent >= 0 {
            push_integer(&mut text, shifted_left(significand, exponent as u32));
        } else {
            push_fixed(&mut text, scaled(significand, exponent.unsigned_abs()));
        }
        if self.0.is_negative() && text != "0" {
            text.insert(0, '-');
        }
        text
    }

    /// Significand and exponent of the magnitude: the value is their product, `s * 2^e`.
    fn parts(self) -> (u64, i32) {
        let bits = self.0.to_bits();
        let biased = (bits >> 64) as i32 & 0x7fff;
        (bits as u64, biased.max(1) - 16383 - 63)
    }
}

fn parse_infinity(word: &[u8]) -> Option<X87DoubleExtended> {
    let known = word.eq_ignore_ascii_case(b"inf") || word.eq_ignore_ascii_case(b"infinity");
    known.then_some(X87DoubleExtended::INFINITY)
}

fn parse_finite(text: Cow<'_, str>) -> Option<X87DoubleExtended> {
    let parsed = X87DoubleExtended::from_str_r(&text, Round::NearestTiesToEven).ok()?;
    let vanished = parsed.status.contains(Status::UNDERFLOW) && parsed.value.is_zero();
    (parsed.value.is_finite() && !vanished).then_some(parsed.value)
}

/// The text if it is `digits[.digits][e[+-]digits]`.
fn decimal(text: &[u8]) -> Option<Cow<'_, str>> {
    let rest = skip_significand(text, u8::is_ascii_digit)?;
    is_exponent(rest, b'e').then(|| as_text(text))
}

/// The text if `digits`, which follows its `0x`, is `digits[.digits][p[+-]digits]`; completed by the
/// exponent that C lets one leave out.
fn hexadecimal<'a>(text: &'a [u8], digits: &'a [u8]) -> Option<Cow<'a, str>> {
    let rest = skip_significand(digits, u8::is_ascii_hexdigit)?;
    is_exponent(rest, b'p').then(|| match rest {
        [] => Cow::Owned(format!("{}p0", as_text(text))),
        _ => as_text(text),
    })
}

/// What follows the digits, of which there is at least one, before or after the point.
fn skip_significand(text: &[u8], is_digit: fn(&u8) -> bool) -> Option<&[u8]> {
    let skip = |text: &[u8]| text.iter().position(|byte| !is_digit(byte)).unwrap_or(text.len());
    let whole = skip(text);
    let rest = &text[whole..];
    let (fraction, rest) = match rest {
        [b'.', rest @ ..] => (skip(rest), &rest[skip(rest)..]),
        _ => (0, rest),
    };
    (whole + fraction > 0).then_some(rest)
}

/// Whether this is nothing at all, or a complete exponent with this letter.
fn is_exponent(text: &[u8], letter: u8) -> bool {
    let Some((first, rest)) = text.split_first() else { return true };
    let digits = match rest {
        [b'+' | b'-', digits @ ..] => digits,
        digits => digits,
    };
    first.eq_ignore_ascii_case(&letter) && !digits.is_empty() && digits.iter().all(u8::is_ascii_digit)
}

fn as_text(text: &[u8]) -> Cow<'_, str> {
    Cow::Borrowed(str::from_utf8(text).expect("digits, signs and letters were checked to be ASCII"))
}

/// `significand / 2^shift` in units of 10^-17, rounded half to even.
fn scaled(significand: u64, shift: u32) -> u128 {
    // Below 2^121, so that what is shifted out by 128 bits or more is less than a half.
    let product = u128::from(significand) * FRACTION_SCALE;
    if shift >= u128::BITS {
        return 0;
    }
    let (quotient, remainder, half) = (product >> shift, product & ((1 << shift) - 1), 1 << (shift - 1));
    let up = remainder > half || (remainder == half && quotient & 1 == 1);
    quotient + u128::from(up)
}

/// Appends a number given in units of 10^-17.
fn push_fixed(text: &mut String, value: u128) {
    let (whole, fraction) = (value / FRACTION_SCALE, value % FRACTION_SCALE);
    text.push_str(&whole.to_string());
    if fraction > 0 {
        let digits = format!("{fraction:0FRACTION_DIGITS$}");
        text.push('.');
        text.push_str(digits.trim_end_matches('0'));
    }
}

/// `significand << shift`, in limbs of 64 bits, the lowest first.
fn shifted_left(significand: u64, shift: u32) -> Vec<u64> {
    let mut limbs = vec![0; (shift / u64::BITS) as usize];
    let wide = u128::from(significand) << (shift % u64::BITS);
    limbs.extend([wide as u64, (wide >> u64::BITS) as u64]);
    limbs
}

/// Appends the decimal digits of an integer, which is used up.
fn push_integer(text: &mut String, mut limbs: Vec<u64>) {
    let mut chunks = Vec::new();
    while !limbs.is_empty() {
        chunks.push(divide_by_chunk(&mut limbs));
        while limbs.last() == Some(&0) {
            limbs.pop();
        }
    }
    let first = chunks.pop().unwrap_or(0);
    text.push_str(&first.to_string());
    for chunk in chunks.iter().rev() {
        text.push_str(&format!("{chunk:0CHUNK_DIGITS$}"));
    }
}

/// Divides by 10^19 in place and gives the remainder.
fn divide_by_chunk(limbs: &mut [u64]) -> u64 {
    let mut remainder = 0u64;
    for limb in limbs.iter_mut().rev() {
        let dividend = u128::from(remainder) << u64::BITS | u128::from(*limb);
        *limb = (dividend / u128::from(CHUNK)) as u64;
        remainder = (dividend % u128::from(CHUNK)) as u64;
    }
    remainder
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum(a: &str, b: &str) -> Option<String> {
        Extended::parse(a.as_bytes())?.plus(Extended::parse(b.as_bytes())?).map(Extended::text)
    }

    #[test]
    fn sums_read_as_long_doubles_print_them() {
        let table = [
            ("0", "0", "0"),
            ("-0", "0", "0"),
            ("-0", "-0", "0"),
            ("10.50", "0.1", "10.6"),
            ("5.0e3", "2.0e2", "5200"),
            ("3", "1.5", "4.5"),
            ("3.0e3", "-2000", "1000"),
            ("0", "1.23", "1.23"),
            ("17179869184", "0.0000001", "17179869184.00000010058283806"),
            ("1e-17", "0", "0.00000000000000001"),
            ("-1e-18", "0", "0"),
            ("0x1p-18", "0", "0.00000381469726562"),
            ("0x3p-18", "0", "0.00001144409179688"),
            ("18446744073709551615", "0", "18446744073709551615"),
            ("18446744073709551616", "1", "18446744073709551616"),
            ("1e20", "0", "100000000000000000000"),
            ("-1e25", "0", "-10000000000000000000000000"),
            ("0x1p3", "0X.8", "8.5"),
            ("+.5", "5.", "5.5"),
            ("9223372036854775807", "0.5", "9223372036854775807.5"),
            ("1e-4940", "0", "0"),
        ];
        for (a, b, expected) in table {
            assert_eq!(sum(a, b).as_deref(), Some(expected), "{a} + {b}");
        }
    }

    #[test]
    fn the_largest_number_has_all_its_digits() {
        let text = sum("0x1.fffffffffffffffep16383", "0").expect("it is finite");
        assert_eq!(text.len(), 4933);
        assert!(text.starts_with("118973149535723176502126385303"), "{}", &text[..40]);
        assert!(text.ends_with("552086811989770240"), "{}", &text[4900..]);
        assert_eq!(sum(&text, "1").as_deref(), Some(text.as_str()));
    }

    #[test]
    fn sums_beyond_the_format_are_refused() {
        for (a, b) in [("inf", "1"), ("inf", "-inf"), ("-Infinity", "0"), ("1e4932", "1e4932")] {
            assert!(Extended::parse(a.as_bytes()).is_some() && sum(a, b).is_none(), "{a} + {b}");
        }
    }

    #[test]
    fn what_is_no_number_is_refused() {
        let refused = [
            "",
            ".",
            "+",
            "-",
            "e5",
            "1e",
            "1e+",
            "1 ",
            " 1",
            "--1",
            "+-1",
            "1.2.3",
            "1,5",
            "0x",
            "0x.",
            "0x1p",
            "0xg",
            "1f",
            "nan",
            "NaN",
            "-nan",
            "nan(1)",
            "in",
            "infi",
            "infinityx",
            "1e5000",
            "-1e5000",
            "1e-5000",
            "1e-4951",
            "0x1p-16447",
            "1\0",
            "1e999999999999",
            "\u{661}",
        ];
        for text in refused {
            assert_eq!(Extended::parse(text.as_bytes()), None, "{text:?}");
        }
        assert_eq!(Extended::parse(&vec![b'0'; TEXT_LEN_MAX]), Some(Extended::ZERO));
        assert_eq!(Extended::parse(&vec![b'0'; TEXT_LEN_MAX + 1]), None);
    }

    #[test]
    fn long_texts_are_read_to_the_last_digit() {
        let tie = "0x1p64";
        let just_above = format!("18446744073709551617.{}1", "0".repeat(4000));
        assert_eq!(sum("18446744073709551617", "0"), sum(tie, "0"), "a tie goes to the even neighbour");
        assert_eq!(sum(&just_above, "0").as_deref(), Some("18446744073709551618"));
    }
}
