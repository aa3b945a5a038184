//! The intset: integers in ascending order, all of the same width.
//!
//! ```text
//!   bytes per integer u32: 2, 4, 8 | integers u32 | integer...      all little-endian
//! ```

use crate::error::DecodeError;

const HEADER_BYTES: usize = 8;
const DAMAGED: DecodeError = DecodeError::Malformed("intset");

/// Reads all integers.
pub(crate) fn read(bytes: &[u8]) -> Result<Vec<i64>, DecodeError> {
    let (header, body) = bytes.split_first_chunk::<HEADER_BYTES>().ok_or(DAMAGED)?;
    let header = u64::from_le_bytes(*header);
    let (width, count) = (header as u32 as usize, (header >> 32) as usize);
    if !matches!(width, 2 | 4 | 8) || count.checked_mul(width) != Some(body.len()) {
        return Err(DAMAGED);
    }
    let integers: Vec<i64> = body.chunks_exact(width).map(sign_extended).collect();
    if integers.is_sorted_by(|low, high| low < high) { Ok(integers) } else { Err(DAMAGED) }
}

/// The intset of these integers, which are in ascending order.
pub(crate) fn write(integers: &[i64]) -> Vec<u8> {
    let fits = |bits: u32| integers.iter().all(|&integer| integer << (64 - bits) >> (64 - bits) == integer);
    let width = if fits(16) {
        2
    } else if fits(32) {
        4
    } else {
        8
    };
    let mut bytes = Vec::with_capacity(HEADER_BYTES + integers.len() * width);
    bytes.extend((width as u32).to_le_bytes());
    bytes.extend(u32::try_from(integers.len()).expect("the limit of an intset is below 2^32").to_le_bytes());
    integers.iter().for_each(|integer| bytes.extend_from_slice(&integer.to_le_bytes()[..width]));
    bytes
}

fn sign_extended(little_endian: &[u8]) -> i64 {
    let mut bytes = [0; 8];
    bytes[8 - little_endian.len()..].copy_from_slice(little_endian);
    i64::from_le_bytes(bytes) >> (64 - 8 * little_endian.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn damage_is_an_error() {
        let good = write(&[-1, 0, 300]);
        assert_eq!(good, [2, 0, 0, 0, 3, 0, 0, 0, 0xff, 0xff, 0, 0, 44, 1]);
        assert_eq!(read(&good), Ok(vec![-1, 0, 300]));
        (0..good.len()).for_each(|cut| assert_eq!(read(&good[..cut]), Err(DAMAGED)));
        let unordered = [2, 0, 0, 0, 2, 0, 0, 0, 5, 0, 5, 0];
        assert_eq!(read(&unordered), Err(DAMAGED));
        assert_eq!(read(&[3, 0, 0, 0, 0, 0, 0, 0]), Err(DAMAGED));
        assert_eq!(read(&[8, 0, 0, 0, 0xff, 0xff, 0xff, 0xff]), Err(DAMAGED));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(integers in prop::collection::btree_set(any::<i64>(), 0..50), shift in 0..64_u32) {
            let mut integers: Vec<i64> = integers.into_iter().map(|integer| integer >> shift).collect();
            integers.dedup();
            prop_assert_eq!(read(&write(&integers)), Ok(integers));
        }
    }
}
