//! CLIENT: the connection's own settings, and the list of all connections.

mod caching;
mod capa;
mod describe;
mod filter;
mod getname;
mod getredir;
mod help;
mod id;
mod import_source;
mod info;
mod kill;
mod list;
mod no_evict;
mod no_touch;
mod pause;
mod reply;
mod setinfo;
mod setname;
mod tracking;
mod trackinginfo;
mod unblock;
mod unpause;

use crate::command::{Flags, Row};
use crate::error::CommandError;
use crate::session::Session;
use crate::state::Facts;

/// A connection as CLIENT LIST shows it, without the line end.
pub(crate) fn describe_client(session: &Session, facts: &Facts<'_>) -> String {
    describe::describe(session, facts, None).trim_end().to_owned()
}

pub(super) static ROW: Row = Row {
    name: "client",
    arity: -2,
    since: "2.4.0",
    group: "connection",
    summary: "A container for client connection commands.",
    complexity: "Depends on subcommand.",
    subcommands: &[
        &caching::ROW,
        &capa::ROW,
        &getname::ROW,
        &getredir::ROW,
        &help::ROW,
        &id::ROW,
        &import_source::ROW,
        &info::ROW,
        &kill::ROW,
        &list::ROW,
        &no_evict::ROW,
        &no_touch::ROW,
        &pause::ROW,
        &reply::ROW,
        &setinfo::ROW,
        &setname::ROW,
        &tracking::ROW,
        &trackinginfo::ROW,
        &unblock::ROW,
        &unpause::ROW,
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
