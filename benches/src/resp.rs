//! Just enough RESP to count requests and replies: lengths are followed, contents are not looked at.
//!
//! Both scanners take the bytes received so far and either say how long the first whole item is, or that it
//! is not whole yet (`Ok(None)`), or that the bytes cannot be RESP ([`Malformed`]). They keep no state: a caller
//! holds back the tail that was not whole and puts the next bytes behind it.

/// Bytes that are neither RESP nor the start of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Malformed;

/// What the floor server must distinguish to send a reply of the right shape.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestKind {
    /// A GET: wants a bulk string.
    Get,
    /// Anything else: wants a status.
    Other,
}

/// Finds the end of the first request in `bytes`: its length and its kind.
///
/// # Errors
/// A length is missing, negative or absurd.
#[inline]
pub fn scan_request(bytes: &[u8]) -> Result<Option<(usize, RequestKind)>, Malformed> {
    let Some(&first) = bytes.first() else {
        return Ok(None);
    };
    if first != b'*' {
        return Ok(line_end(bytes).map(|end| (end, RequestKind::Other)));
    }
    let Some((count, mut at)) = number(bytes, 1)? else {
        return Ok(None);
    };
    let mut kind = RequestKind::Other;
    for index in 0..count.max(0) {
        match bytes.get(at) {
            None => return Ok(None),
            Some(b'$') => {}
            Some(_) => return Err(Malformed),
        }
        let Some((length, start)) = number(bytes, at + 1)? else {
            return Ok(None);
        };
        let length = usize::try_from(length).map_err(|_| Malformed)?;
        at = start + length + 2;
        if at > bytes.len() {
            return Ok(None);
        }
        if index == 0 && bytes[start..start + length].eq_ignore_ascii_case(b"GET") {
            kind = RequestKind::Get;
        }
    }
    Ok(Some((at, kind)))
}

/// One whole reply, as far as a load generator wants to know it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reply<'a> {
    /// `+text`
    Status(&'a [u8]),
    /// `-text`
    Error(&'a [u8]),
    /// `$n`: the bytes.
    Bulk(&'a [u8]),
    /// A missing value: `$-1`, `*-1` or `_`.
    Null,
    /// `*n`: how many items, and their bytes.
    Array {
        /// Number of items.
        count: usize,
        /// All items as they were received.
        items: &'a [u8],
    },
    /// Anything else: integers, other aggregates, doubles and so on.
    Other,
}

/// Finds the end of the first reply in `bytes`: its length and the reply.
///
/// # Errors
/// The bytes are no reply.
#[inline]
pub fn scan_reply(bytes: &[u8]) -> Result<Option<(usize, Reply<'_>)>, Malformed> {
    let Some(&kind) = bytes.first() else {
        return Ok(None);
    };
    match kind {
        b'+' | b'-' => Ok(line_end(bytes).map(|end| {
            let text = &bytes[1..end - 2];
            (end, if kind == b'+' { Reply::Status(text) } else { Reply::Error(text) })
        })),
        b'_' => Ok(line_end(bytes).map(|end| (end, Reply::Null))),
        b':' | b',' | b'#' | b'(' => Ok(line_end(bytes).map(|end| (end, Reply::Other))),
        b'$' | b'=' | b'!' => scan_bulk(bytes, kind),
        b'*' | b'~' | b'>' | b'%' => scan_aggregate(bytes, kind),
        _ => Err(Malformed),
    }
}

fn scan_bulk(bytes: &[u8], kind: u8) -> Result<Option<(usize, Reply<'_>)>, Malformed> {
    let Some((length, start)) = number(bytes, 1)? else {
        return Ok(None);
    };
    let Ok(length) = usize::try_from(length) else {
        return Ok(Some((start, Reply::Null)));
    };
    let end = start + length + 2;
    if end > bytes.len() {
        return Ok(None);
    }
    let text = &bytes[start..start + length];
    Ok(Some((end, if kind == b'!' { Reply::Error(text) } else { Reply::Bulk(text) })))
}

fn scan_aggregate(bytes: &[u8], kind: u8) -> Result<Option<(usize, Reply<'_>)>, Malformed> {
    let Some((count, start)) = number(bytes, 1)? else {
        return Ok(None);
    };
    let Ok(count) = usize::try_from(count) else {
        return Ok(Some((start, Reply::Null)));
    };
    let mut at = start;
    for _ in 0..if kind == b'%' { count * 2 } else { count } {
        match scan_reply(&bytes[at..])? {
            Some((length, _)) => at += length,
            None => return Ok(None),
        }
    }
    let is_array = kind == b'*';
    Ok(Some((at, if is_array { Reply::Array { count, items: &bytes[start..at] } } else { Reply::Other })))
}

/// The number at `at` and the place after its line end; `None` when the line is not whole.
#[inline]
fn number(bytes: &[u8], mut at: usize) -> Result<Option<(i64, usize)>, Malformed> {
    const NUMBER_MAX: i64 = 1 << 40;
    let negative = bytes.get(at) == Some(&b'-');
    at += usize::from(negative);
    let mut value: i64 = 0;
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'0'..=b'9' if value < NUMBER_MAX => value = value * 10 + i64::from(byte - b'0'),
            b'\r' => {
                return match bytes.get(at + 1) {
                    Some(b'\n') => Ok(Some((if negative { -value } else { value }, at + 2))),
                    Some(_) => Err(Malformed),
                    None => Ok(None),
                };
            }
            _ => return Err(Malformed),
        }
        at += 1;
    }
    Ok(None)
}

