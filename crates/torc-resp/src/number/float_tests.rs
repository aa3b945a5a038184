//! Tests of float parsing and printing, checked against values a Redis server gives.

use proptest::prelude::*;

use super::*;

fn text(value: f64) -> String {
    let mut out = Vec::new();
    format_f64(value, &mut out);
    String::from_utf8(out).expect("digits")
}

#[test]
fn accepted_as_strtod_accepts() {
    let table: &[(&str, f64)] = &[
        ("0", 0.0),
        ("-0", -0.0),
        ("1", 1.0),
        ("+1", 1.0),
        ("5.", 5.0),
        (".5", 0.5),
        ("-1.5e3", -1500.0),
        ("1E+2", 100.0),
        ("01", 1.0),
        ("0e999999", 0.0),
        ("4e-324", 5e-324),
        ("1.7976931348623157e308", f64::MAX),
        ("inf", f64::INFINITY),
        ("+INF", f64::INFINITY),
        ("-inf", f64::NEG_INFINITY),
        ("Infinity", f64::INFINITY),
        ("0x10", 16.0),
        ("0x1.8p3", 12.0),
        ("-0X1P+3", -8.0),
        ("0x.8", 0.5),
        ("0x1p-1074", 5e-324),
        ("0x1.8p-1075", 5e-324),
        ("0x1.8p-1074", 1e-323),
        ("0x0p99999", 0.0),
        ("0x1.fffffffffffffp1023", f64::MAX),
        ("0x1.00000000000008", 1.0),
        ("0x1.000000000000080000000001", 1.0 + f64::EPSILON),
        ("0x1.00000000000018", 1.0 + 2.0 * f64::EPSILON),
        ("0xffffffffffffffffffff", 1_208_925_819_614_629_174_706_175.0),
    ];
    for (text, value) in table {
        assert_eq!(parse_f64(text.as_bytes()).map(f64::to_bits), Some(value.to_bits()), "{text}");
    }
}

#[test]
fn refused_as_redis_refuses() {
    let table = [
        "",
        " 1",
        "1 ",
        "nan",
        "-nan",
        "nan(1)",
        "infinit",
        "+",
        "-",
        "+-1",
        ".",
        "1e",
        "1e+",
        "e5",
        "0x",
        "0x.",
        "0x1p",
        "0x1p+",
        "0xg",
        "0x1.2.3",
        "1.2.3",
        "1_0",
        "1f",
        "1e400",
        "-1e400",
        "1e-400",
        "2e-324",
        "0x1p-1075",
        "0x1p1024",
        "0x1.fffffffffffff8p1023",
        "0x1p99999999999999999999",
        "0x1p-99999999999999999999",
        "--1",
        "\u{661}",
        "1\0",
    ];
    for text in table {
        assert_eq!(parse_f64(text.as_bytes()), None, "{text:?}");
    }
    assert_eq!(parse_f64(b"1\xff"), None);
}

#[test]
fn printed_as_redis_prints() {
    let table: &[(f64, &str)] = &[
        (0.0, "0"),
        (-0.0, "-0"),
        (17.0, "17"),
        (-3.0, "-3"),
        (1.5, "1.5"),
        (0.1, "0.1"),
        (2.345_678_901_234_567, "2.345678901234567"),
        (100_000_000.0, "100000000"),
        (1e17, "100000000000000000"),
        (4_611_686_018_427_387_904.0, "4611686018427387904"),
        (1e19, "1e+19"),
        (1e20, "1e+20"),
        (-1e20, "-1e+20"),
        (1.25e200, "1.25e+200"),
        (1.234_567_890_123_456_7e19, "12345678901234567000"),
        (0.001, "0.001"),
        (0.000_001, "0.000001"),
        (0.000_000_1, "1e-7"),
        (0.001_234_567_89, "0.00123456789"),
        (0.000_123_456_789, "1.23456789e-4"),
        (0.000_12, "0.00012"),
        (1_700_000_000.123_456, "1700000000.123456"),
        (12_345_678.123_456_79, "1.234567812345679e+7"),
        (0.000_012_345_678_9, "1.23456789e-5"),
        (5e-324, "5e-324"),
        (f64::MAX, "1.7976931348623157e+308"),
        (-1.25e-300, "-1.25e-300"),
        (f64::INFINITY, "inf"),
        (f64::NEG_INFINITY, "-inf"),
        (f64::NAN, "nan"),
    ];
    for (value, expected) in table {
        assert_eq!(text(*value), *expected);
    }
}

proptest! {
    #[test]
    fn floats_round_trip(bits: u64) {
        let value = f64::from_bits(bits);
        if !value.is_nan() {
            prop_assert_eq!(parse_f64(text(value).as_bytes()).map(f64::to_bits), Some(bits));
        }
    }

    #[test]
    fn hexadecimal_reads_back_exactly(bits in 1_u64..0x7ff0_0000_0000_0000) {
        let mantissa = bits & ((1 << 52) - 1) | u64::from(bits >> 52 != 0) << 52;
        let exponent = (bits >> 52).max(1) as i64 - 1075;
        let text = format!("0x{mantissa:x}p{exponent}");
        prop_assert_eq!(parse_f64(text.as_bytes()).map(f64::to_bits), Some(bits));
        // The same value with more digits than fit the mantissa, nudged above the tie by a digit far to the right.
        let padded = format!("0x{mantissa:x}{}p{}", "0".repeat(30), exponent - 120);
        prop_assert_eq!(parse_f64(padded.as_bytes()).map(f64::to_bits), Some(bits));
    }

    #[test]
    fn garbage_never_panics(text in proptest::collection::vec(any::<u8>(), 0..40)) {
        let _ = parse_f64(&text);
    }

    #[test]
    fn number_like_garbage_never_panics(text in "[-+]?(0x)?[0-9a-f.]{0,20}([ep][-+]?[0-9]{0,6})?") {
        let _ = parse_f64(text.as_bytes());
    }
}
