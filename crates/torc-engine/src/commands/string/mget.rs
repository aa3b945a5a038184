//! MGET key [key ...]: the values of several string keys.

use torc_resp::{Args, Reply};

use super::ahead::Ahead;
use super::answer;
use crate::command::{Flags, KeySpec, Merge, Route, Row, Run};
use crate::error::CommandResult;
use crate::shard::ShardContext;

pub(super) static ROW: Row = Row {
    name: "mget",
    arity: -2,
    flags: Flags::READONLY.and(Flags::FAST),
    keys: &[KeySpec::from(1, "RO access")],
    route: Route::Split { stride: 1, merge: Merge::ByKey },
    run: Run::Shard(mget),
    group: "string",
    summary: "Atomically returns the string values of one or more keys.",
    complexity: "O(N) where N is the number of keys to retrieve.",
    syntax: "key [key ...]",
    tips: &["request_policy:multi_shard"],
    ..Row::DEFAULT
};

fn mget(context: &mut ShardContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let keys = args.from(1);
    let mut ahead = Ahead::start(context, keys.iter());
    reply.array(keys.len());
    for key in keys {
        ahead.advance(context);
        let answered = context.read(key).is_some_and(|value| answer::whole(value, reply).is_ok());
        if !answered {
            reply.null();
        }
    }
    Ok(())
}
