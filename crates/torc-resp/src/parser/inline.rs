//! Requests as people type them into a raw connection: words separated by blanks, quoted where they hold blanks themselves.
//!
//! ```text
//!   SET greeting "hello\r\n\x41"   double quotes: \n \r \t \b \a \xHH, any other escaped byte stands for itself
//!   SET greeting 'it\'s'           single quotes: only \' is special
//! ```
//! A quote may open in the middle of a word, but a closing one must end it.

use crate::args::Span;

/// A quote that does not close, or that closes in the middle of a word.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unbalanced;

/// The words of a line, quoted or not. `None`: a quote does not close, or closes in the middle of a word.
pub fn split_words(line: &[u8]) -> Option<Vec<Vec<u8>>> {
    let (mut spans, mut decoded) = (Vec::new(), Vec::new());
    split_quoted(line, &mut spans, &mut decoded).ok()?;
    let word = |span: &Span| decoded[span.start as usize..][..span.len as usize].to_vec();
    Some(spans.iter().map(word).collect())
}

/// Whether the words of `line` stand in it as they are meant.
pub(super) fn is_plain(line: &[u8]) -> bool {
    !line.iter().any(|byte| matches!(byte, b'"' | b'\''))
}

/// Finds the words of a plain line.
pub(super) fn split_plain(line: &[u8], spans: &mut Vec<Span>) {
    let mut position = 0;
    while let Some(start) = next_word(line, position) {
        let end = line[start..].iter().position(|byte| ends_word(*byte)).map_or(line.len(), |len| start + len);
        spans.push(Span { start: start as u32, len: (end - start) as u32 });
        position = end;
    }
}

/// Appends the words of a line with quotes to `decoded`, and to `spans` where they stand in there.
pub(super) fn split_quoted(line: &[u8], spans: &mut Vec<Span>, decoded: &mut Vec<u8>) -> Result<(), Unbalanced> {
    let mut position = 0;
    while let Some(start) = next_word(line, position) {
        let decoded_start = decoded.len();
        position = decode_word(line, start, decoded)?;
        spans.push(Span { start: decoded_start as u32, len: (decoded.len() - decoded_start) as u32 });
    }
    Ok(())
}

/// Decodes the word that begins at `position` and returns where it ends.
fn decode_word(line: &[u8], mut position: usize, decoded: &mut Vec<u8>) -> Result<usize, Unbalanced> {
    while let Some(byte) = line.get(position) {
        match byte {
            b'"' => return word_must_end(line, decode_double_quoted(line, position + 1, decoded)?),
            b'\'' => {
                return word_must_end(line, decode_single_quoted(line, position + 1, decoded)?);
            }
            byte if ends_word(*byte) => break,
            byte => decoded.push(*byte),
        }
        position += 1;
    }
    Ok(position)
}

/// `position` lies behind the opening quote; returns the offset behind the closing one.
fn decode_double_quoted(line: &[u8], mut position: usize, decoded: &mut Vec<u8>) -> Result<usize, Unbalanced> {
    loop {
        let (byte, len) = match &line[position..] {
            [] => return Err(Unbalanced),
            [b'"', ..] => return Ok(position + 1),
            [b'\\', b'x', high, low, ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                (nibble(*high) << 4 | nibble(*low), 4)
            }
            [b'\\', escaped, ..] => (unescape(*escaped), 2),
            [byte, ..] => (*byte, 1),
        };
        decoded.push(byte);
        position += len;
    }
}

/// As [`decode_double_quoted`], with fewer escapes.
fn decode_single_quoted(line: &[u8], mut position: usize, decoded: &mut Vec<u8>) -> Result<usize, Unbalanced> {
    loop {
        let (byte, len) = match &line[position..] {
            [] => return Err(Unbalanced),
            [b'\'', ..] => return Ok(position + 1),
            [b'\\', b'\'', ..] => (b'\'', 2),
            [byte, ..] => (*byte, 1),
        };
        decoded.push(byte);
        position += len;
    }
}

fn word_must_end(line: &[u8], position: usize) -> Result<usize, Unbalanced> {
    match line.get(position) {
        Some(byte) if !is_blank(*byte) => Err(Unbalanced),
        _ => Ok(position),
    }
}

fn next_word(line: &[u8], position: usize) -> Option<usize> {
    line[position..].iter().position(|byte| !is_blank(*byte)).map(|blanks| position + blanks)
}

/// What is skipped between words, and what may follow a closing quote.
fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | b'\x0b' | b'\x0c')
}

/// What ends a word without quotes. Vertical tab and form feed do not, although they are blanks before one.
fn ends_word(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

fn unescape(byte: u8) -> u8 {
    match byte {
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'b' => b'\x08',
        b'a' => b'\x07',
        other => other,
    }
}

fn nibble(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        _ => (digit | 0x20) - b'a' + 10,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The words of a line, joined by `|`, or None when its quotes are unbalanced.
    fn words(line: &str) -> Option<String> {
        let (mut spans, mut decoded) = (Vec::new(), Vec::new());
        split_quoted(line.as_bytes(), &mut spans, &mut decoded).ok()?;
        let word = |span: &Span| decoded[span.start as usize..][..span.len as usize].escape_ascii().to_string();
        if is_plain(line.as_bytes()) {
            let mut plain = Vec::new();
            split_plain(line.as_bytes(), &mut plain);
            let plain: Vec<_> =
                plain.iter().map(|span| &line.as_bytes()[span.start as usize..][..span.len as usize]).collect();
            let decoded: Vec<_> =
                spans.iter().map(|span| &decoded[span.start as usize..][..span.len as usize]).collect();
            assert_eq!(plain, decoded, "both ways of splitting agree on plain lines");
        }
        Some(spans.iter().map(word).collect::<Vec<_>>().join("|"))
    }

    #[test]
    fn lines_are_split_as_redis_splits_them() {
        let table: &[(&str, Option<&str>)] = &[
            ("", Some("")),
            ("   ", Some("")),
            ("PING", Some("PING")),
            ("  GET \t key  ", Some("GET|key")),
            ("\x0bPING", Some("PING")),
            ("PING\x0b", Some("PING\\x0b")),
            ("a\x0cb", Some("a\\x0cb")),
            ("a\rb", Some("a|b")),
            (r"echo \x41", Some(r"echo|\\x41")),
            (r#""""#, Some("")),
            (r#"a "" b"#, Some("a||b")),
            (r#"foo"bar""#, Some("foobar")),
            (r#""a""b""#, None),
            (r#""a"b"#, None),
            ("\"a\"\x0b", Some("a")),
            (r#"""#, None),
            (r#""a\"#, None),
            (r#""a\""#, None),
            (r#""\x41\x7a\xfF""#, Some(r"Az\xff")),
            (r#""\x4""#, Some("x4")),
            (r#""\xZZ""#, Some("xZZ")),
            (r#""\n\r\t\b\a\q\\\"""#, Some(r#"\n\r\t\x08\x07q\\\""#)),
            ("'it\\'s \\n'", Some("it\\'s \\\\n")),
            ("'a", None),
            ("'a\\'", None),
            ("'a'b", None),
            ("it's", None),
        ];
        for (line, expected) in table {
            assert_eq!(words(line).as_deref(), *expected, "{line:?}");
        }
    }
}
