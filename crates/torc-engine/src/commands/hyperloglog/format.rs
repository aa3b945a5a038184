//! The head of a value, and what makes a string a HyperLogLog.

use super::sparse;
use crate::error::CommandError;

/// Number of registers.
pub const REGISTERS: usize = 1 << 14;
/// Bytes before the registers.
pub const HEAD_BYTES: usize = 16;
/// Bytes of a dense value.
pub const DENSE_BYTES: usize = HEAD_BYTES + REGISTERS * 6 / 8;
/// A new value: sparse, one run of zeros, a cached count of 0.
pub const EMPTY: [u8; HEAD_BYTES + 2] = *b"HYLL\x01\0\0\0\0\0\0\0\0\0\0\0\x7f\xff";

/// The error of a value whose registers make no sense.
pub const CORRUPT: CommandError = CommandError::fixed("INVALIDOBJ Corrupted HLL object detected");

const NOT_HYPERLOGLOG: CommandError = CommandError::fixed("WRONGTYPE Key is not a valid HyperLogLog string value.");
const MAGIC: &[u8] = b"HYLL";
const ENCODING_AT: usize = 4;
const COUNT_AT: usize = 8;
/// In the last byte of the cached count: it is out of date.
const STALE: u8 = 0x80;

/// How the registers are kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Encoding {
    /// 6 bits each.
    Dense = 0,
    /// Runs of equal ones.
    Sparse = 1,
}

/// Refuses a string that is no HyperLogLog. Registers of a sparse one are not looked at.
#[inline]
pub fn check(value: &[u8]) -> Result<Encoding, CommandError> {
    if value.len() < HEAD_BYTES || !value.starts_with(MAGIC) {
        return Err(NOT_HYPERLOGLOG);
    }
    match value[ENCODING_AT] {
        0 if value.len() == DENSE_BYTES => Ok(Encoding::Dense),
        1 => Ok(Encoding::Sparse),
        _ => Err(NOT_HYPERLOGLOG),
    }
}

/// [`check`], and refuses a sparse one whose runs do not cover all registers.
pub fn check_all(value: &[u8]) -> Result<(), CommandError> {
    match check(value)? {
        Encoding::Sparse if !sparse::for_each(&value[HEAD_BYTES..], |_, _| {}) => Err(CORRUPT),
        Encoding::Sparse | Encoding::Dense => Ok(()),
    }
}

/// The encoding of a value that was checked.
#[inline]
pub fn encoding(value: &[u8]) -> Encoding {
    if value[ENCODING_AT] == Encoding::Dense as u8 { Encoding::Dense } else { Encoding::Sparse }
}

/// The count that was cached, unless registers have changed since.
pub fn cached_count(value: &[u8]) -> Option<u64> {
    let bytes: [u8; 8] = value[COUNT_AT..HEAD_BYTES].try_into().expect("the head has eight bytes for it");
    (bytes[7] & STALE == 0).then(|| u64::from_le_bytes(bytes))
}

/// Caches a count.
pub fn cache_count(value: &mut [u8], count: u64) {
    value[COUNT_AT..HEAD_BYTES].copy_from_slice(&count.to_le_bytes());
}

/// Whether the cached count is out of date.
#[inline]
pub fn is_stale(value: &[u8]) -> bool {
    value[HEAD_BYTES - 1] & STALE != 0
}

/// Marks the cached count as out of date.
#[inline]
pub fn make_stale(value: &mut [u8]) {
    value[HEAD_BYTES - 1] |= STALE;
}

/// A dense value of these registers with the head of `value`.
pub fn dense_with_head_of(value: &[u8], registers: &super::registers::Registers) -> Vec<u8> {
    let mut dense = vec![0; DENSE_BYTES];
    dense[..HEAD_BYTES].copy_from_slice(&value[..HEAD_BYTES]);
    dense[ENCODING_AT] = Encoding::Dense as u8;
    registers.pack(&mut dense[HEAD_BYTES..]);
    dense
}
