//! AUTH [username] password: logs in.

use torc_resp::{Args, Reply};

use super::{HANDSHAKE, password};
use crate::acl::DEFAULT_USER;
use crate::command::{Row, Run, Secrets};
use crate::error::{CommandError, CommandResult};
use crate::session::SessionContext;

pub(super) static ROW: Row = Row {
    name: "auth",
    arity: -2,
    flags: HANDSHAKE,
    run: Run::Session(auth),
    logs_in: Some(|_| true),
    secrets: Secrets::From(1),
    categories: &["connection"],
    group: "connection",
    summary: "Authenticates the connection.",
    complexity: "O(N) where N is the number of passwords defined for the user",
    syntax: "[username@6.0.0] password",
    history: &[
        ("6.0.0", "Added ACL style (username and password)."),
    ],
    ..Row::DEFAULT
};

fn auth(context: &mut SessionContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let (user, word) = match args.len() {
        2 if context.facts().users.default_user().needs_no_password() => {
            return Err(CommandError::fixed(
                "ERR AUTH <password> called without any password configured for the default user. \
                 Are you sure your configuration is correct?",
            ));
        }
        2 => (DEFAULT_USER, args.get(1)),
        3 => (args.get(1), args.get(2)),
        _ => return Err(CommandError::Syntax),
    };
    password::log_in(context, user, word, args.name())?;
    reply.ok();
    Ok(())
}
