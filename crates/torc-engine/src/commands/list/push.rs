//! Adding elements at an end: LPUSH, RPUSH, LPUSHX, RPUSHX.

use torc_resp::{Args, Reply};
use torc_store::{End, Entry, Kind, ListMut, create_list};

use super::access::limits;
use crate::error::CommandResult;
use crate::event::EventClass;
use crate::shard::ShardContext;

/// Adds all elements behind the key at an end, to a new list if there is none.
#[inline]
pub(super) fn push(context: &mut ShardContext<'_>, args: Args<'_>, end: End, reply: &mut Reply<'_>) -> CommandResult {
    let (limits, key, elements) = (limits(context), args.get(1), args.from(2));
    let len = match context.entry_of_kind(key, Kind::List)? {
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
    context.event(EventClass::List, pushed(end), key);
    context.count_changes(elements.len());
    reply.integer(len as i64);
    Ok(())
}

/// What is told of a list that has got elements at this end.
pub(super) fn pushed(end: End) -> &'static str {
    match end {
        End::Front => "lpush",
        End::Back => "rpush",
    }
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
            context.event(EventClass::List, pushed(end), args.get(1));
            len
        }
    };
    reply.integer(len as i64);
    Ok(())
}
