//! Intersection, union and difference of sets that lie on this core, or were fetched from others.
//!
//! ```text
//!   keys of this core    read in place                                     SetRef   --+
//!   keys of other cores  combined there, one array of members for each     Received --+--> combine --> distinct members, one by one
//! ```
//! An owner sends the union or the intersection of its own sets; for a difference the union of those that are subtracted, and the first
//! less those if it has the first. Of big sets it sends only what is among the members of the smallest set, or of the first.

use std::collections::HashSet;

use ahash::RandomState;
use torc_resp::reader::{self, Elements};
use torc_resp::{Args, Reply};
use torc_store::pack::Packed;
use torc_store::{Kind, SetRef, set};

use super::limits::limits;
use super::members::Members;
use crate::command::{Fetched, Fetching, Lead};
use crate::error::{CommandError, CommandResult};
use crate::event::EventClass;
use crate::extract::Extract;
use crate::shard::ShardContext;

/// What becomes of the sets.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Operation {
    /// Members of all of them.
    Intersection,
    /// Members of any of them.
    Union,
    /// Members of the first that are in none of the others.
    Difference,
}

/// One of the sets.
enum Source<'a> {
    Here(SetRef<'a>),
    Received { members: Vec<&'a [u8]>, index: HashSet<&'a [u8], RandomState> },
}

