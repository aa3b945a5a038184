//! From an element to its register and its rank: MurmurHash64A (Austin Appleby), seeded as in Redis.

use super::format::REGISTERS;

const SEED: u64 = 0xadc8_3b19;
const MULTIPLIER: u64 = 0xc6a4_a793_5bd1_e995;
/// Bits of the hash that number the register.
const NUMBER_BITS: u32 = REGISTERS.trailing_zeros();
/// Bits of the hash that are left for the rank.
const RANK_BITS: u32 = 64 - NUMBER_BITS;

/// The highest rank.
pub const RANK_MAX: u8 = RANK_BITS as u8 + 1;

/// The register that an element belongs to, and its rank: one more than the zeros at the end of the rest of its hash.
#[inline]
pub fn place(element: &[u8]) -> (usize, u8) {
    let hash = murmur64a(element);
    let rest = hash >> NUMBER_BITS | 1 << RANK_BITS;
    (hash as usize & (REGISTERS - 1), rest.trailing_zeros() as u8 + 1)
}

#[inline]
fn murmur64a(bytes: &[u8]) -> u64 {
    let mut hash = SEED ^ (bytes.len() as u64).wrapping_mul(MULTIPLIER);
    let (words, rest) = bytes.as_chunks::<8>();
    for word in words {
        let mixed = u64::from_le_bytes(*word).wrapping_mul(MULTIPLIER);
        hash = (hash ^ (mixed ^ mixed >> 47).wrapping_mul(MULTIPLIER)).wrapping_mul(MULTIPLIER);
    }
    if !rest.is_empty() {
        let last = rest.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte));
        hash = (hash ^ last).wrapping_mul(MULTIPLIER);
    }
    hash = (hash ^ hash >> 47).wrapping_mul(MULTIPLIER);
    hash ^ hash >> 47
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_those_of_redis() {
        // As PFDEBUG DECODE of redis-server 7.0 showed them after one PFADD.
        let table: &[(&str, usize, u8)] = &[
            ("", 5938, 2),
            ("a", 12711, 2),
            ("hello", 9216, 1),
            ("12345678", 10579, 3),
            ("123456789", 9293, 2),
            ("The quick brown fox", 13284, 1),
        ];
        for &(element, number, rank) in table {
            assert_eq!(place(element.as_bytes()), (number, rank), "{element}");
        }
    }
}