/// The place after the first CRLF.
fn line_end(bytes: &[u8]) -> Option<usize> {
    bytes.windows(2).position(|pair| pair == b"\r\n").map(|at| at + 2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn requests_are_counted_one_by_one() {
        let pipeline = b"*2\r\n$3\r\nGET\r\n$1\r\nk\r\n*3\r\n$3\r\nset\r\n$1\r\nk\r\n$0\r\n\r\nPING\r\n";
        let (first, kind) = scan_request(pipeline).unwrap().unwrap();
        assert_eq!((first, kind), (20, RequestKind::Get));
        let (second, kind) = scan_request(&pipeline[first..]).unwrap().unwrap();
        assert_eq!(kind, RequestKind::Other);
        assert_eq!(scan_request(&pipeline[first + second..]), Ok(Some((6, RequestKind::Other))));
    }

    #[test]
    fn a_bulk_that_looks_like_a_request_is_skipped() {
        let request = b"*2\r\n$4\r\nECHO\r\n$14\r\n*1\r\n$4\r\nPING\r\n\r\n";
        assert_eq!(scan_request(request), Ok(Some((request.len(), RequestKind::Other))));
    }

    #[test]
    fn garbage_is_malformed() {
        assert_eq!(scan_request(b"*1\r\n+OK\r\n"), Err(Malformed));
        assert_eq!(scan_request(b"*x\r\n"), Err(Malformed));
        assert_eq!(scan_request(b"*1\r\n$-1\r\n"), Err(Malformed));
        assert_eq!(scan_request(b"*99999999999999999999999\r\n"), Err(Malformed));
        assert_eq!(scan_reply(b"hello\r\n"), Err(Malformed));
    }

    #[test]
    fn replies_of_every_shape_have_their_length() {
        for reply in [&b"+OK\r\n"[..], b"-ERR no\r\n", b":12\r\n", b"$3\r\na\r\n\r\n", b"$-1\r\n", b"_\r\n", b"*-1\r\n"]
        {
            assert_eq!(scan_reply(reply).unwrap().unwrap().0, reply.len());
        }
        let nested = b"*3\r\n*2\r\n:1\r\n$1\r\nx\r\n%1\r\n+a\r\n_\r\n*0\r\n";
        assert_eq!(scan_reply(nested), Ok(Some((nested.len(), Reply::Array { count: 3, items: &nested[4..] }))));
        assert_eq!(scan_reply(b"~1\r\n:1\r\n"), Ok(Some((8, Reply::Other))));
        assert_eq!(scan_reply(b"*-1\r\n"), Ok(Some((5, Reply::Null))));
        assert_eq!(scan_reply(b"-ERR no\r\n"), Ok(Some((9, Reply::Error(b"ERR no")))));
        assert_eq!(scan_reply(b"$2\r\nhi\r\n"), Ok(Some((8, Reply::Bulk(b"hi")))));
        assert_eq!(scan_reply(b"$-1\r\n"), Ok(Some((5, Reply::Null))));
    }

    #[test]
    fn every_proper_prefix_is_unfinished() {
        let request = b"*3\r\n$3\r\nSET\r\n$16\r\n0123456789abcdef\r\n$2\r\nhi\r\n";
        let reply = b"*2\r\n$2\r\nhi\r\n*1\r\n:7\r\n";
        for end in 0..request.len() {
            assert_eq!(scan_request(&request[..end]), Ok(None), "request cut at {end}");
        }
        for end in 0..reply.len() {
            assert_eq!(scan_reply(&reply[..end]), Ok(None), "reply cut at {end}");
        }
    }

    proptest! {
        #[test]
        fn scanners_survive_any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            if let Ok(Some((length, _))) = scan_request(&bytes) {
                prop_assert!(length <= bytes.len());
            }
            if let Ok(Some((length, _))) = scan_reply(&bytes) {
                prop_assert!(length <= bytes.len());
            }
        }
    }
}
