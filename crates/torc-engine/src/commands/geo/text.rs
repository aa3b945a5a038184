//! Coordinates and distances as replies show them.

use torc_resp::{Protocol, Reply};

use super::grid::Position;

/// Fractional digits of a coordinate, before zeros at the end are left out.
const COORDINATE_DIGITS: usize = 17;
/// Enough for the sign, three digits, the point and the fraction.
const TEXT_MAX: usize = 24;

/// Writes a distance: four fractional digits, as a string in both protocols.
pub fn write_distance(distance: f64, reply: &mut Reply<'_>) {
    // Distances on earth in any unit are far below 2^63 / 10^4.
    let scaled = (distance * 10_000.0).round_ties_even() as u64;
    let mut text = [0; TEXT_MAX];
    let mut at = TEXT_MAX;
    let mut rest = scaled;
    let mut digits = 0;
    while digits < 5 || rest > 0 {
        at -= 1;
        text[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        digits += 1;
        if digits == 4 {
            at -= 1;
            text[at] = b'.';
        }
    }
    reply.bulk(&text[at..]);
}

/// Writes a pair of longitude and latitude.
pub fn write_position(position: Position, reply: &mut Reply<'_>) {
    reply.array(2);
    write_coordinate(position.longitude, reply);
    write_coordinate(position.latitude, reply);
}

/// Writes a coordinate exactly, with up to 17 fractional digits: a string in RESP2, a double in RESP3.
fn write_coordinate(degrees: f64, reply: &mut Reply<'_>) {
    let mut buffer = [0; TEXT_MAX];
    let text = coordinate(degrees, &mut buffer);
    match reply.protocol() {
        Protocol::Resp2 => reply.bulk(text),
        Protocol::Resp3 => {
            let out = reply.buffer();
            out.push(b',');
            out.extend_from_slice(text);
            out.extend_from_slice(b"\r\n");
        }
    }
}

/// The text of a coordinate, at most 180 in magnitude.
fn coordinate(degrees: f64, buffer: &mut [u8; TEXT_MAX]) -> &[u8] {
    assert!(degrees.abs() < 1000.0, "a coordinate");
    let magnitude = degrees.abs();
    let mut whole = magnitude as u64;
    let mut fraction = fraction_digits(magnitude - whole as f64);
    if fraction == 10_u64.pow(COORDINATE_DIGITS as u32) {
        (whole, fraction) = (whole + 1, 0);
    }
    let is_negative = degrees < 0.0 && (whole, fraction) != (0, 0);
    let mut at = TEXT_MAX;
    let mut end = TEXT_MAX;
    for digit in 0..COORDINATE_DIGITS {
        at -= 1;
        buffer[at] = b'0' + (fraction % 10) as u8;
        if buffer[at] == b'0' && end == TEXT_MAX - digit {
            end = at;
        }
        fraction /= 10;
    }
    at -= 1;
    buffer[at] = b'.';
    if end == at + 1 {
        end = at;
    }
    while whole > 0 || buffer[at] == b'.' {
        at -= 1;
        buffer[at] = b'0' + (whole % 10) as u8;
        whole /= 10;
    }
    if is_negative {
        at -= 1;
        buffer[at] = b'-';
    }
    &buffer[at..end]
}

/// A fraction below 1 times 10^17, rounded to the nearest integer, a tie to the even one.
fn fraction_digits(fraction: f64) -> u64 {
    let (mantissa, shift) = parts(fraction);
    // Below 2^110.
    let product = u128::from(mantissa) * 10_u128.pow(COORDINATE_DIGITS as u32);
    if shift >= u128::BITS {
        return 0;
    }
    let (digits, rest, half) = ((product >> shift) as u64, product & ((1 << shift) - 1), 1_u128 << (shift - 1));
    let is_up = rest > half || (rest == half && digits % 2 == 1);
    digits + u64::from(is_up)
}

/// The integers for which a number from 0 to 1, without 1, is `mantissa / 2^shift`.
fn parts(value: f64) -> (u64, u32) {
    let bits = value.to_bits();
    let (exponent, fraction) = ((bits >> 52) as u32, bits & ((1 << 52) - 1));
    if exponent == 0 { (fraction, 1074) } else { (fraction | (1 << 52), 1075 - exponent) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use torc_resp::OutputBuffer;

    use super::*;

    fn coordinate_text(degrees: f64) -> String {
        String::from_utf8(coordinate(degrees, &mut [0; TEXT_MAX]).to_vec()).expect("ASCII")
    }

    /// By the standard library, which is exact and slow.
    fn expected(degrees: f64) -> String {
        let text = format!("{degrees:.17}");
        let text = text.trim_end_matches('0').trim_end_matches('.');
        if text == "-0" { "0".to_owned() } else { text.to_owned() }
    }

    fn distance_text(distance: f64) -> String {
        let mut out = OutputBuffer::new();
        write_distance(distance, &mut Reply::new(&mut out, Protocol::Resp2));
        String::from_utf8(out.into_vec()).expect("ASCII")
    }

    #[test]
    fn coordinates_are_exact() {
        assert_eq!(coordinate_text(13.361389338970184), "13.36138933897018433");
        assert_eq!(coordinate_text(38.1155563954963), "38.11555639549629859");
        for degrees in
            [0.0, -0.0, 180.0, -180.0, 0.5, -0.5, 100.0, 1e-17, 5e-18, -1e-300, 0.1, -85.05112878, 5e-324, 1e-9]
        {
            assert_eq!(coordinate_text(degrees), expected(degrees), "{degrees:e}");
        }
        assert_eq!(coordinate_text(0.999_999_999_999_999_9), expected(0.999_999_999_999_999_9));
    }

    #[test]
    fn distances_have_four_digits() {
        assert_eq!(distance_text(0.0), "$6\r\n0.0000\r\n");
        assert_eq!(distance_text(166274.15156960033), "$11\r\n166274.1516\r\n");
        assert_eq!(distance_text(0.00004), "$6\r\n0.0000\r\n");
        assert_eq!(distance_text(9.99996), "$7\r\n10.0000\r\n");
    }

    proptest! {
        #[test]
        fn coordinates_match_the_standard_library(degrees in -180.0..180.0, scale in 0..60_u32) {
            let degrees = degrees / (1_u64 << scale) as f64;
            prop_assert_eq!(coordinate_text(degrees), expected(degrees));
        }

        #[test]
        fn distances_are_rounded(distance in 0.0..7e7) {
            let text = distance_text(distance);
            let (_, shown) = text.trim_end().split_once("\r\n").expect("a string has a length");
            prop_assert_eq!(shown.len() - shown.find('.').expect("a point"), 5);
            // Scaling may round by itself where the nearest texts are equally near.
            let shown: f64 = shown.parse().expect("a number");
            prop_assert!((shown - distance).abs() <= 0.000_05 + 1e-7, "{} {}", shown, distance);
        }
    }
}
