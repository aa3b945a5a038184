//! LZF, the compression of strings: literal runs, and references to up to 8 KiB back.
//!
//! ```text
//!   000nnnnn                      n + 1 literal bytes follow
//!   lllooooo oooooooo             copy l + 2 bytes (l 1..6) from o + 1 bytes back
//!   111ooooo llllllll oooooooo    copy l + 9 bytes from there
//! ```

use crate::error::DecodeError;
use crate::input::Input;

const LITERALS_MAX: usize = 32;
const DISTANCE_MAX: usize = 1 << 13;
const MATCH_MIN: usize = 3;
const MATCH_MAX: usize = 264;
/// A table of this size needs no memory of its own; it is for strings below 256 bytes.
const SMALL_TABLE_BITS: u32 = 7;
/// No input byte stands for more output bytes: three bytes copy up to 264.
const RATIO_MAX: usize = 88;
const DAMAGED: DecodeError = DecodeError::Malformed("compressed string");

/// Appends `bytes` compressed to `out` if that takes at most `limit` bytes; else appends nothing and returns false.
pub fn compress(bytes: &[u8], limit: usize, out: &mut Vec<u8>) -> bool {
    let start = out.len();
    let table_bits = bytes.len().max(1).ilog2().clamp(6, 14);
    let (mut small_table, mut large_table);
    let table: &mut [u32] = if table_bits <= SMALL_TABLE_BITS {
        small_table = [0; 1 << SMALL_TABLE_BITS];
        &mut small_table
    } else {
        large_table = vec![0; 1 << table_bits];
        &mut large_table
    };
    let (mut at, mut literals) = (0, 0);
    // Positions are kept plus one, so that 0 means none. Strings too long for that stay as they are.
    if u32::try_from(bytes.len()).is_err() {
        return false;
    }
    while at + MATCH_MIN <= bytes.len() {
        let slot = &mut table[hash(&bytes[at..at + MATCH_MIN], table_bits)];
        let candidate = std::mem::replace(slot, at as u32 + 1) as usize;
        let len = candidate.checked_sub(1).map_or(0, |candidate| match_len(bytes, candidate, at));
        if len < MATCH_MIN {
            at += 1;
            continue;
        }
        write_literals(&bytes[literals..at], out);
        write_match(at - candidate, len, out);
        if out.len() - start > limit {
            break;
        }
        // The end of what was copied is worth finding again; its middle seldom is.
        let end = at + len;
        at = end.saturating_sub(2).max(at + 1);
        while at < end && at + MATCH_MIN <= bytes.len() {
            table[hash(&bytes[at..at + MATCH_MIN], table_bits)] = at as u32 + 1;
            at += 1;
        }
        (at, literals) = (end, end);
    }
    write_literals(&bytes[literals..], out);
    let fits = out.len() - start <= limit;
    if !fits {
        out.truncate(start);
    }
    fits
}

/// The `len` bytes that `bytes` stand for.
///
/// # Errors
/// They are damaged, or stand for another number of bytes.
pub fn decompress(bytes: &[u8], len: usize) -> Result<Vec<u8>, DecodeError> {
    if len > bytes.len().saturating_mul(RATIO_MAX) {
        return Err(DAMAGED);
    }
    let mut out = Vec::with_capacity(len);
    let mut input = Input::new(bytes);
    while !input.rest().is_empty() {
        let control = usize::from(input.byte()?);
        if control < LITERALS_MAX {
            let literals = input.bytes(control + 1).map_err(|_| DAMAGED)?;
            if out.len() + literals.len() > len {
                return Err(DAMAGED);
            }
            out.extend_from_slice(literals);
            continue;
        }
        let mut byte = || input.byte().map(usize::from).map_err(|_| DAMAGED);
        let extra = if control >> 5 == 7 { byte()? } else { 0 };
        let count = (control >> 5) + extra + 2;
        let distance = ((control & 31) << 8 | byte()?) + 1;
        if out.len() + count > len || distance > out.len() {
            return Err(DAMAGED);
        }
        copy_back(&mut out, distance, count);
    }
    if out.len() == len { Ok(out) } else { Err(DAMAGED) }
}

