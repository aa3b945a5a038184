//! Bit offsets: how they are read from an argument, and how a string is made long enough for one.

use torc_store::{Entry, Occupied, StringForm};

use crate::error::CommandError;
use crate::shard::ShardContext;

/// The error of an offset that is unreadable, negative, or beyond the longest string.
const BAD_OFFSET: CommandError = CommandError::fixed("ERR bit offset is not an integer or out of range");

/// Strings up to this length are made on the stack.
const SMALL_BYTES_MAX: usize = 64;

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

/// Lets `work` edit a string that has a byte number `last_byte`: an absent or shorter one is filled up with zeros.
pub fn edit<R>(
    context: &mut ShardContext<'_>,
    key: &[u8],
    last_byte: usize,
    work: impl FnOnce(&mut [u8]) -> R,
) -> Result<R, CommandError> {
    match context.string_entry(key)? {
        Entry::Occupied(occupied) => return Ok(edit_longer(occupied, last_byte, work)),
        Entry::Vacant(vacant) => {
            let len = (last_byte + 1).min(SMALL_BYTES_MAX);
            vacant.insert_string(&[0; SMALL_BYTES_MAX][..len], None, StringForm::Raw);
        }
    }
    // The zeros beyond those are made in place, and are not resident while nothing is written there.
    match context.entry(key) {
        Entry::Occupied(occupied) => Ok(edit_longer(occupied, last_byte, work)),
        Entry::Vacant(_) => unreachable!("the key was made just now"),
    }
}

/// Makes a string long enough, and `raw`, before it is edited.
fn edit_longer<R>(mut occupied: Occupied<'_>, last_byte: usize, work: impl FnOnce(&mut [u8]) -> R) -> R {
    let value = occupied.value();
    let len = value.as_string().map_or(0, <[u8]>::len);
    if len <= last_byte {
        occupied.write_at(last_byte, &[0]);
    } else if value.form() != StringForm::Raw {
        occupied.write_at(0, &[]);
    }
    work(occupied.bytes_mut().expect("the type was checked"))
}
