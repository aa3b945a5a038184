//! EXPIRE key seconds [NX | XX | GT | LT]: the key is gone after this time.

use torc_resp::{Args, Reply};

use super::expiry::{self, Notation};
use crate::command::{Flags, KeySpec, Propagation, Route, Row, Run};
use crate::error::CommandResult;
use crate::shard::ShardContext;

pub(super) static ROW: Row = Row {
    name: "expire",
    arity: -3,
    flags: Flags::WRITE.and(Flags::FAST),
    propagation: Propagation::Given,
    keys: &[KeySpec::at(1, "RW update")],
    route: Route::Owner,
    run: Run::Shard(expire),
    since: "1.0.0",
    summary: "Sets the expiration time of a key in seconds.",
    syntax: expiry::syntax!("seconds"),
    history: &[
        ("7.0.0", "Added options: `NX`, `XX`, `GT` and `LT`."),
    ],
    ..super::ROW_DEFAULT
};

fn expire(context: &mut ShardContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    expiry::set_expiry(context, args, Notation { unit_ms: 1000, relative: true }, reply)
}
