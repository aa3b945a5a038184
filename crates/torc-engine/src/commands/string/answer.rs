//! A string value, or a part of it, as a reply. A long one is lent, not copied: it is sent from where it lies.

use std::ops::Range;

use torc_resp::{LONG_BYTES_MIN, Reply};
use torc_store::ValueRef;

use crate::error::CommandError;

/// Answers with a value; `WRONGTYPE` when it is no string.
#[inline]
pub fn whole(value: ValueRef<'_>, reply: &mut Reply<'_>) -> Result<(), CommandError> {
    let bytes = value.as_string().ok_or(CommandError::WrongType)?;
    part(value, bytes, 0..bytes.len(), reply);
    Ok(())
}

/// Answers with a part of a value that is a string and consists of these bytes.
#[inline]
pub fn part(value: ValueRef<'_>, bytes: &[u8], part: Range<usize>, reply: &mut Reply<'_>) {
    if part.len() < LONG_BYTES_MIN {
        reply.bulk(&bytes[part]);
    } else {
        long_part(value, bytes, part, reply);
    }
}

#[cold]
fn long_part(value: ValueRef<'_>, bytes: &[u8], part: Range<usize>, reply: &mut Reply<'_>) {
    match value.lend() {
        Some(lent) => reply.shared_bulk(lent.slice(part)),
        None => reply.bulk(&bytes[part]),
    }
}
