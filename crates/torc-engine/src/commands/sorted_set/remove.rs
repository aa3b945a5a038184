//! What the commands that take several members out at once share.

use std::ops::Range;

use torc_resp::{Args, Reply};
use torc_store::sorted_set::{SortedSetRef, remove_ranks};
use torc_store::{Entry, Kind, Occupied};

use super::range::{Bounds, By};
use super::replies::Shape;
use crate::error::CommandResult;
use crate::event::EventClass;
use crate::shard::ShardContext;

/// Which end members are taken from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum End {
    /// The lowest scores.
    Min,
    /// The highest scores.
    Max,
}

impl End {
    /// Reads MIN or MAX.
    pub fn parse(word: &[u8]) -> Option<End> {
        match () {
            () if word.eq_ignore_ascii_case(b"min") => Some(End::Min),
            () if word.eq_ignore_ascii_case(b"max") => Some(End::Max),
            () => None,
        }
    }
}

/// Removes the members of these ranks, and the key with the last of them.
pub fn remove_members(mut occupied: Occupied<'_>, ranks: Range<usize>) {
    occupied.count_changes(ranks.len());
    if ranks.len() == SortedSetRef::of(occupied.value()).len() {
        occupied.remove();
    } else {
        remove_ranks(&mut occupied, ranks);
    }
}

/// Takes up to `count` members, at least one, and answers with them.
pub fn pop(occupied: Occupied<'_>, end: End, count: usize, shape: Shape, reply: &mut Reply<'_>) -> usize {
    let set = SortedSetRef::of(occupied.value());
    let count = count.min(set.len());
    let ranks = if end == End::Min { 0..count } else { set.len() - count..set.len() };
    shape.write(set.range(ranks.clone(), end == End::Max), reply);
    remove_members(occupied, ranks);
    count
}

/// The command that takes members from an end.
pub fn pop_name(end: End) -> &'static [u8] {
    if end == End::Min { b"ZPOPMIN" } else { b"ZPOPMAX" }
}

/// What is told of a set that has lost members at this end.
pub fn popped(end: End) -> &'static str {
    if end == End::Min { "zpopmin" } else { "zpopmax" }
}

/// Takes one member, and writes it and its score, without an array around them.
pub fn pop_bare(occupied: Occupied<'_>, end: End, reply: &mut Reply<'_>) {
    let set = SortedSetRef::of(occupied.value());
    let rank = if end == End::Min { 0 } else { set.len() - 1 };
    set.range(rank..rank + 1, false).for_each(|(member, score)| Shape::Flat.element(member, score, reply));
    remove_members(occupied, rank..rank + 1);
}

/// Removes a range, for commands of the shape `name key min max`; answers with the number of members.
pub fn remove_range(context: &mut ShardContext<'_>, args: Args<'_>, by: By, reply: &mut Reply<'_>) -> CommandResult {
    let bounds = Bounds::parse(by, args.get(2), args.get(3))?;
    let mut removed = 0;
    if let Entry::Occupied(occupied) = context.entry_of_kind(args.get(1), Kind::SortedSet)? {
        let ranks = bounds.ranks(SortedSetRef::of(occupied.value()), false);
        removed = ranks.len();
        remove_members(occupied, ranks);
    }
    if removed > 0 {
        // It is told by the name of the command.
        context.event(EventClass::SortedSet, context.command.full_name, args.get(1));
    }
    reply.integer(removed as i64);
    Ok(())
}
