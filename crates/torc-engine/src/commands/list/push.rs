//! Adding elements at an end: LPUSH, RPUSH, LPUSHX, RPUSHX.

use torc_resp::{Args, Reply};
use torc_store::{End, Entry, Kind, ListMut, create_list};

use super::access::limits;
use crate::error::CommandResult;
use crate::shard::ShardContext;

/// Adds all elements behind the key at an end, to a new list if there is none.
#[inline]
pub(super) fn push(context: &mut ShardContext<'_>, args: Args<'_>, end: End, reply: &mut Reply<'_>) -> CommandResult {
    let (limits, elements) = (limits(context), args.from(2));
    let len = match context.entry_of_kind(args.get(1), Kind::List)? {
        Entry::Vacant(vacant) => {
            create_list(vacant, end, elements.iter(), limits);
            elements.len()
        }
        Entry::Occupied(mut occupied) => {
            let mut list = ListMut::of(&mut occupied, limits);
            list.push(end, elements.iter());
            list.len()
        }
    };
    context.count_changes(elements.len());
    reply.integer(len as i64);
    Ok(())
}

/// Pushes elements to a list that exists; otherwise does nothing and answers 0.
pub(super) fn push_existing(
    context: &mut ShardContext<'_>,
    args: Args<'_>,
    end: End,
    reply: &mut Reply<'_>,
) -> CommandResult {
    let limits = limits(context);
    let len = match context.entry_of_kind(args.get(1), Kind::List)? {
        Entry::Vacant(_) => 0,
        Entry::Occupied(mut occupied) => {
            let mut list = ListMut::of(&mut occupied, limits);
            list.push(end, args.from(2).iter());
            let len = list.len();
            occupied.count_changes(args.len() - 2);
            len
        }
    };
    reply.integer(len as i64);
    Ok(())
}
