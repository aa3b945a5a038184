//! The arguments of one request without copying them: a slice of bytes and a slice of spans into it.
//!
//! ```text
//!   bytes  *2\r\n$3\r\nGET\r\n$3\r\nkey\r\n
//!                     ^^^        ^^^
//!   spans           {8, 3}     {17, 3}
//! ```

use std::ops::Range;

/// A stretch of bytes inside a request. `u32` keeps a span at eight bytes; the parser refuses requests of 4 GiB and more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Offset of the first byte.
    pub start: u32,
    /// Length in bytes.
    pub len: u32,
}

const _: () = assert!(size_of::<Span>() == 8);

/// The arguments of one request, as spans of the bytes they arrived in.
///
/// The command's name is argument 0. A request may have no arguments at all (an empty line, `*0`).
#[derive(Clone, Copy)]
pub struct Args<'a> {
    bytes: &'a [u8],
    spans: &'a [Span],
}

impl<'a> Args<'a> {
    /// Arguments at `spans` of `bytes`. A span that does not lie inside `bytes` panics when it is read.
    #[inline]
    pub const fn new(bytes: &'a [u8], spans: &'a [Span]) -> Self {
        Self { bytes, spans }
    }

    /// The number of arguments, the command's name included.
    #[inline]
    pub fn len(&self) -> usize {
        self.spans.len()
    }

    /// Whether there is not even a command name.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// Argument `index`; panics when there are not that many.
    #[inline]
    pub fn get(&self, index: usize) -> &'a [u8] {
        slice(self.bytes, self.spans[index])
    }

    /// The command's name, as the client wrote it; panics on an empty request.
    #[inline]
    pub fn name(&self) -> &'a [u8] {
        self.get(0)
    }

    /// All arguments in order.
    #[inline]
    pub fn iter(&self) -> Iter<'a> {
        Iter { bytes: self.bytes, spans: self.spans.iter() }
    }

    /// The arguments without the first `skipped`; panics when there are fewer than that.
    #[inline]
    pub fn from(&self, skipped: usize) -> Args<'a> {
        Args { bytes: self.bytes, spans: &self.spans[skipped..] }
    }

    /// The arguments at `indexes`; panics when the range reaches past the end.
    #[inline]
    pub fn range(&self, indexes: Range<usize>) -> Args<'a> {
        Args { bytes: self.bytes, spans: &self.spans[indexes] }
    }

    /// The bytes of the whole request, if they begin with it and are what [`write_request`](crate::write_request) would make of these
    /// arguments: as clients send it, and not a line that somebody has typed, or one with numbers or ends of lines of its own kind.
    #[inline]
    pub fn encoded(&self) -> Option<&'a [u8]> {
        let mut end = after_length(self.bytes, 0, b'*', self.spans.len())?;
        for span in self.spans {
            let start = after_length(self.bytes, end, b'$', span.len as usize)?;
            if start != span.start as usize {
                return None;
            }
            end = after(self.bytes, start + span.len as usize, *b"\r\n")?;
        }
        Some(&self.bytes[..end])
    }

    /// The bytes the spans point into.
    #[inline]
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Where each argument lies in [`Args::bytes`].
    #[inline]
    pub fn spans(&self) -> &'a [Span] {
        self.spans
    }
}

impl std::fmt::Debug for Args<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_list().entries(self.iter().map(|argument| argument.escape_ascii().to_string())).finish()
    }
}

impl<'a> IntoIterator for Args<'a> {
    type Item = &'a [u8];
    type IntoIter = Iter<'a>;

    #[inline]
    fn into_iter(self) -> Iter<'a> {
        self.iter()
    }
}

/// Iterates the arguments of a request; see [`Args::iter`].
#[derive(Clone)]
pub struct Iter<'a> {
    bytes: &'a [u8],
    spans: std::slice::Iter<'a, Span>,
}

impl<'a> Iterator for Iter<'a> {
    type Item = &'a [u8];

    #[inline]
    fn next(&mut self) -> Option<&'a [u8]> {
        self.spans.next().map(|span| slice(self.bytes, *span))
    }

    #[inline]
    fn size_hint(&self) -> (usize, Option<usize>) {
        self.spans.size_hint()
    }

    #[inline]
    fn nth(&mut self, skipped: usize) -> Option<&'a [u8]> {
        self.spans.nth(skipped).map(|span| slice(self.bytes, *span))
    }
}

impl ExactSizeIterator for Iter<'_> {}

impl DoubleEndedIterator for Iter<'_> {
    #[inline]
    fn next_back(&mut self) -> Option<Self::Item> {
        self.spans.next_back().map(|span| slice(self.bytes, *span))
    }
}

