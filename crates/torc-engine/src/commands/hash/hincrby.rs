//! HINCRBY key field increment: adds to the integer that a field holds; its expiry stays.

use torc_resp::number::{I64Text, parse_i64};
use torc_resp::{Args, Reply};
use torc_store::hash::Ttl;
use torc_store::pack::Packed;
use torc_store::{Entry, HashMut, Kind, hash};

use super::access::limits;
use crate::command::{Flags, KeySpec, Propagation, Row, Run, integer_argument};
use crate::error::{CommandError, CommandResult};
use crate::event::EventClass;
use crate::shard::ShardContext;

pub(super) static ROW: Row = Row {
    name: "hincrby",
    arity: 4,
    flags: Flags::WRITE.and(Flags::DENYOOM).and(Flags::FAST),
    propagation: Propagation::AsItCame,
    keys: &[KeySpec::at(1, "RW access update")],
    element_at: 2,
    run: Run::Shard(hincrby),
    since: "2.0.0",
    summary: "Increments the integer value of a field in a hash by a number. Uses 0 as initial value if the field doesn't exist.",
    syntax: "key field increment",
    ..super::ROW_DEFAULT
};

fn hincrby(context: &mut ShardContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let increment = integer_argument(args.get(3))?;
    let limits = limits(context);
    let field = args.get(2);
    let sum = match context.entry_of_kind(args.get(1), Kind::Hash)? {
        Entry::Vacant(vacant) => {
            let text = I64Text::new(increment);
            hash::create(vacant, std::iter::once((field, text.as_bytes())), limits);
            increment
        }
        Entry::Occupied(occupied) => {
            let mut hash = HashMut::of(occupied, limits);
            let value = match hash.as_ref().get(field) {
                None => 0,
                Some(Packed::Integer(value)) => value,
                Some(Packed::Bytes(bytes)) => {
                    parse_i64(bytes).ok_or(CommandError::fixed("ERR hash value is not an integer"))?
                }
            };
            let sum = value.checked_add(increment).ok_or(CommandError::Overflow)?;
            hash.set(field, I64Text::new(sum).as_bytes(), Ttl::Keep);
            sum
        }
    };
    context.event(EventClass::Hash, "hincrby", args.get(1));
    reply.integer(sum);
    Ok(())
}
