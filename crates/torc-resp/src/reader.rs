//! Replies from the outside: where one encoded value ends and what its elements are, for either protocol version.
//!
//! Merging the replies of several cores and reading a server's answers as a client both need the shape of a reply, not its
//! content, so nothing here builds a tree. Nesting is counted, not recursed into: a reply of any depth takes constant stack.

use crate::number;

/// The length in bytes of the first complete value in `bytes`: None while more bytes are needed, `Err` when it is no RESP.
/// RESP3 attributes count as part of the value they precede.
#[allow(clippy::result_unit_err, reason = "there is one way to fail and nothing to say about it")]
pub fn reply_len(bytes: &[u8]) -> Option<Result<usize, ()>> {
    // Values still to come before the outermost one is complete.
    let mut pending = 1_u64;
    let mut position = 0;
    while pending > 0 {
        let head = match Head::read(bytes, position)? {
            Ok(head) => head,
            Err(()) => return Some(Err(())),
        };
        position = head.end;
        if position > bytes.len() {
            return None;
        }
        pending = match pending.checked_add(head.children) {
            Some(total) => total - 1,
            None => return Some(Err(())),
        };
    }
    Some(Ok(position))
}

/// The top-level elements of an encoded array, set, push or map, each as its encoded bytes; a map yields keys and values in turn.
///
/// Meant for replies written by this program: it panics when the elements are cut off or malformed.
#[derive(Clone)]
pub struct Elements<'a> {
    rest: &'a [u8],
    remaining: usize,
}

impl<'a> Elements<'a> {
    /// The elements of `encoded`. None when it is not an aggregate, or a null one.
    pub fn new(encoded: &'a [u8]) -> Option<Self> {
        let marker = *encoded.first()?;
        if !matches!(marker, b'*' | b'~' | b'>' | b'%') {
            return None;
        }
        let head = Head::read(encoded, 0)?.ok()?;
        if encoded[1] == b'-' {
            return None;
        }
        Some(Self { rest: &encoded[head.end..], remaining: usize::try_from(head.children).ok()? })
    }

    /// The bytes behind the last element yielded so far.
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }
}

impl<'a> Iterator for Elements<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        if self.remaining == 0 {
            return None;
        }
        let len = reply_len(self.rest).and_then(Result::ok).expect("an aggregate holds the elements it announces");
        let (element, rest) = self.rest.split_at(len);
        self.rest = rest;
        self.remaining -= 1;
        Some(element)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.remaining, Some(self.remaining))
    }
}

impl ExactSizeIterator for Elements<'_> {}

/// The value of an encoded integer; None for every other type.
pub fn integer(encoded: &[u8]) -> Option<i64> {
    match encoded {
        [b':', digits @ .., b'\r', b'\n'] => number::parse_i64(digits),
        _ => None,
    }
}

/// The content of an encoded bulk string; None for every other type and for the null bulk string.
pub fn bulk(encoded: &[u8]) -> Option<&[u8]> {
    if encoded.first() != Some(&b'$') {
        return None;
    }
    let line_end = line_end(encoded, 0)?;
    let len = usize::try_from(number::parse_i64(&encoded[1..line_end])?).ok()?;
    encoded.get(line_end + 2..)?.get(..len)
}

/// Whether the encoded value is a null of either protocol version: `$-1`, `*-1` or `_`.
pub fn is_null(encoded: &[u8]) -> bool {
    matches!(encoded, b"$-1\r\n" | b"*-1\r\n" | b"_\r\n")
}

/// Whether the encoded value is an error, simple or RESP3's bulk error.
pub fn is_error(encoded: &[u8]) -> bool {
    matches!(encoded.first(), Some(b'-' | b'!'))
}

/// The first line of a value: how far it and its payload reach, and how many values belong to it.
pub(crate) struct Head {
    /// Offset behind the line, and behind the payload where there is one. May lie behind the bytes at hand.
    pub(crate) end: usize,
    pub(crate) children: u64,
}

impl Head {
    /// Reads the head at `position`. None when its line is cut off.
    pub(crate) fn read(bytes: &[u8], position: usize) -> Option<Result<Head, ()>> {
        let marker = *bytes.get(position)?;
        if !is_marker(marker) {
            return Some(Err(()));
        }
        let line_end = line_end(bytes, position)?;
        Some(Self::from_line(marker, &bytes[position + 1..line_end], line_end + 2))
    }

    /// `text` is the line between its marker and its line end, `line_len` the offset behind that line end.
    fn from_line(marker: u8, text: &[u8], line_len: usize) -> Result<Head, ()> {
        if matches!(marker, b'+' | b'-' | b':' | b',' | b'#' | b'(' | b'_') {
            return Ok(Head { end: line_len, children: 0 });
        }
        let announced = number::parse_i64(text).ok_or(())?;
        if announced < 0 {
            let null = announced == -1 && matches!(marker, b'$' | b'*');
            return if null { Ok(Head { end: line_len, children: 0 }) } else { Err(()) };
        }
        let announced = announced as u64;
        match marker {
            b'$' | b'=' | b'!' => {
                let payload_len = usize::try_from(announced).map_err(|_| ())?;
                let end = line_len.checked_add(payload_len).and_then(|end| end.checked_add(2)).ok_or(())?;
                Ok(Head { end, children: 0 })
            }
            b'%' => Ok(Head { end: line_len, children: announced.checked_mul(2).ok_or(())? }),
            // An attribute is followed by its pairs and then by the value it belongs to.
            b'|' => Ok(Head {
                end: line_len,
                children: announced.checked_mul(2).and_then(|pairs| pairs.checked_add(1)).ok_or(())?,
            }),
            _ => Ok(Head { end: line_len, children: announced }),
        }
    }
}

