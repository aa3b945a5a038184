//! Logging in: what AUTH and HELLO AUTH have in common.

use std::sync::Arc;

use super::describe_client;
use crate::acl::{DenialContext, Reason};
use crate::error::CommandError;
use crate::session::SessionContext;

/// The session has the rights of this user from now on, or an error says why not. `command`: how the client called it.
pub(super) fn log_in(
    context: &mut SessionContext<'_>,
    name: &[u8],
    password: &[u8],
    command: &[u8],
) -> Result<(), CommandError> {
    let user = context.facts().users.find(name).filter(|user| user.accepts(password)).map(Arc::clone);
    match user {
        Some(user) => {
            context.session.authenticated = true;
            context.session.set_user(user);
            Ok(())
        }
        None => {
            let where_ = match context.session.transaction {
                Some(_) => DenialContext::Multi,
                None => DenialContext::TopLevel,
            };
            let client = describe_client(context.session, &context.facts());
            context.note_failed_login((Reason::Auth, where_), command, name, client);
            Err(CommandError::fixed("WRONGPASS invalid username-password pair or user is disabled."))
        }
    }
}