/// Appends `count` bytes from `distance` back. A copy that overlaps itself repeats what it has just written.
fn copy_back(out: &mut Vec<u8>, distance: usize, count: usize) {
    let from = out.len() - distance;
    let mut left = count;
    while left > 0 {
        let there = (out.len() - from).min(left);
        out.extend_from_within(from..from + there);
        left -= there;
    }
}

fn hash(three: &[u8], bits: u32) -> usize {
    let value = u32::from_le_bytes([three[0], three[1], three[2], 0]);
    (value.wrapping_mul(0x9e37_79b1) >> (32 - bits)) as usize
}

/// How many bytes from `at` on repeat those from `candidate` on, as far as one reference can say.
fn match_len(bytes: &[u8], candidate: usize, at: usize) -> usize {
    if at - candidate > DISTANCE_MAX {
        return 0;
    }
    let end = bytes.len().min(at + MATCH_MAX);
    let (old, new) = (&bytes[candidate..end - at + candidate], &bytes[at..end]);
    let (old_words, new_words) = (old.as_chunks::<8>().0, new.as_chunks::<8>().0);
    let words = old_words.iter().zip(new_words).take_while(|(old, new)| old == new).count() * 8;
    words + old[words..].iter().zip(&new[words..]).take_while(|(old, new)| old == new).count()
}

fn write_literals(literals: &[u8], out: &mut Vec<u8>) {
    for run in literals.chunks(LITERALS_MAX) {
        out.push(run.len() as u8 - 1);
        out.extend_from_slice(run);
    }
}

/// `distance` counts from 0: the byte before is at 0.
fn write_match(distance: usize, len: usize, out: &mut Vec<u8>) {
    let (len, high) = (len - 2, (distance >> 8) as u8);
    if len < 7 {
        out.push((len as u8) << 5 | high);
    } else {
        out.extend([7 << 5 | high, (len - 7) as u8]);
    }
    out.push(distance as u8);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn repetition_shrinks_and_noise_is_left_alone() {
        let mut out = Vec::new();
        assert!(compress(&[b'a'; 1000], 996, &mut out));
        assert!(out.len() < 20, "{}", out.len());
        assert_eq!(decompress(&out, 1000), Ok(vec![b'a'; 1000]));
        out.clear();
        let noise: Vec<u8> = (0..=255).collect();
        assert!(!compress(&noise, 252, &mut out));
        assert!(out.is_empty());
    }

    #[test]
    fn damage_is_an_error() {
        for (bytes, len) in [
            (&[][..], 1),
            (&[0], 1),
            (&[1, b'a'], 2),
            (&[0, b'a', 0x20, 1], 4),
            (&[0, b'a', 0xe0], 4),
            (&[0, b'a', 0xe0, 0], 4),
            (&[0, b'a', 0x20], 4),
            (&[0, b'a', 0x20, 0], 3),
            (&[0, b'a', 0x20, 0], 5),
            (&[0, b'a'], usize::MAX),
        ] {
            assert_eq!(decompress(bytes, len), Err(DAMAGED), "{bytes:?} {len}");
        }
        assert_eq!(decompress(&[0, b'a', 0x20, 0], 4), Ok(b"aaaa".to_vec()));
    }

    proptest! {
        #[test]
        fn what_is_compressed_comes_back(parts in prop::collection::vec(("[ab]{1,20}|[a-z0-9]{1,40}", 1..60_usize), 1..20)) {
            let bytes: Vec<u8> = parts.iter().flat_map(|(text, times)| text.repeat(*times).into_bytes()).collect();
            let mut out = vec![1, 2, 3];
            if compress(&bytes, bytes.len() * 2, &mut out) {
                prop_assert_eq!(decompress(&out[3..], bytes.len()), Ok(bytes));
            }
        }

        #[test]
        fn any_bytes_are_read_without_panic(bytes: Vec<u8>, len in 0..5000_usize) {
            if let Ok(out) = decompress(&bytes, len) {
                prop_assert_eq!(out.len(), len);
            }
        }
    }
}
