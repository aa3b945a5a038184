//! SETEX key seconds value: sets a string key that expires.

use torc_resp::{Args, Reply};

use super::options::TimeUnit;
use super::store::store_for;
use crate::command::{Deprecated, Flags, KeySpec, Propagation, Route, Row, Run};
use crate::error::CommandResult;
use crate::shard::ShardContext;

pub(super) static ROW: Row = Row {
    name: "setex",
    arity: 4,
    flags: Flags::WRITE.and(Flags::DENYOOM),
    propagation: Propagation::Given,
    keys: &[KeySpec::at(1, "OW update")],
    route: Route::Owner,
    run: Run::Shard(setex),
    since: "2.0.0",
    group: "string",
    summary: "Sets the string value and expiration time of a key. Creates the key if it doesn't exist.",
    syntax: "key seconds value",
    deprecated: Some(Deprecated { since: "2.6.12", replaced_by: "`SET` with the `EX` argument" }),
    ..Row::DEFAULT
};

fn setex(context: &mut ShardContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    store_for(context, TimeUnit::Seconds, [args.get(1), args.get(2), args.get(3)])?;
    reply.ok();
    Ok(())
}
