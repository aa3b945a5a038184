//! EXPIRETIME key: the Unix second at which it expires, -1 if never, -2 without the key.

use torc_resp::{Args, Reply};

use super::expiry::Notation;
use super::{ASK, remaining};
use crate::command::{KeySpec, Route, Row, Run};
use crate::error::CommandResult;
use crate::shard::ShardContext;

pub(super) static ROW: Row = Row {
    name: "expiretime",
    arity: 2,
    flags: ASK,
    keys: &[KeySpec::at(1, "RO access")],
    route: Route::Owner,
    run: Run::Shard(expiretime),
    since: "7.0.0",
    summary: "Returns the expiration time of a key as a Unix timestamp.",
    syntax: "key",
    ..super::ROW_DEFAULT
};

fn expiretime(context: &mut ShardContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    remaining::report(context, args, Notation { unit_ms: 1000, relative: false }, reply)
}
