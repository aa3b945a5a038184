//! The small grammars of configuration: a line into words, a word into a number.
//!
//! A line is cut as Redis cuts it: words between white space, `"..."` with the escapes `\n \r \t \b \a \xHH`
//! and `\` before any other byte, `'...'` in which only `\'` is special. A closing quote must be followed by
//! white space or by the end. Numbers are as strict as Redis's: no leading zeros, plus signs or blanks.

/// A line whose quotes do not close, or close in the middle of a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnbalancedQuotes;

/// Cuts a line into its words. An empty line has none; comments are the caller's business.
pub fn parse_line(line: &[u8]) -> Result<Vec<Vec<u8>>, UnbalancedQuotes> {
    let mut words = Vec::new();
    let mut rest = line;
    loop {
        while let [first, tail @ ..] = rest
            && is_blank(*first)
        {
            rest = tail;
        }
        if rest.is_empty() || rest[0] == 0 {
            return Ok(words);
        }
        let (word, tail) = parse_word(rest)?;
        words.push(word);
        rest = tail;
    }
}

/// White space as C's `isspace` sees it: with the vertical tab, which Rust's `is_ascii_whitespace` leaves out.
pub(super) fn is_blank(byte: u8) -> bool {
    byte.is_ascii_whitespace() || byte == 0x0b
}

fn parse_word(line: &[u8]) -> Result<(Vec<u8>, &[u8]), UnbalancedQuotes> {
    let mut word = Vec::new();
    let mut rest = line;
    loop {
        match rest {
            [] | [0, ..] => return Ok((word, rest)),
            [first, ..] if is_blank(*first) => return Ok((word, rest)),
            [b'"', tail @ ..] => return close_quote(parse_double_quoted(word, tail)?),
            [b'\'', tail @ ..] => return close_quote(parse_single_quoted(word, tail)?),
            [first, tail @ ..] => {
                word.push(*first);
                rest = tail;
            }
        }
    }
}

/// Whatever follows a closing quote must not belong to the same word.
fn close_quote((word, rest): (Vec<u8>, &[u8])) -> Result<(Vec<u8>, &[u8]), UnbalancedQuotes> {
    match rest {
        [] => Ok((word, rest)),
        [first, ..] if is_blank(*first) => Ok((word, rest)),
        _ => Err(UnbalancedQuotes),
    }
}

fn parse_double_quoted(mut word: Vec<u8>, mut rest: &[u8]) -> Result<(Vec<u8>, &[u8]), UnbalancedQuotes> {
    loop {
        let (byte, tail) = match rest {
            [] => return Err(UnbalancedQuotes),
            [b'"', tail @ ..] => return Ok((word, tail)),
            [b'\\', b'x', high, low, tail @ ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                (hex_digit(*high) * 16 + hex_digit(*low), tail)
            }
            [b'\\', escaped, tail @ ..] => (unescape(*escaped), tail),
            [byte, tail @ ..] => (*byte, tail),
        };
        word.push(byte);
        rest = tail;
    }
}

fn parse_single_quoted(mut word: Vec<u8>, mut rest: &[u8]) -> Result<(Vec<u8>, &[u8]), UnbalancedQuotes> {
    loop {
        let (byte, tail) = match rest {
            [] => return Err(UnbalancedQuotes),
            [b'\'', tail @ ..] => return Ok((word, tail)),
            [b'\\', b'\'', tail @ ..] => (b'\'', tail),
            [byte, tail @ ..] => (*byte, tail),
        };
        word.push(byte);
        rest = tail;
    }
}

fn unescape(byte: u8) -> u8 {
    match byte {
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'b' => 0x08,
        b'a' => 0x07,
        other => other,
    }
}

fn hex_digit(byte: u8) -> u8 {
    match byte {
        b'0'..=b'9' => byte - b'0',
        _ => byte.to_ascii_lowercase() - b'a' + 10,
    }
}

/// A signed decimal number without any decoration; `None` for everything else and for what 64 bits cannot hold.
pub(super) fn parse_integer(word: &[u8]) -> Option<i64> {
    let digits = word.strip_prefix(b"-").unwrap_or(word);
    let is_plain = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    let is_canonical = digits[..digits.len().min(1)] != *b"0" || word == b"0";
    if !is_plain || !is_canonical {
        return None;
    }
    str::from_utf8(word).ok()?.parse().ok()
}

/// A file mode in base 8.
pub(super) fn parse_octal(word: &[u8]) -> Option<u64> {
    if word.is_empty() || !word.iter().all(u8::is_ascii_digit) {
        return None;
    }
    u64::from_str_radix(str::from_utf8(word).ok()?, 8).ok()
}

