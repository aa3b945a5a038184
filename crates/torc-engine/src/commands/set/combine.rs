//! Intersection, union and difference of sets that lie on this core, or were fetched from others.
//!
//! ```text
//!   all keys here          read in place        SetRef  --+
//!   keys on several cores  fetched as arrays    Fetched --+--> combine --> distinct members, one by one
//! ```

use std::collections::HashSet;

use ahash::RandomState;
use torc_resp::reader::{self, Elements};
use torc_resp::{Args, Reply};
use torc_store::pack::Packed;
use torc_store::{Kind, SetRef, set};

use super::limits::limits;
use super::members::Members;
use crate::command::Fetched;
use crate::error::{CommandError, CommandResult};
use crate::event::EventClass;
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
    Fetched { members: Vec<&'a [u8]>, index: HashSet<&'a [u8], RandomState> },
}

impl<'a> Source<'a> {
    fn len(&self) -> usize {
        match self {
            Source::Here(set) => set.len(),
            Source::Fetched { members, .. } => members.len(),
        }
    }

    fn contains(&self, member: Packed<'_>) -> bool {
        member.with_bytes(|bytes| match self {
            Source::Here(set) => set.contains(bytes),
            Source::Fetched { index, .. } => index.contains(bytes),
        })
    }

    fn iter(&self) -> Box<dyn Iterator<Item = Packed<'a>> + '_> {
        match self {
            Source::Here(set) => set.iter(),
            Source::Fetched { members, .. } => Box::new(members.iter().map(|member| Packed::Bytes(member))),
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
            Source::Fetched { .. } => {
                for member in members {
                    if !visit(member, self.contains(member)) {
                        return;
                    }
                }
            }
        }
    }
}

/// The sets of a request's keys from the key with number `first` on, all on this core. Every key is read as a command reads it.
pub fn collect_here(
    context: &mut ShardContext<'_>,
    args: Args<'_>,
    first: usize,
    operation: Operation,
    count_max: usize,
) -> Result<Members, CommandError> {
    let indexes = context.command.row.key_indexes(args).skip(first);
    for index in indexes.clone() {
        context.read_kind(args.get(index), Kind::Set)?;
    }
    let find = |index| context.glance(args.get(index)).map(SetRef::of).map(Source::Here);
    Ok(combine(operation, indexes.map(find).collect(), count_max))
}

/// Combines the sets that were fetched from the owners of the keys, from key number `first` on.
pub fn collect_fetched(fetched: Fetched<'_>, first: usize, operation: Operation, count_max: usize) -> Members {
    let sources = fetched.0.iter().skip(first).map(|encoded| {
        let elements = Elements::new(encoded).expect("a set is fetched as an array");
        let members: Vec<&[u8]> =
            elements.map(|element| reader::bulk(element).expect("a member is fetched as a string")).collect();
        let index = members.iter().copied().collect();
        (!members.is_empty()).then_some(Source::Fetched { members, index })
    });
    combine(operation, sources.collect(), count_max)
}

/// Writes the members of the set at a key for another core: an array, empty when there is no such key.
pub fn fetch(
    context: &mut ShardContext<'_>,
    args: Args<'_>,
    key_number: usize,
    reply: &mut Reply<'_>,
) -> CommandResult {
    let index = context.command.row.key_indexes(args).nth(key_number).expect("only keys of the request are fetched");
    let Some(value) = context.read_kind(args.get(index), Kind::Set)? else {
        reply.array(0);
        return Ok(());
    };
    let set = SetRef::of(value);
    reply.array(set.len());
    set.iter().for_each(|member| member.with_bytes(|bytes| reply.bulk(bytes)));
    Ok(())
}

/// Fetches the set at a key, except at the first key, which is the destination and is not read.
pub fn fetch_sources(
    context: &mut ShardContext<'_>,
    args: Args<'_>,
    key_number: usize,
    reply: &mut Reply<'_>,
) -> CommandResult {
    if key_number == 0 {
        reply.null();
        return Ok(());
    }
    fetch(context, args, key_number, reply)
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
