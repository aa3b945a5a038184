//! The keys of a request that is only looked at, not run.

use torc_resp::Args;

use crate::command::{Command, Registry};
use crate::error::CommandError;

/// The command of a request and the indexes of its keys.
pub(super) fn find_keys<'a>(
    registry: &'a Registry,
    request: Args<'_>,
) -> Result<(&'a Command, Vec<usize>), CommandError> {
    let invalid = |_| CommandError::fixed("ERR Invalid command specified");
    let command = registry.find(request).map_err(invalid)?;
    if command.row.keys.first == 0 && command.row.key_runs.is_none() {
        return Err(CommandError::fixed("ERR The command has no key arguments"));
    }
    if !command.row.arity_fits(request.len()) {
        return Err(CommandError::fixed("ERR Invalid number of arguments specified for command"));
    }
    let keys: Vec<usize> = command.row.key_indexes(request).collect();
    if keys.is_empty() {
        return Err(CommandError::fixed("ERR Invalid arguments specified for command"));
    }
    Ok((command, keys))
}
