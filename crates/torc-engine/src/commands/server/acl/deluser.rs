//! ACL DELUSER username [username ...]: removes users, and ends their connections.

use torc_resp::{Args, Reply};

use crate::acl::DEFAULT_USER;
use crate::command::{Merge, Route, Row, Run, Secrets};
use crate::error::{CommandError, CommandResult};
use crate::session::CoreContext;

pub(super) static ROW: Row = Row {
    name: "deluser",
    arity: -3,
    flags: super::CHANGES,
    route: Route::Every(Merge::Same),
    run: Run::Core(deluser),
    secrets: Secrets::From(2),
    since: "6.0.0",
    group: "server",
    summary: "Deletes ACL users, and terminates their connections.",
    complexity: "O(1) amortized time considering the typical user.",
    syntax: "username [username ...]",
    ..Row::DEFAULT
};

/// One core's part. Those before the default user, which cannot go, are gone all the same, as in Redis.
fn deluser(context: &mut CoreContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let mut users = context.users().clone();
    let names = args.from(2).iter();
    let removed = names.take_while(|name| *name != DEFAULT_USER).filter(|name| users.remove(name)).count();
    if removed > 0 {
        context.replace_users(users);
    }
    if args.from(2).iter().any(|name| name == DEFAULT_USER) {
        return Err(CommandError::fixed("ERR The 'default' user cannot be removed"));
    }
    reply.integer(removed as i64);
    Ok(())
}
