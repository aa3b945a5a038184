//! Words of a manifest's line: quoted as Redis' `sdscatrepr` writes them, split as its `sdssplitargs` reads them.
//!
//! ```text
//!   plain   "with \"escapes\" \x0a"   'only \' is one'
//! ```

/// Appends a word, in quotes if it needs them.
pub(super) fn put_word(out: &mut Vec<u8>, word: &[u8]) {
    // Redis does not quote for a single quote, and could then not read the word back.
    let needs_quotes = |byte: &u8| !byte.is_ascii_graphic() || matches!(byte, b'\\' | b'"' | b'\'');
    if !word.is_empty() && !word.iter().any(needs_quotes) {
        out.extend_from_slice(word);
        return;
    }
    out.push(b'"');
    for &byte in word {
        match byte {
            b'\\' | b'"' => out.extend_from_slice(&[b'\\', byte]),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            7 => out.extend_from_slice(b"\\a"),
            8 => out.extend_from_slice(b"\\b"),
            b' '..=b'~' => out.push(byte),
            _ => out.extend_from_slice(format!("\\x{byte:02x}").as_bytes()),
        }
    }
    out.push(b'"');
}

/// Splits a line into words. `None`: a quote is not closed, or something other than a space follows a closed one.
pub(super) fn split(line: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut words = Vec::new();
    let mut rest = line;
    loop {
        rest = rest.trim_ascii_start();
        if rest.is_empty() {
            return Some(words);
        }
        let (word, after) = take_word(rest)?;
        words.push(word);
        rest = after;
    }
}

fn take_word(line: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let mut word = Vec::new();
    let mut rest = line;
    while let Some((&byte, after)) = rest.split_first() {
        match byte {
            b' ' | b'\n' | b'\r' | b'\t' => break,
            // A quoted part ends the word: nothing but a space may follow it.
            b'"' | b'\'' => {
                let after = take_quoted(after, byte, &mut word)?;
                let ends = after.first().is_none_or(u8::is_ascii_whitespace);
                return ends.then_some((word, after));
            }
            _ => word.push(byte),
        }
        rest = after;
    }
    Some((word, rest))
}

/// Reads up to the closing quote, and gives what follows it.
fn take_quoted<'a>(mut rest: &'a [u8], quote: u8, word: &mut Vec<u8>) -> Option<&'a [u8]> {
    loop {
        let (&byte, after) = rest.split_first()?;
        rest = after;
        match byte {
            _ if byte == quote => return Some(rest),
            b'\\' if quote == b'"' => rest = take_escape(rest, word)?,
            b'\\' if rest.first() == Some(&b'\'') => {
                word.push(b'\'');
                rest = &rest[1..];
            }
            _ => word.push(byte),
        }
    }
}

fn take_escape<'a>(rest: &'a [u8], word: &mut Vec<u8>) -> Option<&'a [u8]> {
    if let [b'x', high, low, after @ ..] = rest
        && let (Some(high), Some(low)) = (hex_digit(*high), hex_digit(*low))
    {
        word.push(high * 16 + low);
        return Some(after);
    }
    let (&byte, after) = rest.split_first()?;
    word.push(match byte {
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'b' => 8,
        b'a' => 7,
        other => other,
    });
    Some(after)
}

fn hex_digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).map(|digit| digit as u8)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn words(line: &str) -> Option<Vec<String>> {
        Some(split(line.as_bytes())?.into_iter().map(|word| String::from_utf8_lossy(&word).into_owned()).collect())
    }

    #[test]
    fn lines_split_as_in_redis() {
        assert_eq!(words(" a  b\t"), Some(vec!["a".into(), "b".into()]));
        assert_eq!(words(r#""a b\x41\n" 'c\'\d'"#), Some(vec!["a bA\n".into(), "c'\\d".into()]));
        assert_eq!(words(r#"a"b""#), Some(vec!["ab".into()]));
        for bad in [r#""a"#, r#""a"b"#, "'a", r#""a\"#] {
            assert_eq!(words(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(list in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..9), 0..5)) {
            let mut line = Vec::new();
            for word in &list {
                put_word(&mut line, word);
                line.push(b' ');
            }
            prop_assert_eq!(split(&line), Some(list));
        }
    }
}
