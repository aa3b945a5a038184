//! SETNX key value: sets a string key if it is absent.

use torc_resp::{Args, Reply};
use torc_store::{Entry, StringForm};

use crate::command::{Deprecated, Flags, KeySpec, Propagation, Route, Row, Run};
use crate::error::CommandResult;
use crate::event::EventClass;
use crate::shard::ShardContext;

pub(super) static ROW: Row = Row {
    name: "setnx",
    arity: 3,
    flags: Flags::WRITE.and(Flags::DENYOOM).and(Flags::FAST),
    propagation: Propagation::AsItCame,
    keys: &[KeySpec::at(1, "OW insert")],
    route: Route::Owner,
    run: Run::Shard(setnx),
    group: "string",
    summary: "Set the string value of a key only when the key doesn't exist.",
    syntax: "key value",
    deprecated: Some(Deprecated { since: "2.6.12", replaced_by: "`SET` with the `NX` argument" }),
    ..Row::DEFAULT
};

fn setnx(context: &mut ShardContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let (touch, now_ms) = (context.touch, context.now_ms());
    let absent = match context.entry(args.get(1)) {
        Entry::Occupied(mut occupied) => {
            if touch {
                occupied.touch(now_ms);
            }
            false
        }
        Entry::Vacant(vacant) => {
            vacant.insert_string(args.get(2), None, StringForm::Auto);
            true
        }
    };
    if absent {
        context.event(EventClass::String, "set", args.get(1));
    }
    reply.integer(i64::from(absent));
    Ok(())
}
