//! SPOP key [count]: removes random members of a set and answers with them.

use torc_resp::{Args, Reply};
use torc_store::{Entry, Kind, Occupied, SetRef, set};

use super::members::Members;
use crate::commands::forms;
use crate::command::{Flags, KeySpec, Propagation, Route, Row, Run};
use crate::commands::arguments::positive_count;
use crate::error::{CommandError, CommandResult};
use crate::event::EventClass;
use crate::random::Random;
use crate::shard::ShardContext;

pub(super) static ROW: Row = Row {
    name: "spop",
    arity: -2,
    flags: Flags::WRITE.and(Flags::FAST).and(Flags::CHOOSES),
    propagation: Propagation::Given,
    keys: &[KeySpec::at(1, "RW access delete")],
    tips: &["nondeterministic_output"],
    route: Route::Owner,
    run: Run::Shard(spop),
    since: "1.0.0",
    summary: "Returns one or more random members from a set after removing them. Deletes the set if the last member was popped.",
    complexity: "Without the count argument O(1), otherwise O(N) where N is the value of the passed count.",
    syntax: "key [count@3.2.0]",
    history: &[
        ("3.2.0", "Added the `count` argument."),
    ],
    ..super::ROW_DEFAULT
};

/// Members of one propagated command.
const PROPAGATED_AT_ONCE: usize = 1024;

fn spop(context: &mut ShardContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let count = match args.len() {
        2 => None,
        3 => Some(positive_count(args.get(2))?),
        _ => return Err(CommandError::Syntax),
    };
    let mut random = Random::new(context.random().next_u64());
    let entry = context.entry_of_kind(args.get(1), Kind::Set)?;
    let (Entry::Occupied(mut occupied), true) = (entry, count != Some(0)) else {
        if count.is_some() { reply.set(0) } else { reply.null() }
        return Ok(());
    };
    let popped = take(&mut occupied, count.unwrap_or(1), &mut random);
    occupied.count_changes(popped.members.len());
    let is_gone = SetRef::of(occupied.value()).len() == popped.removed;
    if is_gone {
        occupied.remove();
    }
    context.event(EventClass::Set, "spop", args.get(1));
    if context.propagates() {
        propagate(context, args.get(1), &popped, count.is_some() && is_gone);
    }
    match count {
        Some(_) => popped.members.write(reply),
        None => reply.bulk(popped.members.slices()[0]),
    }
    Ok(())
}

/// Members by name, so many at a time, or the whole key.
#[cold]
fn propagate(context: &mut ShardContext<'_>, key: &[u8], popped: &Popped, is_gone: bool) {
    if is_gone {
        return forms::removed(context, key);
    }
    for members in popped.members.slices().chunks(PROPAGATED_AT_ONCE) {
        forms::with_elements(context, &[b"SREM", key], members);
    }
}

struct Popped {
    members: Members,
    /// How many the set still has that are to go with it.
    removed: usize,
}

/// Takes `count` members. All of them: the set is left as it is, to be removed.
fn take(set: &mut Occupied<'_>, count: usize, random: &mut Random) -> Popped {
    let mut members = Members::default();
    let len = SetRef::of(set.value()).len();
    if count >= len {
        SetRef::of(set.value()).iter().for_each(|member| members.push(member));
        return Popped { members, removed: len };
    }
    let mut taken = Vec::new();
    for _ in 0..count {
        let member = SetRef::of(set.value()).random(random.next_u64());
        members.push(member);
        taken.clear();
        member.with_bytes(|bytes| taken.extend_from_slice(bytes));
        set::remove(set, &taken);
    }
    Popped { members, removed: 0 }
}
