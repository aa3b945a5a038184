//! TTL key: seconds until it expires, -1 if never, -2 without the key.

use torc_resp::{Args, Reply};

use super::expiry::Notation;
use super::{ASK, remaining};
use crate::command::{KeySpec, Route, Row, Run};
use crate::error::CommandResult;
use crate::shard::ShardContext;

pub(super) static ROW: Row = Row {
    name: "ttl",
    arity: 2,
    flags: ASK,
    keys: &[KeySpec::at(1, "RO access")],
    route: Route::Owner,
    run: Run::Shard(ttl),
    since: "1.0.0",
    summary: "Returns the expiration time in seconds of a key.",
    syntax: "key",
    tips: &["nondeterministic_output"],
    history: &[
        ("2.8.0", "Added the -2 reply."),
    ],
    ..super::ROW_DEFAULT
};

fn ttl(context: &mut ShardContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    remaining::report(context, args, Notation { unit_ms: 1000, relative: true }, reply)
}
