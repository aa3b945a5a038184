//! Tests of the request parser: each error and its text, each leniency, and requests cut at every byte. What is expected was
//! observed on a Redis server.

use super::*;

const OPEN: Limits = Limits { bulk_len_max: 512 * 1024 * 1024, authenticated: true };
const CLOSED: Limits = Limits { bulk_len_max: 512 * 1024 * 1024, authenticated: false };

/// The requests in `input`, words joined by `|`, and at the end the error's text or `...` for bytes left over.
fn transcript(input: &[u8], limits: &Limits) -> Vec<String> {
    let mut parser = Parser::default();
    let mut rest = input;
    let mut seen = Vec::new();
    loop {
        match parser.parse(rest, limits) {
            Parsed::Complete { consumed } => {
                seen.push(
                    parser.args(rest).iter().map(|word| word.escape_ascii().to_string()).collect::<Vec<_>>().join("|"),
                );
                rest = &rest[consumed..];
            }
            Parsed::Error(error) => seen.push(error.to_string()),
            Parsed::Incomplete if rest.is_empty() => return seen,
            Parsed::Incomplete => seen.push("...".to_owned()),
        }
        if matches!(seen.last().map(String::as_str), Some(last) if last == "..." || last.starts_with("ERR ")) {
            return seen;
        }
    }
}

