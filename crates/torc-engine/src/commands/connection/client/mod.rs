//! CLIENT: the connection's own settings, and the list of all connections.

mod describe;
mod filter;
mod getname;
mod help;
mod id;
mod info;
mod kill;
mod list;
mod no_evict;
mod no_touch;
mod reply;
mod setinfo;
mod setname;
mod unblock;

use crate::command::{Flags, Row};
use crate::error::CommandError;

pub(super) static ROW: Row = Row {
    name: "client",
    arity: -2,
    since: "2.4.0",
    group: "connection",
    summary: "A container for client connection commands.",
    complexity: "Depends on subcommand.",
    subcommands: &[
        &getname::ROW,
        &help::ROW,
        &id::ROW,
        &info::ROW,
        &kill::ROW,
        &list::ROW,
        &no_evict::ROW,
        &no_touch::ROW,
        &reply::ROW,
        &setinfo::ROW,
        &setname::ROW,
        &unblock::ROW,
    ],
    ..Row::DEFAULT
};

/// The flags of most subcommands.
const PLAIN: Flags = Flags::NOSCRIPT.and(Flags::LOADING).and(Flags::STALE);

/// The flags of those that are for administrators.
const ADMIN: Flags = PLAIN.and(Flags::ADMIN);

/// Reads `on` or `off`.
fn on_or_off(argument: &[u8]) -> Result<bool, CommandError> {
    if argument.eq_ignore_ascii_case(b"on") {
        Ok(true)
    } else if argument.eq_ignore_ascii_case(b"off") {
        Ok(false)
    } else {
        Err(CommandError::Syntax)
    }
}