fn is_marker(byte: u8) -> bool {
    matches!(
        byte,
        b'+' | b'-' | b':' | b'$' | b'*' | b'_' | b',' | b'#' | b'(' | b'=' | b'!' | b'%' | b'~' | b'>' | b'|'
    )
}

/// Offset of the `\r\n` that ends the line starting at `position`.
fn line_end(bytes: &[u8], position: usize) -> Option<usize> {
    let carriage_return = position + bytes[position..].iter().position(|byte| *byte == b'\r')?;
    (bytes.get(carriage_return + 1)? == &b'\n').then_some(carriage_return)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const VALUES: &[&str] = &[
        "+OK\r\n",
        "-ERR no\r\n",
        ":-5\r\n",
        "$0\r\n\r\n",
        "$5\r\na\r\nbc\r\n",
        "$-1\r\n",
        "*-1\r\n",
        "*0\r\n",
        "_\r\n",
        ",1.5\r\n",
        "#t\r\n",
        "(123\r\n",
        "=6\r\ntxt:hi\r\n",
        "!5\r\nERR x\r\n",
        "*3\r\n:1\r\n*2\r\n+a\r\n$1\r\nb\r\n_\r\n",
        "%2\r\n+a\r\n:1\r\n+b\r\n*1\r\n:2\r\n",
        "~1\r\n:1\r\n",
        ">2\r\n+message\r\n+x\r\n",
        "|1\r\n+ttl\r\n:3\r\n+value\r\n",
    ];

    #[test]
    fn every_type_is_measured_and_every_prefix_wants_more() {
        for value in VALUES {
            let followed = format!("{value}+NEXT\r\n");
            assert_eq!(reply_len(followed.as_bytes()), Some(Ok(value.len())), "{value:?}");
            for cut in 0..value.len() {
                assert_eq!(reply_len(&value.as_bytes()[..cut]), None, "{value:?} cut at {cut}");
            }
        }
    }

    #[test]
    fn what_is_no_resp_is_refused() {
        for bytes in [
            "PING\r\n",
            "$x\r\n",
            "$-2\r\n",
            "*-2\r\n",
            "%-1\r\n",
            "*1\r\n\r\n",
            "%9223372036854775807\r\n*9223372036854775807\r\n*9\r\n",
        ] {
            assert_eq!(reply_len(bytes.as_bytes()), Some(Err(())), "{bytes:?}");
        }
        assert_eq!(reply_len(b"$9223372036854775807\r\n"), None, "a huge payload is only announced");
    }

    #[test]
    fn deep_nesting_takes_no_stack() {
        let mut bytes = b"*1\r\n".repeat(1_000_000);
        bytes.extend_from_slice(b":1\r\n");
        assert_eq!(reply_len(&bytes), Some(Ok(bytes.len())));
    }

    #[test]
    fn elements_are_the_top_level_ones() {
        let elements = Elements::new(b"*3\r\n:1\r\n*2\r\n+a\r\n$1\r\nb\r\n_\r\nrest").expect("an array");
        assert_eq!(elements.len(), 3);
        assert_eq!(elements.collect::<Vec<_>>(), [&b":1\r\n"[..], b"*2\r\n+a\r\n$1\r\nb\r\n", b"_\r\n"]);
        assert_eq!(Elements::new(b"%1\r\n+a\r\n:1\r\n").expect("a map").len(), 2);
        assert_eq!(Elements::new(b"*0\r\n").expect("an array").count(), 0);
        for other in ["*-1\r\n", "_\r\n", "$1\r\na\r\n", ":1\r\n", "", "*", "*1"] {
            assert!(Elements::new(other.as_bytes()).is_none(), "{other:?}");
        }
    }

    #[test]
    fn scalars_are_read() {
        assert_eq!(integer(b":-12\r\n"), Some(-12));
        assert_eq!(integer(b"$1\r\n1\r\n"), None);
        assert_eq!(bulk(b"$5\r\na\r\nbc\r\n"), Some(&b"a\r\nbc"[..]));
        assert_eq!((bulk(b"$-1\r\n"), bulk(b"+a\r\n"), bulk(b"$5\r\na"), bulk(b"$5")), (None, None, None, None));
        assert!(is_null(b"_\r\n") && is_null(b"$-1\r\n") && is_null(b"*-1\r\n") && !is_null(b"$0\r\n\r\n"));
        assert!(is_error(b"-ERR x\r\n") && !is_error(b"+OK\r\n"));
    }

    proptest! {
        #[test]
        fn garbage_never_panics(bytes in proptest::collection::vec(prop_oneof![any::<u8>(), proptest::sample::select(&b"*$%|-1230\r\n"[..])], 0..60)) {
            if let Some(Ok(len)) = reply_len(&bytes) {
                prop_assert!(len <= bytes.len());
                prop_assert_eq!(reply_len(&bytes[..len]), Some(Ok(len)));
                let _ = (integer(&bytes[..len]), bulk(&bytes[..len]), Elements::new(&bytes[..len]).map(Iterator::count));
            }
        }
    }
}
