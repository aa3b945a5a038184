//! MSET key value [key value ...]: sets several keys.

use torc_resp::{Args, Reply};

use super::ahead::Ahead;
use super::store::{Expire, store};
use crate::command::{Flags, KeySpec, Merge, Propagation, Route, Row, Run};
use crate::error::{CommandError, CommandResult};
use crate::event::EventClass;
use crate::shard::ShardContext;

pub(super) static ROW: Row = Row {
    name: "mset",
    arity: -3,
    flags: Flags::WRITE.and(Flags::DENYOOM),
    propagation: Propagation::AsItCame,
    keys: &[KeySpec::range(1, -1, 2, "OW update")],
    route: Route::Split { stride: 2, merge: Merge::Same },
    run: Run::Shard(mset),
    since: "1.0.1",
    group: "string",
    summary: "Atomically creates or modifies the string values of one or more keys.",
    complexity: "O(N) where N is the number of keys to set.",
    syntax: "key value data:[key value ...]",
    tips: &["request_policy:multi_shard", "response_policy:all_succeeded"],
    ..Row::DEFAULT
};

fn mset(context: &mut ShardContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    if args.len().is_multiple_of(2) {
        return Err(CommandError::Arity(context.command.full_name));
    }
    let now_ms = context.now_ms();
    let mut ahead = Ahead::start(context, args.from(1).iter().step_by(2));
    let mut rest = args.from(1).iter();
    while let (Some(key), Some(value)) = (rest.next(), rest.next()) {
        ahead.advance(context);
        store(context.entry(key), value, Expire::Never, now_ms);
        context.event(EventClass::String, "set", key);
    }
    context.count_changes(args.len() / 2);
    reply.ok();
    Ok(())
}
