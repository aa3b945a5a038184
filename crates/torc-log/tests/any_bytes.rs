//! Bytes that are nearly a log, and bytes that are not.

mod harness;

use proptest::prelude::*;

fn pieces() -> impl Strategy<Value = Vec<u8>> {
    let known: &[&[u8]] = &[
        b"*1\r\n$5\r\nMULTI\r\n",
        b"*1\r\n$4\r\nEXEC\r\n",
        b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$0\r\n\r\n",
        b"*2\r\n$",
        b"#TS:17\r\n",
        b"#\n",
        b"\0\0\0",
        b"\r\n",
        b"file a seq 1 type i\n",
        b"file \"a\\x20\" seq 2 type b startoffset 3\n",
        b"file b seq 3 type h\n",
    ];
    prop_oneof![3 => proptest::sample::select(known).prop_map(<[u8]>::to_vec), 1 => proptest::collection::vec(any::<u8>(), 0..5)]
}

proptest! {
    #[test]
    fn no_bytes_break_the_readers(pieces in proptest::collection::vec(pieces(), 0..12)) {
        harness::check(&pieces.concat());
    }
}