/// A number of bytes: digits and one of the units b, k, kb, m, mb, g, gb. A number too big for 64 bits is
/// taken as the biggest there is, and no digits as 0, so that the range check that follows refuses them.
pub fn parse_memory_bytes(word: &[u8]) -> Option<u64> {
    let digits_len = word.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (digits, unit) = word.split_at(digits_len);
    let factor: u64 = match unit.to_ascii_lowercase().as_slice() {
        b"" | b"b" => 1,
        b"k" => 1000,
        b"kb" => 1 << 10,
        b"m" => 1_000_000,
        b"mb" => 1 << 20,
        b"g" => 1_000_000_000,
        b"gb" => 1 << 30,
        _ => return None,
    };
    let number =
        digits.iter().fold(0u64, |number, digit| number.saturating_mul(10).saturating_add(u64::from(digit - b'0')));
    Some(number.saturating_mul(factor))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<String> {
        let words = parse_line(line.as_bytes()).expect("a line that parses");
        words.into_iter().map(|word| String::from_utf8(word).expect("text")).collect()
    }

    #[test]
    fn plain_words() {
        assert_eq!(words("port 6379"), ["port", "6379"]);
        assert_eq!(words("  bind\t127.0.0.1   ::1 \r\n"), ["bind", "127.0.0.1", "::1"]);
        assert!(words("  \t ").is_empty());
    }

    #[test]
    fn quotes() {
        assert_eq!(words(r#"save """#), ["save", ""]);
        assert_eq!(words(r#"a "b c" 'd "e'"#), ["a", "b c", "d \"e"]);
        assert_eq!(words(r#"a "\x41\n\t\"\\\q""#), ["a", "A\n\t\"\\q"]);
        assert_eq!(words(r"a 'it\'s \n'"), ["a", r"it's \n"]);
        assert_eq!(words(r#"a b"c d""#), ["a", "bc d"]);
        assert_eq!(words(r#"a "\xzz""#), ["a", "xzz"]);
    }

    #[test]
    fn quotes_that_do_not_close() {
        for line in ["a \"b", "a 'b", "a \"b\"c", "a 'b'c", "a \"", "a \"b\\\"", "a \"b\"\"c\""] {
            assert_eq!(parse_line(line.as_bytes()), Err(UnbalancedQuotes), "{line}");
        }
    }

    #[test]
    fn integers_are_strict() {
        assert_eq!(parse_integer(b"0"), Some(0));
        assert_eq!(parse_integer(b"-12"), Some(-12));
        assert_eq!(parse_integer(b"9223372036854775807"), Some(i64::MAX));
        assert_eq!(parse_integer(b"-9223372036854775808"), Some(i64::MIN));
        for bad in ["", "-", "-0", "01", "+1", " 1", "1 ", "0x10", "1k", "9223372036854775808"] {
            assert_eq!(parse_integer(bad.as_bytes()), None, "{bad:?}");
        }
    }

    #[test]
    fn memory_units() {
        assert_eq!(parse_memory_bytes(b"1048576b"), Some(1 << 20));
        assert_eq!(parse_memory_bytes(b"1k"), Some(1000));
        assert_eq!(parse_memory_bytes(b"1KB"), Some(1024));
        assert_eq!(parse_memory_bytes(b"3m"), Some(3_000_000));
        assert_eq!(parse_memory_bytes(b"3Mb"), Some(3 << 20));
        assert_eq!(parse_memory_bytes(b"2g"), Some(2_000_000_000));
        assert_eq!(parse_memory_bytes(b"2GB"), Some(2 << 30));
        assert_eq!(parse_memory_bytes(b""), Some(0));
        assert_eq!(parse_memory_bytes(b"mb"), Some(0));
        assert_eq!(parse_memory_bytes(b"99999999999999999999gb"), Some(u64::MAX));
        for bad in ["-1", "1.5gb", "10%", "1xx", " 1", "1 kb"] {
            assert_eq!(parse_memory_bytes(bad.as_bytes()), None, "{bad:?}");
        }
    }

    #[test]
    fn octal_modes() {
        assert_eq!(parse_octal(b"700"), Some(0o700));
        assert_eq!(parse_octal(b"0"), Some(0));
        assert_eq!(parse_octal(b"999"), None);
        assert_eq!(parse_octal(b""), None);
        assert_eq!(parse_octal(b"-7"), None);
    }
}
