//! HINCRBYFLOAT key field increment: adds to the number with a fraction that a field holds; its expiry stays.

use torc_resp::{Args, Reply};
use torc_store::hash::Ttl;
use torc_store::{Entry, HashMut, Kind, hash};

use super::access::limits;
use crate::command::{Flags, KeySpec, Propagation, Row, Run};
use crate::error::{CommandError, CommandResult};
use crate::event::EventClass;
use crate::number::Extended;
use crate::shard::ShardContext;

pub(super) static ROW: Row = Row {
    name: "hincrbyfloat",
    arity: 4,
    flags: Flags::WRITE.and(Flags::DENYOOM).and(Flags::FAST),
    propagation: Propagation::Given,
    keys: &[KeySpec::at(1, "RW access update")],
    element_at: 2,
    run: Run::Shard(hincrbyfloat),
    since: "2.6.0",
    summary: "Increments the floating point value of a field by a number. Uses 0 as initial value if the field doesn't exist.",
    syntax: "key field increment/double",
    ..super::ROW_DEFAULT
};

fn hincrbyfloat(context: &mut ShardContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let increment = Extended::parse(args.get(3)).ok_or(CommandError::NotAFloat)?;
    // Only an infinite increment makes zero infinite.
    let first = Extended::ZERO.plus(increment).ok_or(CommandError::fixed("ERR value is NaN or Infinity"))?;
    let limits = limits(context);
    let field = args.get(2);
    let (text, keeps_time) = match context.entry_of_kind(args.get(1), Kind::Hash)? {
        Entry::Vacant(vacant) => {
            let text = first.text();
            hash::create(vacant, std::iter::once((field, text.as_bytes())), limits);
            (text, false)
        }
        Entry::Occupied(occupied) => {
            let mut hash = HashMut::of(occupied, limits);
            let found = hash.as_ref().find(field);
            let keeps_time = found.is_some_and(|found| found.expire_at.is_some());
            let value = match found {
                None => Extended::ZERO,
                Some(found) => found
                    .value
                    .with_bytes(Extended::parse)
                    .ok_or(CommandError::fixed("ERR hash value is not a float"))?,
            };
            let sum = value.plus(increment);
            let text = sum.ok_or(CommandError::fixed("ERR increment would produce NaN or Infinity"))?.text();
            hash.set(field, text.as_bytes(), Ttl::Keep);
            (text, keeps_time)
        }
    };
    context.event(EventClass::Hash, "hincrbyfloat", args.get(1));
    reply.bulk(text.as_bytes());
    // HSET would have the field never expire.
    if keeps_time {
        context.propagate(&[b"HSETEX", args.get(1), b"KEEPTTL", b"FIELDS", b"1", field, text.as_bytes()]);
    } else {
        context.propagate(&[b"HSET", args.get(1), field, text.as_bytes()]);
    }
    Ok(())
}
