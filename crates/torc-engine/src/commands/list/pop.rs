//! Taking elements out at an end: LPOP, RPOP, LMPOP and their like.

use torc_resp::{Args, Reply};
use torc_store::{End, Entry, Kind, ListLimits, ListMut, Occupied};

use super::access::{end_argument, limits, write_element, write_runs};
use torc_resp::number::I64Text;

use crate::command::blocking::AwaitedKey;
use crate::commands::arguments::{PopRequest, positive_count};
use crate::error::{CommandError, CommandResult};
use crate::event::EventClass;
use crate::shard::ShardContext;

/// LPOP and RPOP.
#[inline]
pub(super) fn pop(context: &mut ShardContext<'_>, args: Args<'_>, end: End, reply: &mut Reply<'_>) -> CommandResult {
    if args.len() > 2 {
        return pop_counted(context, args, end, reply);
    }
    let (limits, key) = (limits(context), args.get(1));
    match context.entry_of_kind(key, Kind::List)? {
        Entry::Vacant(_) => reply.null(),
        Entry::Occupied(occupied) => {
            pop_one(occupied, end, limits, reply);
            context.event(EventClass::List, popped(end), key);
        }
    }
    Ok(())
}

fn pop_counted(context: &mut ShardContext<'_>, args: Args<'_>, end: End, reply: &mut Reply<'_>) -> CommandResult {
    if args.len() > 3 {
        return Err(CommandError::Arity(context.command.full_name));
    }
    let count = positive_count(args.get(2))?;
    let limits = limits(context);
    match context.entry_of_kind(args.get(1), Kind::List)? {
        Entry::Vacant(_) => reply.null_array(),
        Entry::Occupied(_) if count == 0 => reply.array(0),
        Entry::Occupied(occupied) => {
            pop_many(occupied, end, count, limits, reply);
            context.event(EventClass::List, popped(end), args.get(1));
        }
    }
    Ok(())
}

/// What is told of a list that has lost elements at this end.
pub(super) fn popped(end: End) -> &'static str {
    match end {
        End::Front => "lpop",
        End::Back => "rpop",
    }
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

/// Takes up to so many elements out and writes them as an array, in the order in which they go; gives their number.
pub(super) fn pop_many(
    mut occupied: Occupied<'_>,
    end: End,
    count: usize,
    limits: ListLimits,
    reply: &mut Reply<'_>,
) -> usize {
    let mut list = ListMut::of(&mut occupied, limits);
    let (len, count) = (list.len(), count.min(list.len()));
    reply.array(count);
    match end {
        End::Front => write_runs(reply, list.list().runs(0, count)),
        End::Back => list.list().iter_back().take(count).for_each(|element| write_element(reply, element)),
    }
    if count < len {
        list.drop_elements(end, count);
    }
    occupied.count_changes(count);
    if count == len {
        occupied.remove();
    }
    count
}

/// Whether a key holds a list, which has an element then.
pub(super) fn is_list(context: &ShardContext<'_>, _: Args<'_>, key: AwaitedKey<'_>) -> Result<bool, CommandError> {
    Ok(context.glance_kind(key.name, Kind::List)?.is_some())
}

/// Takes one element out of a list that is there and writes the key's name and the element: BLPOP and BRPOP.
pub(super) fn pop_named(context: &mut ShardContext<'_>, key: &[u8], end: End, reply: &mut Reply<'_>) -> CommandResult {
    let limits = limits(context);
    let Entry::Occupied(occupied) = context.entry_of_kind(key, Kind::List)? else { panic!("the key is ready") };
    reply.array(2);
    reply.bulk(key);
    pop_one(occupied, end, limits, reply);
    context.event(EventClass::List, popped(end), key);
    Ok(())
}

/// What LMPOP and BLMPOP ask for.
#[derive(Clone, Copy)]
pub(super) struct PopMany<'a> {
    pub(super) keys: Args<'a>,
    end: End,
    count: usize,
}

impl<'a> PopMany<'a> {
    /// Reads `numkeys key [key ...] LEFT | RIGHT [COUNT count]` from argument `count_at` on.
    pub(super) fn parse(args: Args<'a>, count_at: usize) -> Result<Self, CommandError> {
        let PopRequest { keys, end, count } = PopRequest::parse(args, count_at, |word| end_argument(word).is_ok())?;
        Ok(PopMany { keys, end: end_argument(end)?, count })
    }

    /// Takes from this key and writes its name and the elements. False: it is absent.
    pub(super) fn pop(
        &self,
        context: &mut ShardContext<'_>,
        key: &[u8],
        reply: &mut Reply<'_>,
    ) -> Result<bool, CommandError> {
        let limits = limits(context);
        let Entry::Occupied(occupied) = context.entry_of_kind(key, Kind::List)? else { return Ok(false) };
        reply.array(2);
        reply.bulk(key);
        let count = pop_many(occupied, self.end, self.count, limits, reply);
        context.event(EventClass::List, popped(self.end), key);
        if context.propagates() {
            let name: &[u8] = if self.end == End::Front { b"LPOP" } else { b"RPOP" };
            context.propagate(&[name, key, I64Text::new(count as i64).as_bytes()]);
        }
        Ok(true)
    }
}
