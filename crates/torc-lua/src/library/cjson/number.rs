//! Numbers as JSON's text: `printf("%.14g")` one way, `strtod` the other.
//!
//! Both have a path for what numbers mostly are, integers and short decimals, which is exact: an integer below 2^53 is a double, and so
//! is one divided or multiplied once by a power of ten up to 10^22, after rounding once. The rest goes the long way.

use core::ffi::{c_char, c_double};
use core::fmt::{self, Write};
use core::str;

/// Bytes of the longest number: sign, 14 digits, point, and an exponent of 5 bytes; or 4 zeros behind the point.
pub const NUMBER_BYTES_MAX: usize = 32;
const PRECISION_MAX: usize = 14;

/// 10^0 to 10^22, which are exact.
const POWERS_OF_TEN: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20,
    1e21, 1e22,
];

unsafe extern "C" {
    fn strtod(text: *const c_char, end: *mut *mut c_char) -> c_double;
}

/// Text of up to [`NUMBER_BYTES_MAX`] bytes.
pub struct Digits {
    bytes: [u8; NUMBER_BYTES_MAX],
    length: usize,
}

impl Digits {
    fn new() -> Self {
        Digits { bytes: [0; NUMBER_BYTES_MAX], length: 0 }
    }

    fn push(&mut self, byte: u8) {
        self.bytes[self.length] = byte;
        self.length += 1;
    }

    fn extend(&mut self, bytes: &[u8]) {
        self.bytes[self.length..self.length + bytes.len()].copy_from_slice(bytes);
        self.length += bytes.len();
    }

    /// The text.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

impl Write for Digits {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if text.len() > NUMBER_BYTES_MAX - self.length {
            return Err(fmt::Error);
        }
        self.extend(text.as_bytes());
        Ok(())
    }
}

/// The number as `%.{precision}g` prints it.
pub fn format(number: f64, precision: usize) -> Digits {
    let precision = precision.clamp(1, PRECISION_MAX);
    let mut digits = Digits::new();
    if number.trunc() == number && number.abs() < POWERS_OF_TEN[precision] {
        format_integer(&mut digits, number);
    } else if number.is_finite() {
        format_decimal(&mut digits, number, precision);
    } else {
        digits.extend(if number.is_nan() {
            b"nan"
        } else if number > 0.0 {
            b"inf"
        } else {
            b"-inf"
        });
    }
    digits
}