/// Where these bytes end, if they are here.
#[inline(always)]
fn after<const N: usize>(bytes: &[u8], start: usize, wanted: [u8; N]) -> Option<usize> {
    // Of a known number they are compared at once, without a call.
    let found = bytes.get(start..)?.first_chunk::<N>()?;
    (*found == wanted).then_some(start + N)
}

/// Where the line with this sign and this number ends, if it is here: `$5`.
#[inline(always)]
fn after_length(bytes: &[u8], start: usize, sign: u8, number: usize) -> Option<usize> {
    let digit = |number: usize| b'0' + (number % 10) as u8;
    match number {
        0..10 => after(bytes, start, [sign, digit(number), b'\r', b'\n']),
        10..100 => after(bytes, start, [sign, digit(number / 10), digit(number), b'\r', b'\n']),
        _ => after_long_length(bytes, start, sign, number),
    }
}

#[inline(never)]
fn after_long_length(bytes: &[u8], start: usize, sign: u8, number: usize) -> Option<usize> {
    let line = format!("{}{number}\r\n", char::from(sign));
    let is_here = bytes.get(start..).is_some_and(|rest| rest.starts_with(line.as_bytes()));
    is_here.then_some(start + line.len())
}

#[inline]
fn slice(bytes: &[u8], span: Span) -> &[u8] {
    &bytes[span.start as usize..][..span.len as usize]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn views_agree_with_the_spans() {
        let spans = [Span { start: 0, len: 1 }, Span { start: 1, len: 2 }, Span { start: 3, len: 0 }];
        let args = Args::new(b"abc", &spans);
        assert_eq!((args.len(), args.is_empty(), args.name()), (3, false, &b"a"[..]));
        assert_eq!(args.iter().collect::<Vec<_>>(), [&b"a"[..], b"bc", b""]);
        assert_eq!(args.iter().rev().collect::<Vec<_>>(), [&b""[..], b"bc", b"a"]);
        assert_eq!(args.iter().len(), 3);
        assert_eq!(args.from(1).iter().collect::<Vec<_>>(), [&b"bc"[..], b""]);
        assert_eq!(args.range(1..2).get(0), b"bc");
        assert!(args.from(3).is_empty());
        assert_eq!(format!("{args:?}"), r#"["a", "bc", ""]"#);
    }

    #[test]
    fn a_request_is_taken_as_it_came_only_if_it_is_what_would_be_written() {
        let encoded = |input: &[u8]| {
            let mut parser = crate::Parser::default();
            let crate::Parsed::Complete { consumed } = parser.parse(input, &crate::Limits::default()) else {
                panic!("{} is a request", input.escape_ascii())
            };
            let args = parser.args(input);
            let mut written = Vec::new();
            crate::write_request(&mut written, &args.iter().collect::<Vec<_>>());
            let found = args.encoded().map(<[u8]>::to_vec);
            assert_eq!(found.is_some(), written == input[..consumed], "{}", input.escape_ascii());
            assert!(found.is_none_or(|found| found == written), "{}", input.escape_ascii());
            args.encoded().is_some()
        };
        let long = |len: usize| format!("*2\r\n$4\r\nECHO\r\n${len}\r\n{}\r\n", "x".repeat(len));
        for len in [0, 1, 9, 10, 11, 99, 100, 101, 1000, 12345] {
            assert!(encoded(long(len).as_bytes()));
            assert!(encoded(format!("{}*1\r\n$4\r\nPING\r\n", long(len)).as_bytes()), "the next one is not looked at");
        }
        for many in [1, 9, 10, 100] {
            assert!(encoded(format!("*{many}\r\n{}", "$1\r\na\r\n".repeat(many)).as_bytes()));
        }
        for other in
            ["set a b\r\n", "set 'a' b\r\n", "*1\r\n$4\r\nPINGxy", "*1\rx$4\r\nPING\r\n", "*1\r\n$4\rxPING\r\n"]
        {
            assert!(!encoded(other.as_bytes()), "{other:?}");
        }
        let input = b"*2\r\n$1\r\na\r\n$1\r\nb\r\n";
        let spans = [Span { start: 8, len: 1 }, Span { start: 15, len: 1 }];
        assert_eq!(Args::new(input, &spans).encoded(), Some(&input[..]));
        assert_eq!(Args::new(input, &spans[..1]).encoded(), None, "a part of it");
        assert_eq!(Args::new(input, &spans[1..]).encoded(), None, "a part of it");
        assert_eq!(Args::new(&input[4..], &spans).encoded(), None);
        assert_eq!(Args::new(b"", &[]).encoded(), None);
        assert_eq!(Args::new(&input[..17], &spans).encoded(), None, "its end is missing");
    }

    #[test]
    #[should_panic(expected = "out of bounds")]
    fn reading_past_the_end_panics() {
        Args::new(b"", &[]).name();
    }
}
