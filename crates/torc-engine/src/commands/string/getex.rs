//! GETEX key [EX|PX|EXAT|PXAT time | PERSIST]: answers the value of a string key and changes its expiry.

use torc_resp::{Args, Reply};
use torc_store::Entry;

use super::answer;
use super::options::{Expiry, Family, Options};
use torc_resp::number::I64Text;

use crate::commands::forms;
use crate::command::{Flags, KeySpec, Propagation, Route, Row, Run};
use crate::error::{CommandError, CommandResult};
use crate::event::EventClass;
use crate::shard::ShardContext;

pub(super) static ROW: Row = Row {
    name: "getex",
    arity: -2,
    flags: Flags::WRITE.and(Flags::FAST),
    propagation: Propagation::Given,
    keys: &[KeySpec { notes: "RW and UPDATE because it changes the TTL", ..KeySpec::at(1, "RW access update") }],
    route: Route::Owner,
    run: Run::Shard(getex),
    since: "6.2.0",
    group: "string",
    summary: "Returns the string value of a key after setting its expiration time.",
    syntax: "key expiration:[EX seconds | PX milliseconds | EXAT unix-time-seconds | PXAT unix-time-milliseconds | PERSIST]",
    ..Row::DEFAULT
};

fn getex(context: &mut ShardContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let expiry = Options::parse(args.from(2), Family::GetEx)?.expiry;
    let (now_ms, name) = (context.now_ms(), context.command.full_name);
    let key = args.get(1);
    let mut occupied = match context.counted_entry(key) {
        Entry::Vacant(_) => {
            reply.null();
            return Ok(());
        }
        Entry::Occupied(occupied) => occupied,
    };
    let value = occupied.value().as_string().ok_or(CommandError::WrongType)?;
    // Only now: an unusable time is no error for a key that is absent.
    let time = expiry.time(now_ms, name)?;
    answer::part(occupied.value(), value, 0..value.len(), reply);
    match time {
        Some(at) if at <= now_ms => {
            occupied.remove();
            forms::removed(context, key);
        }
        Some(at) => {
            occupied.set_expire_at(Some(at));
            context.event(EventClass::Generic, "expire", key);
            if context.propagates() {
                context.propagate(&[b"PEXPIREAT", key, I64Text::new(at).as_bytes()]);
            }
        }
        // Who watches the key hears of changes only.
        None if expiry == Expiry::Persist && occupied.value().expire_at().is_some() => {
            occupied.set_expire_at(None);
            context.event(EventClass::Generic, "persist", key);
            context.propagate(&[b"PERSIST", key]);
        }
        None => {}
    }
    Ok(())
}