fn format_integer(digits: &mut Digits, number: f64) {
    if number.is_sign_negative() {
        digits.push(b'-');
    }
    let mut rest = number.abs() as u64;
    let mut reversed = [0; PRECISION_MAX];
    let mut start = PRECISION_MAX;
    loop {
        start -= 1;
        reversed[start] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    digits.extend(&reversed[start..]);
}

/// Rounds to `precision` digits and writes these as C does: in full if the exponent is from -4 to below the precision, without zeros at
/// the end.
fn format_decimal(digits: &mut Digits, number: f64, precision: usize) {
    let mut scientific = Digits::new();
    // Rust rounds to the nearest, half to even, as C does. What it writes fits: sign, digits, point, and an exponent.
    let _ = write!(scientific, "{:.*e}", precision - 1, number.abs());
    let (mantissa, exponent) = split_exponent(scientific.bytes());
    let mut significant = [0; PRECISION_MAX];
    let mut count = 0;
    for &digit in mantissa.iter().filter(|byte| byte.is_ascii_digit()) {
        significant[count] = digit;
        count += 1;
    }
    while count > 1 && significant[count - 1] == b'0' {
        count -= 1;
    }
    let significant = &significant[..count];
    if number.is_sign_negative() {
        digits.push(b'-');
    }
    if exponent < -4 || exponent >= precision as i32 {
        digits.push(significant[0]);
        if count > 1 {
            digits.push(b'.');
            digits.extend(&significant[1..]);
        }
        let _ = write!(digits, "e{}{:02}", if exponent < 0 { '-' } else { '+' }, exponent.unsigned_abs());
    } else if exponent < 0 {
        digits.extend(b"0.");
        digits.extend(&b"000"[..(-exponent - 1) as usize]);
        digits.extend(significant);
    } else {
        let whole = exponent as usize + 1;
        digits.extend(&significant[..whole.min(count)]);
        (count..whole).for_each(|_| digits.push(b'0'));
        if count > whole {
            digits.push(b'.');
            digits.extend(&significant[whole..]);
        }
    }
}

/// Splits what `{:e}` writes.
fn split_exponent(text: &[u8]) -> (&[u8], i32) {
    let at = text.iter().position(|&byte| byte == b'e').unwrap_or(text.len());
    let exponent = text.get(at + 1..).and_then(|it| str::from_utf8(it).ok()).and_then(|it| it.parse().ok());
    (&text[..at], exponent.unwrap_or(0))
}

/// Reads the number that `text` begins with, as `strtod` does: also with a plus, hexadecimal, infinite or not a number. Returns it and how
/// many bytes it is; none if there is no number.
///
/// `text` ends in a zero.
pub fn parse(text: &[u8]) -> Option<(f64, usize)> {
    debug_assert!(text.ends_with(&[0]));
    let decimal = scan_decimal(text);
    if let Some(decimal) = &decimal {
        if let Some(number) = decimal.exact() {
            return Some((number, decimal.length));
        }
        // Rust reads every decimal as strtod does, and faster.
        if let Some(number) = str::from_utf8(&text[..decimal.length]).ok().and_then(|it| it.parse().ok()) {
            return Some((number, decimal.length));
        }
    }
    let start: *const c_char = text.as_ptr().cast();
    let mut end = start.cast_mut();
    // SAFETY: the text ends in a zero, and `end` comes back as an address within it.
    let (number, length) = unsafe {
        let number = strtod(start, &mut end);
        (number, end.offset_from(start))
    };
    (length > 0).then_some((number, length as usize))
}

/// A decimal number as it is written: `mantissa * 10^exponent`.
struct Decimal {
    negative: bool,
    mantissa: u64,
    exponent: i32,
    /// Whether all digits are in the mantissa.
    complete: bool,
    /// Bytes of its text.
    length: usize,
}

impl Decimal {
    /// The number, if that takes one exact operation.
    fn exact(&self) -> Option<f64> {
        if !self.complete || self.mantissa > 1 << 53 {
            return None;
        }
        let mantissa = self.mantissa as f64;
        let power = *POWERS_OF_TEN.get(self.exponent.unsigned_abs() as usize)?;
        let number = if self.exponent < 0 { mantissa / power } else { mantissa * power };
        Some(if self.negative { -number } else { number })
    }
}

/// Reads the text of a decimal number; none if it is something else that `strtod` may know.
fn scan_decimal(text: &[u8]) -> Option<Decimal> {
    let mut at = usize::from(matches!(text[0], b'-' | b'+'));
    let mut decimal = Decimal { negative: text[0] == b'-', mantissa: 0, exponent: 0, complete: true, length: 0 };
    let whole = scan_digits(&text[at..], &mut decimal);
    at += whole;
    if whole == 0 || (whole == 1 && text[at - 1] == b'0' && text[at] | 0x20 == b'x') {
        return None;
    }
    if text[at] == b'.' {
        let places = scan_digits(&text[at + 1..], &mut decimal);
        at += 1 + places;
        decimal.exponent = -i32::try_from(places).ok()?;
    }
    if text[at] | 0x20 == b'e' {
        let sign = usize::from(matches!(text[at + 1], b'-' | b'+'));
        let mut exponent = Decimal { negative: false, mantissa: 0, exponent: 0, complete: true, length: 0 };
        let digits = scan_digits(&text[at + 1 + sign..], &mut exponent);
        if digits > 0 {
            let value = i32::try_from(exponent.mantissa).unwrap_or(i32::MAX);
            let value = if text[at + 1] == b'-' { -value } else { value };
            decimal.exponent = decimal.exponent.saturating_add(value);
            decimal.complete &= exponent.complete;
            at += 1 + sign + digits;
        }
    }
    decimal.length = at;
    Some(decimal)
}

/// Adds the digits that `text` begins with to the mantissa, and returns how many there are.
fn scan_digits(text: &[u8], decimal: &mut Decimal) -> usize {
    let mut count = 0;
    while text[count].is_ascii_digit() {
        if decimal.mantissa < u64::MAX / 10 - 1 {
            decimal.mantissa = decimal.mantissa * 10 + u64::from(text[count] - b'0');
        } else {
            decimal.complete = false;
        }
        count += 1;
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::ffi::c_int;
    use proptest::prelude::*;

    unsafe extern "C" {
        fn snprintf(buffer: *mut c_char, size: usize, format: *const c_char, ...) -> c_int;
    }

    fn printed(number: f64, precision: usize) -> Vec<u8> {
        let mut buffer = [0_u8; 64];
        // SAFETY: the buffer is as large as it says, and the format takes an int and a double.
        let length =
            unsafe { snprintf(buffer.as_mut_ptr().cast(), buffer.len(), c"%.*g".as_ptr(), precision as c_int, number) };
        buffer[..length as usize].to_vec()
    }

    fn check_format(number: f64) {
        for precision in 1..=PRECISION_MAX {
            if number.is_finite() {
                assert_eq!(format(number, precision).bytes(), printed(number, precision), "{number:e} {precision}");
            }
        }
    }

    fn check_parse(text: &[u8]) {
        let mut terminated = text.to_vec();
        terminated.push(0);
        let start: *const c_char = terminated.as_ptr().cast();
        let mut end = start.cast_mut();
        // SAFETY: the text ends in a zero.
        let (expected, length) = unsafe {
            let number = strtod(start, &mut end);
            (number, end.offset_from(start))
        };
        // The lexer of JSON gives this function nothing else.
        if !text.first().is_some_and(|it| b"+-0123456789iInN".contains(it)) {
            return;
        }
        match parse(&terminated) {
            None => assert_eq!(length, 0, "{}", text.escape_ascii()),
            Some((number, read)) => {
                assert_eq!(read as isize, length, "{}", text.escape_ascii());
                assert!(
                    number.to_bits() == expected.to_bits() || number.is_nan() && expected.is_nan(),
                    "{}",
                    text.escape_ascii()
                );
            }
        }
    }

    #[test]
    fn halves_round_to_even_as_in_c() {
        for number in
            [0.5, 1.5, 2.5, 0.125, 0.375, 1e14, 1e15, 123_456_789_012_345.5, 5e-324, f64::MAX, 1e-5, 0.0001, -0.0]
        {
            check_format(number);
            check_format(-number);
        }
    }

    #[test]
    fn numbers_read_as_strtod_reads_them() {
        for text in [
            "0",
            "-0",
            "1.",
            "1.e5",
            "1e",
            "1e+",
            "1e-5",
            "1E5",
            "0x",
            "0x1p3",
            "-0x.8",
            "+5",
            "-",
            "-.5",
            "-.",
            "inf",
            "-Infinity",
            "infinit",
            "nan(12)",
            "NaN",
            "01",
            "1e999",
            "1e-999",
            "-1e999",
            "9007199254740993",
            "18446744073709551616",
            "0.1e23",
            "1e22",
            "1e23",
            "123456789012345678901234567890",
            "1e99999999999999999999",
            "0e99999999999999999999",
            "1.00000000000000000000000000000000000001",
            "4.35",
            "0.000001",
            "1.5x",
            "12e3.5",
        ] {
            check_parse(text.as_bytes());
        }
    }

    proptest! {
        #[test]
        fn any_double_is_printed_as_in_c(bits in any::<u64>(), scaled in -1_000_000_000_i64..1_000_000_000, places in 0..9_usize) {
            check_format(f64::from_bits(bits));
            check_format(scaled as f64 / POWERS_OF_TEN[places]);
        }

        #[test]
        fn any_text_is_read_as_in_c(text in "[-+]?[0-9]{0,25}[.]?[0-9]{0,25}([eE][-+]?[0-9]{0,3})?[0-9a-fxpXP.]{0,3}") {
            check_parse(text.as_bytes());
        }
    }
}