impl<'a> Source<'a> {
    /// The set that another core sent, if it has members.
    fn received(extract: &'a [u8]) -> Option<Source<'a>> {
        let elements = Elements::new(extract).expect("a set is sent as an array");
        let members: Vec<&[u8]> =
            elements.map(|element| reader::bulk(element).expect("a member is sent as a string")).collect();
        let index = members.iter().copied().collect();
        (!members.is_empty()).then_some(Source::Received { members, index })
    }

    fn len(&self) -> usize {
        match self {
            Source::Here(set) => set.len(),
            Source::Received { members, .. } => members.len(),
        }
    }

    fn contains(&self, member: Packed<'_>) -> bool {
        member.with_bytes(|bytes| match self {
            Source::Here(set) => set.contains(bytes),
            Source::Received { index, .. } => index.contains(bytes),
        })
    }

    fn iter(&self) -> Box<dyn Iterator<Item = Packed<'a>> + '_> {
        match self {
            Source::Here(set) => set.iter(),
            Source::Received { members, .. } => Box::new(members.iter().map(|member| Packed::Bytes(member))),
        }
    }

    /// Whether each of `members` is in it, in order, until `visit` says `false`.
    fn probe<'m>(
        &self,
        members: &mut dyn Iterator<Item = Packed<'m>>,
        visit: &mut dyn FnMut(Packed<'m>, bool) -> bool,
    ) {
        match self {
            Source::Here(set) => set.probe(members, visit),
            Source::Received { .. } => {
                for member in members {
                    if !visit(member, self.contains(member)) {
                        return;
                    }
                }
            }
        }
    }
}

/// How the sets of other cores come here.
pub const fn fetching(operation: Operation, combine: CombineOwn) -> Fetching {
    let lead = match operation {
        Operation::Intersection => Some(Lead::Smallest),
        Operation::Difference => Some(Lead::First),
        Operation::Union => None,
    };
    Fetching::ByOwner { read, combine, lead }
}

/// The function of [`Fetching::ByOwner`].
pub type CombineOwn = fn(&mut ShardContext<'_>, Args<'_>, Option<&[u8]>, &mut Extract);

/// Reads a set as a command reads it.
pub fn read(context: &mut ShardContext<'_>, _: Args<'_>, key: &[u8]) -> CommandResult {
    context.read_kind(key, Kind::Set)?;
    Ok(())
}

/// Combines the sets of a request, all of which are on this core. Every key is read as a command reads it.
pub fn collect_here(
    context: &mut ShardContext<'_>,
    args: Args<'_>,
    operation: Operation,
    count_max: usize,
) -> Result<Members, CommandError> {
    for source in context.command.row.sources(args) {
        read(context, args, source.key)?;
    }
    Ok(collect(context, args, Fetched::NOTHING, operation, count_max))
}

/// Combines the sets of this core, which have been read, with what other owners have sent.
pub fn collect(
    context: &ShardContext<'_>,
    args: Args<'_>,
    fetched: Fetched<'_>,
    operation: Operation,
    count_max: usize,
) -> Members {
    let own = context.own_sources(args, operation == Operation::Difference);
    let has_first = own.first().is_some_and(|source| source.number == 0);
    let own = own.iter().map(|source| context.glance(source.key).map(SetRef::of).map(Source::Here));
    let received = fetched.extracts().map(Source::received);
    // The extract of the owner of the first source is the first.
    let sources = if has_first { own.chain(received).collect() } else { received.chain(own).collect() };
    combine(operation, sources, count_max)
}

/// Writes for another core what the sets of this core come to, as far as the members that a third has sent go.
pub fn send(
    context: &ShardContext<'_>,
    args: Args<'_>,
    candidates: Option<&[u8]>,
    operation: Operation,
    extract: &mut Extract,
) {
    let own = context.own_sources(args, operation == Operation::Difference);
    let has_first = own[0].number == 0;
    let sets = own.iter().map(|source| context.glance(source.key).map(SetRef::of));
    let mut sources: Vec<Option<Source<'_>>> = sets.map(|set| set.map(Source::Here)).collect();
    let subtracted = operation == Operation::Difference && !has_first;
    let members = match candidates.map(Source::received) {
        None => {
            if let [only] = &sources[..] {
                extract.array(only.as_ref().map_or(0, Source::len));
                let members = only.iter().flat_map(|set| set.iter());
                return members.for_each(|member| member.with_bytes(|bytes| extract.bulk(bytes)));
            }
            combine(if subtracted { Operation::Union } else { operation }, sources, usize::MAX)
        }
        Some(candidates) if subtracted => {
            let mut found = Members::default();
            let is_in_any = |member| sources.iter().flatten().any(|set| set.contains(member));
            let members = candidates.iter().flat_map(Source::iter);
            members.filter(|&member| is_in_any(member)).for_each(|member| found.push(member));
            found
        }
        Some(candidates) => {
            sources.push(candidates);
            combine(operation, sources, usize::MAX)
        }
    };
    extract.array(members.len());
    members.slices().into_iter().for_each(|member| extract.bulk(member));
}

/// Makes the collected members the set at the destination, the first key, or removes that key when there are none; answers with
/// their number.
pub fn store(context: &mut ShardContext<'_>, args: Args<'_>, members: &Members, reply: &mut Reply<'_>) {
    let destination = args.get(1);
    let limits = limits(context);
    if members.len() == 0 {
        context.remove(destination);
    } else {
        set::build(context.entry(destination), &members.slices(), None, &limits);
        // It is told by the name of the command.
        context.event(EventClass::Set, context.command.full_name, destination);
    }
    reply.integer(members.len() as i64);
}

/// A set that does not exist is `None`.
fn combine(operation: Operation, sources: Vec<Option<Source<'_>>>, count_max: usize) -> Members {
    let mut found = Members::default();
    match operation {
        Operation::Intersection => {
            let sources: Option<Vec<Source<'_>>> = sources.into_iter().collect();
            if let Some(mut sources) = sources {
                sources.sort_by_key(Source::len);
                intersect(&sources, count_max, &mut found);
            }
        }
        Operation::Union => unite(&sources.into_iter().flatten().collect::<Vec<_>>(), &mut found),
        Operation::Difference => {
            let mut sources = sources.into_iter();
            if let Some(first) = sources.next().flatten() {
                subtract(&first, &sources.flatten().collect::<Vec<_>>(), &mut found);
            }
        }
    }
    found
}

/// The smallest set comes first.
fn intersect(sources: &[Source<'_>], count_max: usize, found: &mut Members) {
    let Some((smallest, others)) = sources.split_first() else { return };
    let Some((second, rest)) = others.split_first() else {
        return smallest.iter().take(count_max).for_each(|member| found.push(member));
    };
    second.probe(&mut smallest.iter(), &mut |member, is_in_second| {
        if is_in_second && rest.iter().all(|other| other.contains(member)) {
            found.push(member);
        }
        found.len() < count_max
    });
}

fn subtract(first: &Source<'_>, others: &[Source<'_>], found: &mut Members) {
    let Some((second, rest)) = others.split_first() else {
        return first.iter().for_each(|member| found.push(member));
    };
    second.probe(&mut first.iter(), &mut |member, is_in_second| {
        if !is_in_second && !rest.iter().any(|other| other.contains(member)) {
            found.push(member);
        }
        true
    });
}

/// A member counts where it comes first: with few sets by asking those before, with many by remembering all.
fn unite(sources: &[Source<'_>], found: &mut Members) {
    const ASKED_MAX: usize = 3;
    if sources.len() <= ASKED_MAX {
        for (number, source) in sources.iter().enumerate() {
            subtract(source, &sources[..number], found);
        }
        return;
    }
    let mut seen: HashSet<Vec<u8>, RandomState> = HashSet::default();
    for member in sources.iter().flat_map(Source::iter) {
        if member.with_bytes(|bytes| !seen.contains(bytes)) {
            seen.insert(member.to_vec());
            found.push(member);
        }
    }
}
