//! ACL: users and their rights (docs/acl.md). What changes them runs on every core at one point of the order.

mod cat;
mod deluser;
mod dryrun;
mod file;
mod genpass;
mod getuser;
mod help;
mod list;
mod load;
mod log;
mod save;
mod setuser;
mod users;
mod whoami;

use torc_resp::Args;

use crate::command::{Flags, Row};
use crate::error::CommandError;

pub(super) static ROW: Row = Row {
    name: "acl",
    arity: -2,
    flags: Flags::SENTINEL,
    since: "6.0.0",
    group: "server",
    summary: "A container for Access List Control commands.",
    complexity: "Depends on subcommand.",
    subcommands: &[
        &cat::ROW,
        &deluser::ROW,
        &dryrun::ROW,
        &genpass::ROW,
        &getuser::ROW,
        &help::ROW,
        &list::ROW,
        &load::ROW,
        &log::ROW,
        &save::ROW,
        &setuser::ROW,
        &users::ROW,
        &whoami::ROW,
    ],
    ..Row::DEFAULT
};

/// The flags of those that tell nothing of others.
const PLAIN: Flags = Flags::NOSCRIPT.and(Flags::LOADING).and(Flags::STALE).and(Flags::SENTINEL);

/// The flags of the others.
const ADMIN: Flags = PLAIN.and(Flags::ADMIN);

/// The flags of those that change users.
const CHANGES: Flags = ADMIN.and(Flags::ORDERED).and(Flags::LONG);

/// The error for a number of arguments that no form of a subcommand has.
fn wrong_arguments(args: Args<'_>) -> CommandError {
    let text = "ERR unknown subcommand or wrong number of arguments for '{}'. Try ACL HELP.";
    CommandError::quoting(text, &[args.get(1)])
}
