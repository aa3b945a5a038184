//! PSETEX key milliseconds value: sets a string key that expires.

use torc_resp::{Args, Reply};

use super::options::TimeUnit;
use super::store::store_for;
use crate::command::{Deprecated, Flags, KeySpec, Propagation, Route, Row, Run};
use crate::error::CommandResult;
use crate::shard::ShardContext;

pub(super) static ROW: Row = Row {
    name: "psetex",
    arity: 4,
    flags: Flags::WRITE.and(Flags::DENYOOM),
    propagation: Propagation::Given,
    keys: &[KeySpec::at(1, "OW update")],
    route: Route::Owner,
    run: Run::Shard(psetex),
    since: "2.6.0",
    group: "string",
    summary: "Sets both string value and expiration time in milliseconds of a key. The key is created if it doesn't exist.",
    syntax: "key milliseconds value",
    deprecated: Some(Deprecated { since: "2.6.12", replaced_by: "`SET` with the `PX` argument" }),
    ..Row::DEFAULT
};

fn psetex(context: &mut ShardContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    store_for(context, TimeUnit::Milliseconds, [args.get(1), args.get(2), args.get(3)])?;
    reply.ok();
    Ok(())
}
