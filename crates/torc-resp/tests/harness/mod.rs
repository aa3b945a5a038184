//! What must hold for any bytes a client may send; the fuzz target and the property tests run this same function.
//!
//! The input is parsed twice, as one buffer and in pieces of varying size, and both must see the same requests and fail, if
//! they fail, in the same way at the same place.

use torc_resp::{Limits, Parsed, Parser, ProtocolError, write_request};

/// Everything a stream of bytes amounts to.
#[derive(Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The complete requests and where each ended.
    pub requests: Vec<(usize, Vec<Vec<u8>>)>,
    /// What ended the connection, if anything did.
    pub error: Option<ProtocolError>,
}

/// Checks every property on `bytes`; the first byte chooses the limits and the second how the rest is cut.
pub fn check(bytes: &[u8]) {
    let [choice, seed, input @ ..] = bytes else {
        return;
    };
    let limits = Limits { bulk_len_max: if choice & 2 == 0 { 512 << 20 } else { 64 }, authenticated: choice & 1 == 0 };
    let whole = parse_whole(input, &limits);
    let pieces = parse_in_pieces(input, &limits, u32::from(*seed));
    assert_eq!(whole, pieces, "where the bytes are cut must not matter");
    for (_, arguments) in &whole.requests {
        check_round_trip(arguments, limits.authenticated);
    }
}

/// Parses `input` as if it had arrived at once.
pub fn parse_whole(input: &[u8], limits: &Limits) -> Outcome {
    parse_in_steps(input, limits, || usize::MAX)
}

/// Parses `input` as if it had arrived in pieces of 1 to 7 bytes, now and then a longer one, chosen by `seed`.
pub fn parse_in_pieces(input: &[u8], limits: &Limits, seed: u32) -> Outcome {
    let mut state = seed.wrapping_mul(2_654_435_761).wrapping_add(1);
    parse_in_steps(input, limits, || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        if state >> 28 == 0 { 1000 } else { (state >> 16) as usize % 7 + 1 }
    })
}

fn parse_in_steps(input: &[u8], limits: &Limits, mut step: impl FnMut() -> usize) -> Outcome {
    let mut parser = Parser::default();
    let mut outcome = Outcome { requests: Vec::new(), error: None };
    let (mut start, mut received) = (0, 0);
    loop {
        let arrived = &input[start..received];
        let wanted = parser.bytes_wanted();
        match parser.parse(arrived, limits) {
            Parsed::Complete { consumed } => {
                assert!(consumed > 0 && consumed <= arrived.len());
                assert!(wanted <= arrived.len(), "no progress before the bytes that were wanted");
                assert!(!parser.in_progress());
                let arguments = parser.args(arrived).iter().map(<[u8]>::to_vec).collect();
                start += consumed;
                outcome.requests.push((start, arguments));
            }
            Parsed::Error(error) => {
                assert!(!parser.in_progress(), "an error forgets the request");
                outcome.error = Some(error);
                return outcome;
            }
            Parsed::Incomplete => {
                assert_eq!(parser.in_progress(), !arrived.is_empty());
                let wanted = parser.bytes_wanted();
                assert!(wanted == 0 || wanted > arrived.len(), "what is wanted is not there yet");
                if received == input.len() {
                    return outcome;
                }
                received = received.saturating_add(step()).min(input.len());
            }
        }
    }
}

/// What was read, written by a client, is read as the same again.
fn check_round_trip(arguments: &[Vec<u8>], authenticated: bool) {
    // Inline requests may have more arguments, or longer ones, than an unauthenticated client may send this way.
    if arguments.is_empty() || !authenticated {
        return;
    }
    let mut encoded = Vec::new();
    write_request(&mut encoded, arguments);
    let outcome = parse_whole(&encoded, &Limits::default());
    assert_eq!(outcome.requests, [(encoded.len(), arguments.to_vec())]);
}
