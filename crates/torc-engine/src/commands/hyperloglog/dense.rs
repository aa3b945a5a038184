//! Dense registers: 6 bits each, the lowest bits of a byte first.
//!
//! ```text
//!   byte   0         1         2
//!        bbaaaaaa  ccccbbbb  ddddddcc      registers a, b, c, d
//! ```
//!
//! Eight registers are six bytes, which are spread to eight bytes, or gathered from them, by shifts and masks.

const RANK_MASK: u16 = 0x3f;

/// Where a register lies: its first byte, and the shift within the two bytes from there on.
#[inline]
fn place(number: usize) -> (usize, u32) {
    (number * 6 / 8, (number * 6 % 8) as u32)
}

/// Two bytes from here on; behind the last one there is a zero.
#[inline]
fn pair(registers: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([registers[at], registers.get(at + 1).copied().unwrap_or(0)])
}

/// The rank in a register.
#[inline]
pub fn get(registers: &[u8], number: usize) -> u8 {
    let (at, shift) = place(number);
    (pair(registers, at) >> shift & RANK_MASK) as u8
}

/// The bytes to write so that a register has this rank: where, and one or two of them.
#[inline]
pub fn with(registers: &[u8], number: usize, rank: u8) -> (usize, [u8; 2], usize) {
    let (at, shift) = place(number);
    let changed = pair(registers, at) & !(RANK_MASK << shift) | u16::from(rank) << shift;
    (at, changed.to_le_bytes(), (registers.len() - at).min(2))
}

/// Six bytes to eight registers.
#[inline]
pub fn spread(bytes: [u8; 6]) -> [u8; 8] {
    let [a, b, c, d, e, f] = bytes;
    let word = u64::from_le_bytes([a, b, c, 0, d, e, f, 0]);
    let word = word & 0x0000_0fff_0000_0fff | (word & 0x00ff_f000_00ff_f000) << 4;
    let word = word & 0x003f_003f_003f_003f | (word & 0x0fc0_0fc0_0fc0_0fc0) << 2;
    word.to_le_bytes()
}

/// Eight registers to six bytes.
#[inline]
pub fn gather(ranks: [u8; 8]) -> [u8; 6] {
    let word = u64::from_le_bytes(ranks);
    let word = word & 0x003f_003f_003f_003f | (word & 0x3f00_3f00_3f00_3f00) >> 2;
    let word = word & 0x0000_0fff_0000_0fff | (word & 0x0fff_0000_0fff_0000) >> 4;
    let [a, b, c, _, d, e, f, _] = word.to_le_bytes();
    [a, b, c, d, e, f]
}

/// How often each rank occurs.
pub fn count_ranks(registers: &[u8]) -> [u32; 64] {
    // Several counters for a rank, so that equal neighbours do not wait for each other.
    let mut counts = [[0u32; 64]; 4];
    let (groups, _) = registers.as_chunks::<6>();
    for group in groups {
        for (index, rank) in spread(*group).into_iter().enumerate() {
            counts[index % 4][usize::from(rank & 63)] += 1;
        }
    }
    std::array::from_fn(|rank| counts.iter().map(|counts| counts[rank]).sum())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn registers_are_six_bits(ranks in proptest::collection::vec(0..64u8, 32)) {
            let mut one_by_one = vec![0xff; 24];
            for (number, rank) in ranks.iter().enumerate() {
                let (at, bytes, len) = with(&one_by_one, number, *rank);
                one_by_one[at..at + len].copy_from_slice(&bytes[..len]);
            }
            let (groups, _) = ranks.as_chunks::<8>();
            let gathered: Vec<u8> = groups.iter().flat_map(|group| gather(*group)).collect();
            prop_assert_eq!(&one_by_one, &gathered);
            let (groups, _) = gathered.as_chunks::<6>();
            let spread: Vec<u8> = groups.iter().flat_map(|group| spread(*group)).collect();
            prop_assert_eq!(&spread, &ranks);
            let counts = count_ranks(&gathered);
            for (number, rank) in ranks.iter().enumerate() {
                prop_assert_eq!(get(&gathered, number), *rank);
                prop_assert_eq!(counts[usize::from(*rank)] as usize, ranks.iter().filter(|other| *other == rank).count());
            }
        }
    }
}
