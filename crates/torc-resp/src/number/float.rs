//! Floats as text. Reading accepts what `strtod` accepts (decimal and hexadecimal notation, `inf`), minus NaN and minus spaces.
//! Writing prints whole numbers up to 2^62 plainly and everything else with the fewest digits that read back the same, in
//! exponent notation where the plain one would be long.

use std::io::Write;

use super::{I64_TEXT_MAX, write_digits_before};

/// Reads a float as Redis does for scores and increments. None for NaN, for spaces, for trailing text, for values that
/// overflow to infinity and for values other than zero that underflow to it.
pub fn parse_f64(text: &[u8]) -> Option<f64> {
    let (negative, magnitude) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        rest => (false, rest),
    };
    let value = match magnitude {
        [b'0', b'x' | b'X', digits @ ..] => parse_hexadecimal(digits)?,
        [b'0'..=b'9' | b'.', ..] => parse_decimal(magnitude)?,
        word if word.eq_ignore_ascii_case(b"inf") || word.eq_ignore_ascii_case(b"infinity") => f64::INFINITY,
        _ => return None,
    };
    Some(if negative { -value } else { value })
}

/// Appends `value` as Redis 7.2 shows it: `17`, `1.5`, `1e+20`, `inf`, `-inf`, `nan`, `-0`.
pub fn format_f64(value: f64, out: &mut Vec<u8>) {
    let mut text = F64Text::new();
    text.set(value);
    out.extend_from_slice(text.as_bytes());
}

/// The text of a float, kept in place rather than on the heap.
#[derive(Clone, Copy)]
pub struct F64Text {
    bytes: [u8; F64_TEXT_MAX],
    len: usize,
}

impl F64Text {
    /// An empty text.
    #[inline]
    pub fn new() -> Self {
        Self { bytes: [0; F64_TEXT_MAX], len: 0 }
    }

    /// Replaces the text by that of `value`, in the notation of [`format_f64`].
    pub fn set(&mut self, value: f64) {
        self.len = 0;
        if value.is_nan() {
            self.append(b"nan");
        } else if let Some(whole) = whole_number(value) {
            let mut digits = [0; I64_TEXT_MAX];
            let start = write_digits_before(&mut digits, whole);
            self.append(&digits[start..]);
        } else {
            if value.is_sign_negative() {
                self.append(b"-");
            }
            match value.abs() {
                0.0 => self.append(b"0"),
                f64::INFINITY => self.append(b"inf"),
                magnitude => self.append_shortest(magnitude),
            }
        }
    }

    /// The text.
    #[inline]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    fn append(&mut self, text: &[u8]) {
        self.bytes[self.len..self.len + text.len()].copy_from_slice(text);
        self.len += text.len();
    }

    fn append_zeros(&mut self, count: usize) {
        self.bytes[self.len..self.len + count].fill(b'0');
        self.len += count;
    }

    /// `magnitude` is positive, finite and not a whole number in the plain range.
    fn append_shortest(&mut self, magnitude: f64) {
        let (digits, digits_len, exponent) = shortest_digits(magnitude);
        let digits = &digits[..digits_len];
        let count = digits_len as i32;
        // The value is 0.d1d2d3... * 10^(exponent + 1), or the digits as an integer * 10^scale.
        let scale = exponent - (count - 1);
        if scale >= 0 && exponent.abs() < count + 7 {
            self.append(digits);
            self.append_zeros(scale as usize);
        } else if scale < 0 && (scale > -7 || exponent.abs() < 4) {
            self.append_fraction(digits, count + scale);
        } else {
            self.append_exponential(digits, exponent);
        }
    }

    /// Plain notation with `whole_digits` digits before the point; zero or less means zeros after it.
    fn append_fraction(&mut self, digits: &[u8], whole_digits: i32) {
        if whole_digits <= 0 {
            self.append(b"0.");
            self.append_zeros(whole_digits.unsigned_abs() as usize);
            self.append(digits);
        } else {
            let (whole, fraction) = digits.split_at(whole_digits as usize);
            self.append(whole);
            self.append(b".");
            self.append(fraction);
        }
    }

    fn append_exponential(&mut self, digits: &[u8], exponent: i32) {
        self.append(&digits[..1]);
        if digits.len() > 1 {
            self.append(b".");
            self.append(&digits[1..]);
        }
        self.append(if exponent < 0 { b"e-" } else { b"e+" });
        let mut text = [0; I64_TEXT_MAX];
        let start = write_digits_before(&mut text, i64::from(exponent.abs()));
        self.append(&text[start..]);
    }
}

impl Default for F64Text {
    fn default() -> Self {
        Self::new()
    }
}

/// A sign, 17 digits, a point, and in the worst case zeros around them; nothing the notation above produces is longer.
const F64_TEXT_MAX: usize = 40;

/// The value as an integer, when it is one that Redis prints plainly. Negative zero is not: it keeps its sign.
fn whole_number(value: f64) -> Option<i64> {
    const PLAIN_MAX: f64 = (1_u64 << 62) as f64;
    let in_range = (-PLAIN_MAX..=PLAIN_MAX).contains(&value);
    let whole = value as i64;
    (in_range && whole as f64 == value && !(whole == 0 && value.is_sign_negative())).then_some(whole)
}