#[test]
fn requests_and_leniencies() {
    let table: &[(&[u8], &[&str])] = &[
        (b"", &[]),
        (b"*1\r\n$4\r\nPING\r\n", &["PING"]),
        (b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$0\r\n\r\nPING\r\n", &["SET|k|", "PING"]),
        (b"*-1\r\nPING\r\n", &["", "PING"]),
        (b"*-2147483649\r\nPING\r\n", &["", "PING"]),
        (b"*0\r\nPING\r\n", &["", "PING"]),
        (b"\r\n\nPING\n", &["", "", "PING"]),
        (b"\r\r\nPING\r\n", &["", "PING"]),
        (b"set k \"a b\"\r\nget k\r\n", &["set|k|a b", "get|k"]),
        (b"*1\rX$4\rXPINGXX*1\r\n", &["PING", "..."]),
        (b"PI\0NG\r\nPING\r\n", &["..."]),
        (b"*1\r\n\0\r\n", &["..."]),
        (b"*2147483647\r\n", &["..."]),
        (b"*1\r\n$536870912\r\n", &["..."]),
        (b"*1\r", &["..."]),
        (b"*1\r\n$4\r\nPING\r", &["..."]),
    ];
    for (input, expected) in table {
        assert_eq!(transcript(input, &OPEN), *expected, "{}", input.escape_ascii());
    }
}

#[test]
fn every_error_has_its_text() {
    let long = |start: &[u8], len: usize| [start, &vec![b'1'; len - start.len()]].concat();
    let table: &[(Vec<u8>, &str)] = &[
        (b"*2147483648\r\n".to_vec(), "invalid multibulk length"),
        (b"*01\r\n".to_vec(), "invalid multibulk length"),
        (b"*+1\r\n".to_vec(), "invalid multibulk length"),
        (b"*-0\r\n".to_vec(), "invalid multibulk length"),
        (b"*\r\n".to_vec(), "invalid multibulk length"),
        (b"*1 \r\n".to_vec(), "invalid multibulk length"),
        (b"*1\n$4\r\nPING\r\n".to_vec(), "invalid multibulk length"),
        (b"*99999999999999999999\r\n".to_vec(), "invalid multibulk length"),
        (b"*1\r\n$-1\r\n".to_vec(), "invalid bulk length"),
        (b"*1\r\n$04\r\n".to_vec(), "invalid bulk length"),
        (b"*1\r\n$\r\n".to_vec(), "invalid bulk length"),
        (b"*1\r\n$4 \r\n".to_vec(), "invalid bulk length"),
        (b"*1\r\n$536870913\r\n".to_vec(), "invalid bulk length"),
        (b"*1\r\n$99999999999999999999\r\n".to_vec(), "invalid bulk length"),
        (b"*1\r\nPING\r\n".to_vec(), "expected '$', got 'P'"),
        (b"*1\r\n\r\n".to_vec(), "expected '$', got ' '"),
        (b"*1\r\n\n\r\n".to_vec(), "expected '$', got ' '"),
        (b"echo \"a\r\n".to_vec(), "unbalanced quotes in request"),
        (long(b"*", 65_537), "too big mbulk count string"),
        (long(b"*1\r\n$", 65_541), "too big bulk count string"),
        (long(b"A", 65_537), "too big inline request"),
        ([long(b"A", 65_537), b"\r\n".to_vec()].concat(), "too big inline request"),
    ];
    for (input, reason) in table {
        assert_eq!(
            transcript(input, &OPEN),
            [format!("ERR Protocol error: {reason}")],
            "{}",
            input[..input.len().min(40)].escape_ascii()
        );
    }
    for (start, len) in [(&b"*"[..], 65_536), (b"*1\r\n$", 65_540), (b"A", 65_536)] {
        assert_eq!(transcript(&long(start, len), &OPEN), ["..."], "one byte less is a line that may still end");
    }
}

#[test]
fn unauthenticated_clients_have_less_room() {
    let count = |count: usize| format!("*{count}\r\n{}", "$1\r\na\r\n".repeat(count)).into_bytes();
    let bulk = |len: usize| format!("*1\r\n${len}\r\n{}\r\n", "a".repeat(len)).into_bytes();
    assert_eq!(transcript(&count(10), &CLOSED).len(), 1);
    assert_eq!(transcript(&count(11), &CLOSED), ["ERR Protocol error: unauthenticated multibulk length"]);
    assert_eq!(transcript(&count(11), &OPEN), [["a"; 11].join("|")]);
    assert_eq!(transcript(&bulk(16_384), &CLOSED), ["a".repeat(16_384)]);
    assert_eq!(transcript(&bulk(16_385), &CLOSED), ["ERR Protocol error: unauthenticated bulk length"]);
    assert_eq!(transcript(&bulk(16_385), &OPEN), ["a".repeat(16_385)]);
}

#[test]
fn the_bulk_limit_is_the_configured_one() {
    let limits = Limits { bulk_len_max: 3, authenticated: true };
    assert_eq!(transcript(b"*1\r\n$3\r\nabc\r\n", &limits), ["abc"]);
    assert_eq!(transcript(b"*1\r\n$4\r\nabcd\r\n", &limits), ["ERR Protocol error: invalid bulk length"]);
    let unlimited = Limits { bulk_len_max: usize::MAX, authenticated: true };
    assert_eq!(transcript(b"*1\r\n$4294967270\r\n", &unlimited), ["..."]);
    assert_eq!(transcript(b"*1\r\n$4294967290\r\n", &unlimited), ["ERR Protocol error: invalid bulk length"]);
    assert_eq!(transcript(b"*1\r\n$9223372036854775807\r\n", &unlimited), ["ERR Protocol error: invalid bulk length"]);
}

#[test]
fn a_cut_at_any_byte_changes_nothing() {
    let requests: &[&[u8]] = &[
        b"*1\r\n$4\r\nPING\r\n",
        b"*3\r\n$3\r\nSET\r\n$12\r\nkey:with\r\nnl\r\n$0\r\n\r\n",
        b"*11\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n$1\r\nd\r\n$1\r\ne\r\n$1\r\nf\r\n$1\r\ng\r\n$1\r\nh\r\n$1\r\ni\r\n$1\r\nj\r\n$1\r\nk\r\n",
        b"set k \"a\\x41 b\" 'c'\r\n",
        b"get k\n",
        b"\r\n",
        b"*0\r\n",
        b"*1\rX$4\rXPINGXX",
        b"*1\r\n$04\r\nPING\r\n",
        b"*1\r\nPING\r\n",
        b"get \"k\r\n",
    ];
    for request in requests {
        let whole = (Parser::default().parse(request, &OPEN), transcript(request, &OPEN));
        for first in 0..request.len() {
            for second in first..request.len() {
                let mut parser = Parser::default();
                assert_eq!(
                    parser.parse(&request[..first], &OPEN),
                    early(&whole.0, first),
                    "{} cut at {first}",
                    request.escape_ascii()
                );
                if parser.parse(&request[..second], &OPEN) != Parsed::Incomplete {
                    continue;
                }
                assert_eq!(
                    parser.parse(request, &OPEN),
                    whole.0,
                    "{} cut at {first} and {second}",
                    request.escape_ascii()
                );
                let words = parser
                    .args(request)
                    .iter()
                    .map(|word| word.escape_ascii().to_string())
                    .collect::<Vec<_>>()
                    .join("|");
                assert!(matches!(whole.0, Parsed::Error(_)) || words == whole.1[0]);
            }
        }
    }
}

/// What the first `len` bytes of a request that ends as `whole` lead to: errors may show before the last byte.
fn early(whole: &Parsed, len: usize) -> Parsed {
    match whole {
        Parsed::Error(ProtocolError::BulkLengthInvalid) if len >= 9 => *whole,
        _ => Parsed::Incomplete,
    }
}

#[test]
fn a_request_byte_by_byte_is_read_once() {
    // Quadratic work on these would take minutes.
    let payload = [b"*2\r\n$3\r\nGET\r\n$60000\r\n", &vec![b'x'; 60_000][..], b"\r\n"].concat();
    let inline = [&vec![b'x'; 65_000][..], b"\r\n"].concat();
    let many = [b"*5000\r\n", &b"$1\r\na\r\n".repeat(5000)[..]].concat();
    for request in [payload, inline, many] {
        let mut parser = Parser::default();
        for len in 0..request.len() {
            assert_eq!(parser.parse(&request[..len], &OPEN), Parsed::Incomplete);
            assert_eq!(parser.in_progress(), len > 0);
        }
        assert_eq!(parser.parse(&request, &OPEN), Parsed::Complete { consumed: request.len() });
    }
}

#[test]
fn bytes_wanted_names_the_end_of_the_argument() {
    let mut parser = Parser::default();
    assert_eq!(parser.parse(b"*2\r\n$3\r\nGE", &OPEN), Parsed::Incomplete);
    assert_eq!(parser.bytes_wanted(), 13);
    assert_eq!(parser.parse(b"*2\r\n$3\r\nGET\r\n", &OPEN), Parsed::Incomplete);
    assert_eq!(parser.bytes_wanted(), 0);
    parser.reset();
    assert!(!parser.in_progress());
    assert_eq!(parser.parse(b"PING\r\n", &OPEN), Parsed::Complete { consumed: 6 });
}

#[test]
fn announcements_cost_no_memory() {
    let mut parser = Parser::default();
    assert_eq!(parser.parse(b"*2147483647\r\n$536870912\r\n", &OPEN), Parsed::Incomplete);
    assert!(parser.spans.capacity() <= SPANS_KEPT_MAX && parser.decoded.capacity() == 0);
}

#[test]
fn memory_of_a_large_request_is_given_back() {
    let mut parser = Parser::default();
    let request = [b"*5000\r\n", &b"$1\r\na\r\n".repeat(5000)[..]].concat();
    assert_eq!(parser.parse(&request, &OPEN), Parsed::Complete { consumed: request.len() });
    assert_eq!(parser.args(&request).len(), 5000);
    assert_eq!(parser.parse(b"PING\r\n", &OPEN), Parsed::Complete { consumed: 6 });
    assert!(parser.spans.capacity() <= SPANS_KEPT_MAX);
}
