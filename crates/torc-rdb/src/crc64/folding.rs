//! The checksum by carry-less multiplication, 64 bytes a step: ten times as fast as by tables, where the processor has it.
//!
//! A checksum is the remainder of a polynomial, and the remainder stays the same when 128 bits of the polynomial are replaced by
//! anything with the same remainder further on:
//!
//! ```text
//!   bytes:   | first | second | ...      first = high * x^64 + low, 16 bytes
//!   first * x^n = high * (x^(n+64) mod P) + low * (x^n mod P)     127 bits, added to the 16 bytes that are n bits on
//! ```
//! Four such pieces are under way at a time, each 64 bytes behind its next place, since a product takes several cycles and one
//! can begin in each. Bits are reflected: the first byte's lowest bit is the highest coefficient, and a product of reflected
//! numbers comes out times x, so that constants are of one power less.

use std::arch::x86_64::{
    __m128i, _mm_clmulepi64_si128, _mm_cvtsi128_si64, _mm_set_epi64x, _mm_unpackhi_epi64, _mm_xor_si128,
};

use super::power_of_x;

const LANES: usize = 4;
const LANE_BYTES: usize = 16;
const STEP_BYTES: usize = LANES * LANE_BYTES;
/// Shorter input is not worth it.
pub(super) const LEN_MIN: usize = 2 * STEP_BYTES;

/// What brings 16 bytes forward by so many bytes: for the high and the low half.
#[derive(Clone, Copy)]
struct Distance {
    high: u64,
    low: u64,
}

impl Distance {
    const fn of(bytes: usize) -> Self {
        let bits = 8 * bytes as u64;
        Distance { high: power_of_x(bits + 63), low: power_of_x(bits - 1) }
    }
}

const STEP: Distance = Distance::of(STEP_BYTES);
const LANE: Distance = Distance::of(LANE_BYTES);

/// 16 bytes with the same remainder as `bytes` after `before`, and the bytes at the end that are not in them. `None`: this
/// processor cannot do it, or there are too few bytes.
pub(super) fn fold(before: u64, bytes: &[u8]) -> Option<([u8; LANE_BYTES], &[u8])> {
    if bytes.len() < LEN_MIN || !is_x86_feature_detected!("pclmulqdq") {
        return None;
    }
    // SAFETY: the processor has the only feature that the function asks for.
    Some(unsafe { fold_all(before, bytes) })
}

#[target_feature(enable = "pclmulqdq")]
fn fold_all(before: u64, bytes: &[u8]) -> ([u8; LANE_BYTES], &[u8]) {
    let (steps, rest) = bytes.as_chunks::<STEP_BYTES>();
    let (first, steps) = steps.split_first().expect("there are enough bytes");
    let mut lanes = load(first);
    // What came before acts on the first eight bytes.
    lanes[0] = _mm_xor_si128(lanes[0], _mm_set_epi64x(0, before as i64));
    let step_constants = constants(STEP);
    for step in steps {
        let next = load(step);
        for (lane, next) in lanes.iter_mut().zip(next) {
            *lane = _mm_xor_si128(forward(*lane, step_constants), next);
        }
    }
    let lane_constants = constants(LANE);
    let [first, others @ ..] = lanes;
    let sum = others.into_iter().fold(first, |sum, lane| _mm_xor_si128(forward(sum, lane_constants), lane));
    let (low, high) = (_mm_cvtsi128_si64(sum), _mm_cvtsi128_si64(_mm_unpackhi_epi64(sum, sum)));
    let mut folded = [0; LANE_BYTES];
    folded[..8].copy_from_slice(&low.to_le_bytes());
    folded[8..].copy_from_slice(&high.to_le_bytes());
    (folded, rest)
}

/// The constants as the instruction wants them: beside the half that each is for, which is the other way round by reflection.
#[target_feature(enable = "pclmulqdq")]
fn constants(distance: Distance) -> __m128i {
    _mm_set_epi64x(distance.low as i64, distance.high as i64)
}

/// Brings 16 bytes forward.
#[target_feature(enable = "pclmulqdq")]
fn forward(bytes: __m128i, constants: __m128i) -> __m128i {
    // The halves at the same place of both: the first eight bytes, which are the high half, and then the others.
    let high = _mm_clmulepi64_si128::<0x00>(bytes, constants);
    let low = _mm_clmulepi64_si128::<0x11>(bytes, constants);
    _mm_xor_si128(high, low)
}

#[target_feature(enable = "pclmulqdq")]
fn load(step: &[u8; STEP_BYTES]) -> [__m128i; LANES] {
    let (lanes, _) = step.as_chunks::<LANE_BYTES>();
    std::array::from_fn(|at| {
        let bytes = u128::from_le_bytes(lanes[at]);
        _mm_set_epi64x((bytes >> 64) as i64, bytes as i64)
    })
}
