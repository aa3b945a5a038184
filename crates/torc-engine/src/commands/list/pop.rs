//! Taking elements out at an end: LPOP, RPOP, LMPOP and their like.

use torc_resp::{Args, Reply};
use torc_store::{End, Entry, Kind, ListLimits, ListMut, Occupied};

use super::access::{limits, write_element, write_runs};
use crate::command::integer_argument;
use crate::error::{CommandError, CommandResult};
use crate::shard::ShardContext;

/// LPOP and RPOP.
#[inline]
pub(super) fn pop(context: &mut ShardContext<'_>, args: Args<'_>, end: End, reply: &mut Reply<'_>) -> CommandResult {
    if args.len() > 2 {
        return pop_counted(context, args, end, reply);
    }
    let limits = limits(context);
    match context.entry_of_kind(args.get(1), Kind::List)? {
        Entry::Vacant(_) => reply.null(),
        Entry::Occupied(occupied) => pop_one(occupied, end, limits, reply),
    }
    Ok(())
}

fn pop_counted(context: &mut ShardContext<'_>, args: Args<'_>, end: End, reply: &mut Reply<'_>) -> CommandResult {
    if args.len() > 3 {
        return Err(CommandError::Arity(context.command.full_name));
    }
    let count = integer_argument(args.get(2)).ok().and_then(|count| usize::try_from(count).ok());
    let count = count.ok_or(CommandError::fixed("ERR value is out of range, must be positive"))?;
    let limits = limits(context);
    match context.entry_of_kind(args.get(1), Kind::List)? {
        Entry::Vacant(_) => reply.null_array(),
        Entry::Occupied(_) if count == 0 => reply.array(0),
        Entry::Occupied(occupied) => pop_many(occupied, end, count, limits, reply),
    }
    Ok(())
}

/// Takes one element out and writes it; removes the key with the last one.
#[inline]
pub(super) fn pop_one(mut occupied: Occupied<'_>, end: End, limits: ListLimits, reply: &mut Reply<'_>) {
    let mut list = ListMut::of(&mut occupied, limits);
    list.pop(end, |element| write_element(reply, element));
    if list.is_empty() {
        occupied.remove();
    }
}

/// Takes up to so many elements out and writes them as an array, in the order in which they go.
pub(super) fn pop_many(mut occupied: Occupied<'_>, end: End, count: usize, limits: ListLimits, reply: &mut Reply<'_>) {
    let mut list = ListMut::of(&mut occupied, limits);
    let (len, count) = (list.len(), count.min(list.len()));
    reply.array(count);
    match end {
        End::Front => write_runs(reply, list.list().runs(0, count)),
        End::Back => list.list().iter_back().take(count).for_each(|element| write_element(reply, element)),
    }
    if count == len {
        return occupied.remove();
    }
    list.drop_elements(end, count);
}
