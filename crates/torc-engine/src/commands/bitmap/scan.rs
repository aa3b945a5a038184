//! Counting and finding bits, many bytes at a time.
//!
//! Plain loops over words of eight bytes: the compiler turns them into vector code where the machine has it.

/// Bytes of a word.
const WORD: usize = 8;

/// The number of bits set from `first` to `last`, that one included; both lie inside `bytes`.
pub fn count_bits(bytes: &[u8], first: u64, last: u64) -> u64 {
    let (first_byte, last_byte) = ((first >> 3) as usize, (last >> 3) as usize);
    let before = bytes[first_byte] & !tail_mask(first);
    let after = bytes[last_byte] & !head_mask(last);
    count_ones(&bytes[first_byte..=last_byte]) - u64::from(before.count_ones() + after.count_ones())
}

fn count_ones(bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks::<WORD>();
    let whole: u64 = words.iter().map(|word| u64::from(u64::from_ne_bytes(*word).count_ones())).sum();
    whole + rest.iter().map(|byte| u64::from(byte.count_ones())).sum::<u64>()
}

/// The first bit with this value from `first` to `last`, that one included; both lie inside `bytes`.
pub fn find_bit(bytes: &[u8], first: u64, last: u64, bit: bool) -> Option<u64> {
    // The search is for a byte with some bit set; clear bits are looked for in the complement.
    let flip = if bit { 0 } else { 0xff };
    let (first_byte, last_byte) = ((first >> 3) as usize, (last >> 3) as usize);
    let masked = |at: usize| {
        let mut byte = bytes[at] ^ flip;
        if at == first_byte {
            byte &= tail_mask(first);
        }
        if at == last_byte {
            byte &= head_mask(last);
        }
        byte
    };
    let found = |at: usize| {
        let byte = masked(at);
        (byte != 0).then(|| at as u64 * 8 + u64::from(byte.leading_zeros()))
    };
    if let Some(position) = found(first_byte) {
        return Some(position);
    }
    let inner = bytes.get(first_byte + 1..last_byte).unwrap_or_default();
    if let Some(at) = inner_byte(inner, flip) {
        return found(first_byte + 1 + at);
    }
    found(last_byte)
}

/// The first byte that is not `skipped`.
fn inner_byte(bytes: &[u8], skipped: u8) -> Option<usize> {
    let (blocks, _) = bytes.as_chunks::<{ 8 * WORD }>();
    let start = blocks.iter().take_while(|block| block.iter().fold(0, |all, byte| all | (byte ^ skipped)) == 0).count();
    let start = start * 8 * WORD;
    bytes[start..].iter().position(|byte| *byte != skipped).map(|at| start + at)
}

/// The bits of a byte from this offset on.
fn tail_mask(offset: u64) -> u8 {
    0xff >> (offset & 7)
}

/// The bits of a byte up to this offset, that one included.
fn head_mask(offset: u64) -> u8 {
    !(0x7f >> (offset & 7))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn bit(bytes: &[u8], at: u64) -> bool {
        bytes[(at / 8) as usize] >> (7 - at % 8) & 1 == 1
    }

    fn bytes() -> impl Strategy<Value = Vec<u8>> {
        let byte = || prop_oneof![Just(0u8), Just(0xff), any::<u8>()];
        prop_oneof![
            proptest::collection::vec(byte(), 1..40),
            (prop_oneof![Just(0u8), Just(0xff)], 1..400usize, byte()).prop_map(|(fill, len, last)| {
                let mut bytes = vec![fill; len];
                bytes.push(last);
                bytes
            }),
        ]
    }

    proptest! {
        #[test]
        fn as_bit_by_bit(bytes in bytes(), a: prop::sample::Index, b: prop::sample::Index, wanted: bool) {
            let (a, b) = (a.index(bytes.len() * 8) as u64, b.index(bytes.len() * 8) as u64);
            let (first, last) = (a.min(b), a.max(b));
            let ones = (first..=last).filter(|&at| bit(&bytes, at)).count() as u64;
            prop_assert_eq!(count_bits(&bytes, first, last), ones);
            let position = (first..=last).find(|&at| bit(&bytes, at) == wanted);
            prop_assert_eq!(find_bit(&bytes, first, last, wanted), position);
        }
    }
}
