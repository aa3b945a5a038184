//! The keys of a request that is only looked at, not run.

use torc_resp::Args;

use crate::command::{Flags, KeyFlags, Registry};
use crate::error::CommandError;

/// The indexes of a request's keys, each with what the request does with it.
pub(super) fn find_keys(registry: &Registry, request: Args<'_>) -> Result<Vec<(usize, KeyFlags)>, CommandError> {
    let invalid = |_| CommandError::fixed("ERR Invalid command specified");
    let command = registry.find(request).map_err(invalid)?;
    if command.row.keys.iter().all(|spec| spec.flags == KeyFlags::NOT_KEY) {
        return Err(CommandError::fixed("ERR The command has no key arguments"));
    }
    if !command.row.arity_fits(request.len()) {
        return Err(CommandError::fixed("ERR Invalid number of arguments specified for command"));
    }
    let keys: Vec<(usize, KeyFlags)> = command.row.keys_with_flags(request).collect();
    let has_wrong_count = command.row.keys.iter().any(|spec| spec.is_counted() && spec.indexes(request).next().is_none());
    let must_have_some = !command.row.flags.has(Flags::NO_MANDATORY_KEYS);
    if must_have_some && (keys.is_empty() || has_wrong_count) {
        return Err(CommandError::fixed("ERR Invalid arguments specified for command"));
    }
    Ok(keys)
}
