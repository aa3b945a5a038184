//! Moving an element from an end of the first key's list to an end of the second's: LMOVE, RPOPLPUSH and their waiting forms.
//!
//! With the keys on two cores, the source's owner first sends the element and the destination's says whether it can take it;
//! then the first takes it out and the second adds it.

use torc_resp::{Args, Reply, reader};
use torc_store::{End, Entry, Kind, ListMut, ListRef, create_list};

use super::access::{limits, write_element};
use super::pop::popped;
use super::push::pushed;
use crate::command::Fetched;
use crate::error::{CommandError, CommandResult};
use crate::event::EventClass;
use crate::extract::Extract;
use crate::shard::ShardContext;

/// What the destination's owner says of a key that can take an element.
const USABLE: &[u8] = b":1\r\n";

/// Where an element is taken out and where it is added.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ends {
    pub(super) from: End,
    pub(super) to: End,
}

impl Ends {
    /// RPOPLPUSH.
    pub(super) const LAST_TO_FIRST: Ends = Ends { from: End::Back, to: End::Front };
}

/// Moves an element between keys on this core and writes it, or null.
pub(super) fn move_here(
    context: &mut ShardContext<'_>,
    args: Args<'_>,
    ends: Ends,
    reply: &mut Reply<'_>,
) -> CommandResult {
    let (from, to, limits) = (args.get(1), args.get(2), limits(context));
    // An absent source is no error, whatever the destination is.
    let usable = is_usable(context, to);
    let Entry::Occupied(mut occupied) = context.entry_of_kind(from, Kind::List)? else {
        reply.null();
        return Ok(());
    };
    if !usable {
        return Err(CommandError::WrongType);
    }
    let mut len = 0;
    let mut list = ListMut::of(&mut occupied, limits);
    list.pop(ends.from, |element| {
        len = element.byte_len();
        write_element(reply, element);
    });
    // The element stands before the last line end of the reply.
    let end = reply.buffer().len() - 2;
    let element = &*reply.buffer().range(end - len..end);
    if from == to {
        list.push(ends.to, std::iter::once(element));
        context.event(EventClass::List, pushed(ends.to), to);
        context.event(EventClass::List, popped(ends.from), from);
        return Ok(());
    }
    if list.is_empty() {
        occupied.remove();
    }
    add(context, to, ends.to, element);
    context.event(EventClass::List, popped(ends.from), from);
    Ok(())
}

/// The element that the source's owner would take out, or null; whether the destination can take it.
pub(super) fn fetch_element(
    context: &ShardContext<'_>,
    args: Args<'_>,
    ends: Ends,
    key_number: usize,
    extract: &mut Extract,
) -> CommandResult {
    if key_number > 0 {
        let usable = is_usable(context, args.get(2));
        extract.integer(i64::from(usable));
        return Ok(());
    }
    match context.glance_kind(args.get(1), Kind::List)? {
        None => extract.null(),
        Some(value) => {
            let list = ListRef::of(value);
            let index = if ends.from == End::Front { 0 } else { list.len() - 1 };
            list.get(index).expect("no list is empty").with_bytes(|bytes| extract.bulk(bytes));
        }
    }
    Ok(())
}

/// This core's share of a move between two cores. True: it was that of the destination, which tells of the move.
pub(super) fn move_over(
    context: &mut ShardContext<'_>,
    args: Args<'_>,
    ends: Ends,
    fetched: Fetched<'_>,
    reply: &mut Reply<'_>,
) -> Result<bool, CommandError> {
    let Some(element) = reader::bulk(fetched.get(0)) else {
        reply.null();
        return Ok(false);
    };
    if fetched.get(1) != USABLE {
        return Err(CommandError::WrongType);
    }
    let takes_in = context.owns(args.get(2));
    if takes_in {
        add(context, args.get(2), ends.to, element);
    } else {
        take_out(context, args.get(1), ends.from);
        // The move is one change, which the owner of the destination counts.
        context.count_changes(0);
    }
    reply.bulk(element);
    Ok(takes_in)
}

/// Whether a key can take an element: it is a list, or absent.
fn is_usable(context: &ShardContext<'_>, key: &[u8]) -> bool {
    context.glance_kind(key, Kind::List).is_ok()
}

fn take_out(context: &mut ShardContext<'_>, key: &[u8], end: End) {
    let limits = limits(context);
    let Ok(Entry::Occupied(mut occupied)) = context.entry_of_kind(key, Kind::List) else {
        panic!("the element was fetched from it")
    };
    let mut list = ListMut::of(&mut occupied, limits);
    list.pop(end, |_| {});
    if list.is_empty() {
        occupied.remove();
    }
    context.event(EventClass::List, popped(end), key);
}

fn add(context: &mut ShardContext<'_>, key: &[u8], end: End, element: &[u8]) {
    let (limits, element) = (limits(context), std::iter::once(element));
    match context.entry_of_kind(key, Kind::List).unwrap_or_else(|_| unreachable!("it was found usable")) {
        Entry::Vacant(vacant) => drop(create_list(vacant, end, element, limits)),
        Entry::Occupied(mut occupied) => ListMut::of(&mut occupied, limits).push(end, element),
    }
    context.event(EventClass::List, pushed(end), key);
}
