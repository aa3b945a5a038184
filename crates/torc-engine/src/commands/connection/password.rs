//! Logging in: the one user `default`, whose password is the directive `requirepass`.

use crate::error::CommandError;
use crate::session::SessionContext;

/// The only user there is; what CLIENT LIST shows for every connection.
pub(super) const DEFAULT_USER: &str = "default";

/// Marks the session as logged in, or says why not. Without a password any password of `default` is right.
pub(super) fn log_in(context: &mut SessionContext<'_>, user: &[u8], password: &[u8]) -> Result<(), CommandError> {
    let (session, config) = context.session_and_config();
    let wanted = config.requirepass.as_bytes();
    let right = wanted.is_empty() || is_same(wanted, password);
    if user != DEFAULT_USER.as_bytes() || !right {
        context.note_failed_login();
        return Err(CommandError::fixed("WRONGPASS invalid username-password pair or user is disabled."));
    }
    session.authenticated = true;
    Ok(())
}

/// Compares in a time that depends on the length of what was sent, not on where it differs.
fn is_same(wanted: &[u8], sent: &[u8]) -> bool {
    let mut difference = wanted.len() ^ sent.len();
    for (index, &byte) in sent.iter().enumerate() {
        difference |= usize::from(byte ^ wanted[index % wanted.len()]);
    }
    difference == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_password_is_the_same() {
        assert!(is_same(b"secret", b"secret"));
        for other in ["", "s", "secre", "secreT", "Secret", "secretsecret", "secrets"] {
            assert!(!is_same(b"secret", other.as_bytes()), "{other}");
        }
    }
}
