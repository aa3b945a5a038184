//! MSETNX key value [key value ...]: sets several keys if none of them exists.
//!
//! Over several cores each owner first tells which of its keys exist; then each sets its own, or none does.

use torc_resp::{Args, Reply};

use super::store::{Expire, store};
use crate::command::{ApplyOn, Fetched, Fetching, Flags, KeySpec, Propagation, Relay, Route, Row, Run};
use crate::error::{CommandError, CommandResult};
use crate::event::EventClass;
use crate::extract::Extract;
use crate::shard::ShardContext;

pub(super) static ROW: Row = Row {
    name: "msetnx",
    arity: -3,
    flags: Flags::WRITE.and(Flags::DENYOOM),
    propagation: Propagation::AsItCame,
    keys: &[KeySpec::range(1, -1, 2, "OW insert")],
    route: Route::Relay(&RELAY),
    run: Run::Shard(msetnx),
    since: "1.0.1",
    group: "string",
    summary: "Atomically modifies the string values of one or more keys only when all keys don't exist.",
    complexity: "O(N) where N is the number of keys to set.",
    syntax: "key value data:[key value ...]",
    ..Row::DEFAULT
};

static RELAY: Relay = Relay { fetch: Fetching::ByKey(fetch), apply, apply_on: ApplyOn::Owners };

fn msetnx(context: &mut ShardContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    if args.len().is_multiple_of(2) {
        return Err(CommandError::Arity(context.command.full_name));
    }
    let exists = args.from(1).iter().step_by(2).any(|key| context.access(key));
    if !exists {
        let mut rest = args.from(1).iter();
        while let (Some(key), Some(value)) = (rest.next(), rest.next()) {
            set(context, key, value);
        }
    }
    reply.integer(i64::from(!exists));
    Ok(())
}

fn set(context: &mut ShardContext<'_>, key: &[u8], value: &[u8]) {
    let now_ms = context.now_ms();
    store(context.entry(key), value, Expire::Never, now_ms);
    context.event(EventClass::String, "set", key);
    context.count_changes(1);
}

fn fetch(context: &mut ShardContext<'_>, args: Args<'_>, key_number: usize, extract: &mut Extract) -> CommandResult {
    if args.len().is_multiple_of(2) {
        return Err(CommandError::Arity(context.command.full_name));
    }
    let exists = context.access(args.get(1 + 2 * key_number));
    extract.integer(i64::from(exists));
    Ok(())
}

fn apply(context: &mut ShardContext<'_>, args: Args<'_>, fetched: Fetched<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let exists = fetched.0.iter().any(|exists| exists == b":1\r\n");
    let mut rest = args.from(1).iter();
    while let (Some(key), Some(value)) = (rest.next(), rest.next()) {
        if !exists && context.owns(key) {
            set(context, key, value);
        }
    }
    reply.integer(i64::from(!exists));
    Ok(())
}
