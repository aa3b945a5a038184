//! ACL DRYRUN username command [argument ...]: whether a user may run a request, which does not run.

use torc_resp::{Args, Reply};

use crate::command::{Row, Run, Secrets};
use crate::error::{CommandError, CommandResult};
use crate::session::SessionContext;

pub(super) static ROW: Row = Row {
    name: "dryrun",
    arity: -4,
    flags: super::ADMIN,
    run: Run::Session(dryrun),
    secrets: Secrets::From(4),
    since: "7.0.0",
    group: "server",
    summary: "Simulates the execution of a command by a user, without executing the command.",
    complexity: "O(1).",
    syntax: "username command [arg [arg ...]]",
    ..Row::DEFAULT
};

fn dryrun(context: &mut SessionContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let Some(user) = context.facts().users.find(args.get(2)) else {
        return Err(CommandError::quoting("ERR User '{}' not found", &[args.get(2)]));
    };
    let request = args.from(3);
    let Ok(command) = context.registry().find(request) else {
        return Err(CommandError::quoting("ERR Command '{}' not found", &[args.get(3)]));
    };
    if !command.row.arity_fits(request.len()) {
        return Err(CommandError::Arity(command.full_name));
    }
    match user.permit(command, request, context.session.db) {
        Ok(()) => reply.ok(),
        Err(CommandError::NoPermission(denied)) => reply.bulk(&denied.verbose()),
        Err(other) => return Err(other),
    }
    Ok(())
}
