//! XINFO: what a stream, its groups and their consumers look like.

mod consumers;
mod groups;
mod help;
mod stream;

use torc_resp::Reply;
use torc_store::{Group, Stream};

use crate::command::{Flags, Route, Row};

pub(super) static ROW: Row = Row {
    name: "xinfo",
    arity: -2,
    since: "5.0.0",
    group: "stream",
    summary: "A container for stream introspection commands.",
    complexity: "Depends on subcommand.",
    subcommands: &[&consumers::ROW, &groups::ROW, &help::ROW, &stream::ROW],
    ..Row::DEFAULT
};

/// What the subcommands start from.
const ROW_DEFAULT: Row = Row {
    flags: Flags::READONLY,
    route: Route::Owner,
    since: "5.0.0",
    group: "stream",
    categories: &["stream"],
    ..Row::DEFAULT
};

/// How far a group has read: two entries of a map.
fn progress(stream: &Stream, group: &Group, reply: &mut Reply<'_>) {
    reply.bulk(b"entries-read");
    match group.entries_read() {
        Some(read) => reply.integer(read as i64),
        None => reply.null(),
    }
    reply.bulk(b"lag");
    match stream.lag(group) {
        Some(lag) => reply.integer(lag),
        None => reply.null(),
    }
}
