//! The request parser against arbitrary clients: any bytes, any pipeline, cut anywhere.

mod harness;

use harness::{check, parse_in_pieces, parse_whole};
use proptest::collection::vec;
use proptest::prelude::*;
use torc_resp::{Limits, write_request};

fn protocol_like_bytes() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        4 => prop::sample::select(WELL_FORMED).prop_map(<[u8]>::to_vec),
        2 => prop::sample::select(FRAGMENTS).prop_map(<[u8]>::to_vec),
        1 => vec(any::<u8>(), 0..12),
    ];
    vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

const WELL_FORMED: &[&[u8]] =
    &[b"*1\r\n", b"*2\r\n", b"$3\r\nGET\r\n", b"$1\r\nk\r\n", b"$0\r\n\r\n", b"PING\r\n", b"\r\n", b"\n"];

const FRAGMENTS: &[&[u8]] =
    &[b"*", b"$", b"-1", b"0", b"12\r\n", b"\"", b"'", b"\\x4", b" ", b"\0", b"\r", b"99999999999"];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn any_bytes(bytes in vec(any::<u8>(), 0..300)) {
        check(&bytes);
    }

    #[test]
    fn bytes_that_look_like_the_protocol(choice: u8, seed: u8, bytes in protocol_like_bytes()) {
        check(&[&[choice, seed], &bytes[..]].concat());
    }
}

proptest! {
    #[test]
    fn pipelines_are_read_back(requests in vec(vec(vec(any::<u8>(), 0..150), 1..30), 0..12), seed: u32) {
        let mut encoded = Vec::new();
        for request in &requests {
            write_request(&mut encoded, request);
        }
        let outcome = parse_whole(&encoded, &Limits::default());
        prop_assert_eq!(outcome.error, None);
        prop_assert_eq!(outcome.requests.last().map_or(0, |(end, _)| *end), encoded.len());
        prop_assert_eq!(&outcome.requests.iter().map(|(_, arguments)| arguments.clone()).collect::<Vec<_>>(), &requests);
        prop_assert_eq!(parse_in_pieces(&encoded, &Limits::default(), seed), outcome);
    }
}
