//! BZMPOP timeout numkeys key [key ...] <MIN | MAX> [COUNT count]: takes members from the first set that has any, or waits for one.

use torc_resp::{Args, Reply};

use super::zmpop::{Request, is_ready};
use crate::command::blocking::{AwaitedKey, Blocking, Timeout, take_or_nothing};
use crate::command::{Flags, KeySpec, Propagation, Route, Row, Run};
use crate::error::{CommandError, CommandResult};
use crate::shard::ShardContext;

pub(super) static ROW: Row = Row {
    name: "bzmpop",
    arity: -5,
    flags: Flags::WRITE.and(Flags::BLOCKING),
    propagation: Propagation::Given,
    keys: &[KeySpec::counted(2, "RW access delete")],
    route: Route::Relay(&Blocking::RELAY),
    blocking: Some(&Blocking { timeout, is_ready, take, ..Blocking::DEFAULT }),
    run: Run::Shard(take_or_nothing),
    since: "7.0.0",
    summary: "Removes and returns a member by score from one or more sorted sets. Blocks until a member is available otherwise. Deletes the sorted set if the last element was popped.",
    complexity: "O(K) + O(M*log(N)) where K is the number of provided keys, N being the number of elements in the sorted set, and M being the number of elements popped.",
    syntax: "timeout numkeys key [key ...] where:<MIN | MAX> [COUNT count]",
    ..super::ROW_DEFAULT
};

fn timeout(args: Args<'_>) -> Result<Timeout, CommandError> {
    // The timeout is the last thing that is looked at, though it stands first.
    Request::parse(args, 2)?;
    Timeout::seconds(args.get(1))
}

fn take(
    context: &mut ShardContext<'_>,
    args: Args<'_>,
    key: AwaitedKey<'_>,
    reply: &mut Reply<'_>,
) -> CommandResult {
    Request::parse(args, 2)?.take(context, key.name, reply)
}
