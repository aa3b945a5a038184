//! Whether there is memory for something whose size a client has chosen. Where there is not, the command fails and nothing
//! has changed; anything smaller ends the process, since no command could go on.

use torc_store::memory;

use crate::error::CommandError;

/// What else may be made before the command has ended: segments of tables, a chunk of a heap, replies.
const BESIDE_BYTES: usize = 16 << 20;
/// Less than this is not asked for.
const ASKED_BYTES_MIN: usize = 1 << 20;

/// Refuses what there is no memory for. Costs two system calls for a megabyte and more, and nothing below.
///
/// # Errors
/// [`CommandError::OutOfMemory`].
#[inline]
pub(crate) fn check(bytes: usize) -> Result<(), CommandError> {
    if bytes < ASKED_BYTES_MIN || memory::has_headroom(bytes.saturating_add(BESIDE_BYTES)) {
        return Ok(());
    }
    Err(CommandError::OutOfMemory)
}

/// Refuses to make a string longer, if there is no memory for that. It gets a quarter more than it needs, and may have to move.
///
/// # Errors
/// [`CommandError::OutOfMemory`].
#[inline]
pub(crate) fn check_growth(len_before: usize, len: usize) -> Result<(), CommandError> {
    if len > len_before { check(len.saturating_add(len / 4)) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_has_is_refused() {
        assert!(check(0).is_ok() && check(ASKED_BYTES_MIN).is_ok());
        assert_eq!(check(usize::MAX).expect_err("too much").code(), "OOM");
        assert!(check_growth(usize::MAX / 2, usize::MAX / 2).is_ok(), "it is there already");
        assert!(check_growth(0, usize::MAX / 2).is_err());
    }
}
