//! What a client may call itself: printable ASCII without spaces, so that CLIENT LIST stays readable by machines.

use crate::error::CommandError;

/// Whether each byte is printable and no space. The empty text is valid: it takes a name away.
pub(super) fn is_valid(text: &[u8]) -> bool {
    text.iter().all(u8::is_ascii_graphic)
}

/// Refuses a connection name that is not valid.
pub(super) fn check(name: &[u8]) -> Result<(), CommandError> {
    if is_valid(name) {
        return Ok(());
    }
    Err(CommandError::fixed("ERR Client names cannot contain spaces, newlines or special characters."))
}
