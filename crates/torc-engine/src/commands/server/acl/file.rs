//! The file of users, for ACL LOAD and ACL SAVE.

use crate::error::CommandError;
use crate::state::Facts;

/// Where the file of users lies, as `aclfile` says.
///
/// # Errors
/// The configuration names no such file.
pub(super) fn path<'a>(facts: &Facts<'a>) -> Result<&'a str, CommandError> {
    match facts.config.acl.aclfile.as_str() {
        "" => Err(CommandError::fixed(
            "ERR This Redis instance is not configured to use an ACL file. You may want to specify users via the ACL SETUSER \
             command and then issue a CONFIG REWRITE (assuming you have a Redis configuration file set) in order to store \
             users in the Redis configuration.",
        )),
        path => Ok(path),
    }
}
