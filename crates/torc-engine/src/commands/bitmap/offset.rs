//! Bit offsets: how they are read from an argument, and how a string is made long enough for one.

use torc_store::{Entry, Occupied};

use crate::error::CommandError;
use crate::headroom;
use crate::shard::ShardContext;

/// The error of an offset that is unreadable, negative, or beyond the longest string.
const BAD_OFFSET: CommandError = CommandError::fixed("ERR bit offset is not an integer or out of range");

/// Reads a bit offset, whose byte must lie inside the longest string allowed.
#[inline]
pub fn bit_offset(argument: &[u8], string_len_max: usize) -> Result<u64, CommandError> {
    torc_resp::number::parse_i64(argument).and_then(|offset| within(offset, string_len_max)).ok_or(BAD_OFFSET)
}

/// Reads an offset of BITFIELD: `#n` counts in integers of `bits` bits.
pub fn field_offset(argument: &[u8], bits: u32, string_len_max: usize) -> Result<u64, CommandError> {
    let (text, unit) = match argument {
        [b'#', text @ ..] => (text, i64::from(bits)),
        text => (text, 1),
    };
    let offset = torc_resp::number::parse_i64(text).and_then(|number| number.checked_mul(unit));
    offset.and_then(|offset| within(offset, string_len_max)).ok_or(BAD_OFFSET)
}

fn within(offset: i64, string_len_max: usize) -> Option<u64> {
    u64::try_from(offset).ok().filter(|offset| offset >> 3 < string_len_max as u64)
}

/// The place of a string that has a byte number `last_byte`: an absent or shorter one is filled up with zeros, and whatever form it had,
/// it is `raw` now. Whether it became longer; nobody who watches the key has heard of it yet.
#[inline]
pub fn stretch<'a>(
    context: &'a mut ShardContext<'_>,
    key: &'a [u8],
    last_byte: usize,
) -> Result<(Occupied<'a>, bool), CommandError> {
    match context.string_entry(key)? {
        Entry::Occupied(mut occupied) => {
            let len = occupied.value().as_string().map_or(0, <[u8]>::len);
            headroom::check_growth(len, last_byte + 1)?;
            occupied.grow_quietly(last_byte + 1);
            Ok((occupied, len <= last_byte))
        }
        Entry::Vacant(vacant) => {
            headroom::check_growth(0, last_byte + 1)?;
            Ok((vacant.insert_zeros_quietly(last_byte + 1), true))
        }
    }
}
