//! What FLUSHDB and FLUSHALL share: ASYNC and SYNC.

use torc_resp::Args;

use crate::error::CommandError;

/// Whether the memory is to be freed in the background. That is so unless SYNC is asked for: freeing in
/// slices keeps the core answering, and the keys are gone at once either way.
pub fn is_lazy(args: Args<'_>) -> Result<bool, CommandError> {
    match args.len() {
        1 => Ok(true),
        2 if args.get(1).eq_ignore_ascii_case(b"async") => Ok(true),
        2 if args.get(1).eq_ignore_ascii_case(b"sync") => Ok(false),
        _ => Err(CommandError::Syntax),
    }
}