/// The fewest significant digits that read back as `magnitude`, how many they are, and the decimal exponent of the first.
fn shortest_digits(magnitude: f64) -> ([u8; 17], usize, i32) {
    // The standard library's exponent notation is d.ddde-123: the digits wanted here, with a point among them.
    let mut text = [0; 32];
    let mut unwritten = &mut text[..];
    write!(unwritten, "{magnitude:e}").expect("17 digits, a point and an exponent fit into 32 bytes");
    let text_len = 32 - unwritten.len();
    let mut digits = [0; 17];
    let mut count = 0;
    let mut bytes = text[..text_len].iter();
    for byte in bytes.by_ref() {
        match byte {
            b'e' => break,
            b'.' => {}
            digit => {
                digits[count] = *digit;
                count += 1;
            }
        }
    }
    let exponent = super::parse_i64(bytes.as_slice()).expect("the exponent is a plain number");
    (digits, count, exponent as i32)
}

/// `text` begins with a digit or a point.
fn parse_decimal(text: &[u8]) -> Option<f64> {
    let value = std::str::from_utf8(text).ok()?.parse::<f64>().ok()?;
    let is_zero =
        || text.iter().take_while(|byte| !matches!(byte, b'e' | b'E')).all(|byte| matches!(byte, b'0' | b'.'));
    let in_range = value.is_finite() && (value != 0.0 || is_zero());
    in_range.then_some(value)
}

/// `text` is what follows `0x`: digits with an optional point, then optionally `p` and a decimal exponent of two.
fn parse_hexadecimal(text: &[u8]) -> Option<f64> {
    let mut mantissa = 0_u64;
    let mut exponent = 0_i64;
    // Set when digits beyond the 64 bits of the mantissa were not all zero: it breaks ties when rounding.
    let mut sticky = false;
    let (mut digits_seen, mut point_seen) = (false, false);
    let mut rest = text;
    while let [byte, tail @ ..] = rest {
        match char::from(*byte).to_digit(16) {
            Some(digit) if mantissa >> 60 == 0 => {
                mantissa = mantissa << 4 | u64::from(digit);
                exponent -= if point_seen { 4 } else { 0 };
                digits_seen = true;
            }
            Some(digit) => {
                sticky |= digit != 0;
                exponent += if point_seen { 0 } else { 4 };
            }
            None if *byte == b'.' && !point_seen => point_seen = true,
            None => break,
        }
        rest = tail;
    }
    if !digits_seen {
        return None;
    }
    let exponent = exponent.saturating_add(parse_exponent(rest)?);
    if mantissa == 0 { Some(0.0) } else { round_to_f64(mantissa, sticky, exponent) }
}

/// `p`, an optional sign and digits, or nothing at all. Saturates: far beyond the range of a float every exponent is the same.
fn parse_exponent(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text {
        [] => return Some(0),
        [b'p' | b'P', b'-', digits @ ..] => (true, digits),
        [b'p' | b'P', b'+', digits @ ..] | [b'p' | b'P', digits @ ..] => (false, digits),
        _ => return None,
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let magnitude =
        digits.iter().fold(0_i64, |value, byte| value.saturating_mul(10).saturating_add(i64::from(byte - b'0')));
    Some(if negative { -magnitude } else { magnitude })
}

/// The float nearest to `mantissa` (not zero) * 2^`exponent`, ties to even. None when it overflows or underflows to zero.
fn round_to_f64(mantissa: u64, sticky: bool, exponent: i64) -> Option<f64> {
    let shift = mantissa.leading_zeros();
    let mantissa = mantissa << shift;
    // The exponent of the leading bit decides how many bits the result can hold: 53, and fewer below the normal range.
    let leading = exponent.saturating_sub(i64::from(shift)).saturating_add(63);
    if !(-1075..=1023).contains(&leading) {
        return None;
    }
    let precision = (leading + 1075).min(53) as u32;
    let kept = if precision == 0 { 0 } else { mantissa >> (64 - precision) };
    let lost = if precision == 0 { u128::from(mantissa) } else { u128::from(mantissa << precision) >> precision };
    let half = 1_u128 << (63 - precision);
    let round_up = lost > half || (lost == half && (sticky || kept & 1 == 1));
    let kept = kept + u64::from(round_up);
    if kept == 0 {
        return None;
    }
    // Both factors are exact, and so is the product: it has at most 53 significant bits in the range of a float.
    let scale = leading - i64::from(precision) + 1;
    let value = scale_by_power_of_two(kept as f64, scale);
    value.is_finite().then_some(value)
}

/// `value` * 2^`power`; `power` may lie one step outside what a single float can express, so it is applied in two.
fn scale_by_power_of_two(value: f64, power: i64) -> f64 {
    let first = power / 2;
    value * power_of_two(first) * power_of_two(power - first)
}

fn power_of_two(power: i64) -> f64 {
    assert!((-1022..=1023).contains(&power), "a normal float");
    f64::from_bits(((power + 1023) as u64) << 52)
}

#[cfg(test)]
#[path = "float_tests.rs"]
mod tests;
