//! Values of every kind through the format and back, and through damage.

mod harness;
mod values;

use harness::{check, check_round_trips};
use proptest::collection::vec;
use proptest::prelude::*;
use torc_rdb::{EncodeOptions, payload};
use values::value;

/// A hash of which a field expires at time 0, which other formats cannot say.
const EXPIRES_AT_0: [u8; 28] =
    [17, 0, 24, 0, 0, 0, 0, 0, 0, 0, 0, 2, 1, 5, 0, 0, 54, 57, 0, 0, 0, 1, 1, 0, 0, 0, 0, 33];

#[test]
fn what_failed_once() {
    check(&EXPIRES_AT_0);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn every_value_comes_back(value in value()) {
        check_round_trips(&value);
    }

    #[test]
    fn damaged_values_are_refused_or_whole(value in value(), edits in vec((any::<prop::sample::Index>(), any::<u8>(), 0..4_u8), 1..4), version in prop::sample::select(vec![10_u16, 11, 12, 80])) {
        let options = EncodeOptions { compress: edits.len() > 1, ..EncodeOptions::default() };
        let encoded = payload::encode(&value, &options);
        let mut bytes = [&version.to_le_bytes()[..], &encoded[..encoded.len() - 10]].concat();
        for (at, byte, how) in edits {
            let at = at.index(bytes.len());
            match how {
                0 => bytes.truncate(at.max(3)),
                1 => bytes.insert(at, byte),
                2 if bytes.len() > 3 => { bytes.remove(at); }
                _ => bytes[at] = byte,
            }
        }
        check(&bytes);
    }

    #[test]
    fn any_bytes(kind in 0..29_u8, version in prop::sample::select(vec![6_u16, 11, 12, 80]), bytes in vec(any::<u8>(), 0..300)) {
        check(&[&version.to_le_bytes()[..], &[kind], &bytes].concat());
    }
}
