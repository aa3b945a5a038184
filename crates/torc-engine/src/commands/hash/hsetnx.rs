//! HSETNX key field value: sets a field unless it is there.

use torc_resp::{Args, Reply};
use torc_store::hash::Ttl;
use torc_store::{Entry, HashMut, Kind, hash};

use super::access::limits;
use crate::command::{Flags, KeySpec, Propagation, Row, Run};
use crate::error::CommandResult;
use crate::event::EventClass;
use crate::shard::ShardContext;

pub(super) static ROW: Row = Row {
    name: "hsetnx",
    arity: 4,
    flags: Flags::WRITE.and(Flags::DENYOOM).and(Flags::FAST),
    propagation: Propagation::AsItCame,
    keys: &[KeySpec::at(1, "RW insert")],
    element_at: 2,
    run: Run::Shard(hsetnx),
    since: "2.0.0",
    summary: "Sets the value of a field in a hash only when the field doesn't exist.",
    syntax: "key field value",
    ..super::ROW_DEFAULT
};

fn hsetnx(context: &mut ShardContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let limits = limits(context);
    let (field, value) = (args.get(2), args.get(3));
    let is_new = match context.entry_of_kind(args.get(1), Kind::Hash)? {
        Entry::Vacant(vacant) => {
            hash::create(vacant, std::iter::once((field, value)), limits);
            true
        }
        Entry::Occupied(occupied) => {
            let mut hash = HashMut::of(occupied, limits);
            hash.as_ref().get(field).is_none() && hash.set(field, value, Ttl::Clear)
        }
    };
    if is_new {
        context.event(EventClass::Hash, "hset", args.get(1));
    }
    reply.integer(i64::from(is_new));
    Ok(())
}
