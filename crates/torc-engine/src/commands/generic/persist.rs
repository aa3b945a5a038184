//! PERSIST key: the key never expires.

use torc_resp::{Args, Reply};
use torc_store::Entry;

use crate::command::{Flags, KeySpec, Propagation, Route, Row, Run};
use crate::error::CommandResult;
use crate::event::EventClass;
use crate::shard::ShardContext;

pub(super) static ROW: Row = Row {
    name: "persist",
    arity: 2,
    flags: Flags::WRITE.and(Flags::FAST),
    propagation: Propagation::AsItCame,
    keys: &[KeySpec::at(1, "RW update")],
    route: Route::Owner,
    run: Run::Shard(persist),
    since: "2.2.0",
    summary: "Removes the expiration time of a key.",
    syntax: "key",
    ..super::ROW_DEFAULT
};

fn persist(context: &mut ShardContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let (touch, now_ms) = (context.touch, context.now_ms());
    let mut had_expiry = false;
    if let Entry::Occupied(mut occupied) = context.entry(args.get(1)) {
        if touch {
            occupied.touch(now_ms);
        }
        had_expiry = occupied.value().expire_at().is_some();
        if had_expiry {
            occupied.set_expire_at(None);
        }
    }
    if had_expiry {
        context.event(EventClass::Generic, "persist", args.get(1));
    }
    reply.integer(i64::from(had_expiry));
    Ok(())
}
