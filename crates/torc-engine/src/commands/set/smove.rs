//! SMOVE source destination member: moves a member from one set to another.
//!
//! Over several cores the owner of the source tells whether the member is there and the owner of the destination whether that is a set;
//! then each does its part.

use torc_resp::reader::is_null;
use torc_resp::{Args, Reply};
use torc_store::{Entry, Kind, SetRef, set};

use super::limits::limits;
use crate::command::{ApplyOn, Fetched, Fetching, Flags, KeySpec, Propagation, Relay, Route, Row, Run};
use crate::error::{CommandError, CommandResult};
use crate::event::EventClass;
use crate::extract::Extract;
use crate::shard::ShardContext;

pub(super) static ROW: Row = Row {
    name: "smove",
    arity: 4,
    flags: Flags::WRITE.and(Flags::FAST),
    propagation: Propagation::AsItCame,
    keys: &[KeySpec::at(1, "RW access delete"), KeySpec::at(2, "RW insert")],
    route: Route::Relay(&Relay { fetch: Fetching::ByKey(fetch), apply, apply_on: ApplyOn::Owners }),
    run: Run::Shard(smove),
    since: "1.0.0",
    summary: "Moves a member from one set to another.",
    complexity: "O(1)",
    syntax: "source destination member",
    ..super::ROW_DEFAULT
};

fn smove(context: &mut ShardContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let (source, destination, member) = (args.get(1), args.get(2), args.get(3));
    // Looked at even if there is nothing to be moved.
    context.access(destination);
    let is_member = contains(context, source, member)?;
    // As in Redis, what the destination holds matters only if there is a source.
    if is_member.is_some() {
        context.entry_of_kind(destination, Kind::Set)?;
    }
    let moves = is_member == Some(true);
    if moves && source != destination {
        take(context, source, member);
        put(context, destination, member);
    }
    reply.integer(i64::from(moves));
    Ok(())
}

/// For the source: whether it holds the member, null without a source. For the destination: null, or the error that it is no set as a
/// string, since it matters only if there is a source.
fn fetch(context: &mut ShardContext<'_>, args: Args<'_>, key_number: usize, extract: &mut Extract) -> CommandResult {
    if key_number == 0 {
        match contains(context, args.get(1), args.get(3))? {
            Some(is_member) => extract.integer(i64::from(is_member)),
            None => extract.null(),
        }
        return Ok(());
    }
    match context.entry_of_kind(args.get(2), Kind::Set) {
        Ok(_) => extract.null(),
        Err(error) => extract.bulk(&error.text()),
    }
    Ok(())
}

fn apply(context: &mut ShardContext<'_>, args: Args<'_>, fetched: Fetched<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let has_source = !is_null(fetched.get(0));
    if has_source && !is_null(fetched.get(1)) {
        return Err(CommandError::WrongType);
    }
    let moves = fetched.get(0) == b":1\r\n";
    if moves && context.owns(args.get(1)) {
        take(context, args.get(1), args.get(3));
    } else if moves {
        put(context, args.get(2), args.get(3));
    }
    reply.integer(i64::from(moves));
    Ok(())
}

/// Whether the set at a key has a member; `None` without such a key.
fn contains(context: &mut ShardContext<'_>, key: &[u8], member: &[u8]) -> Result<Option<bool>, CommandError> {
    match context.entry_of_kind(key, Kind::Set)? {
        Entry::Occupied(occupied) => Ok(Some(SetRef::of(occupied.value()).contains(member))),
        Entry::Vacant(_) => Ok(None),
    }
}

fn take(context: &mut ShardContext<'_>, key: &[u8], member: &[u8]) {
    let Entry::Occupied(mut occupied) = context.entry(key) else { unreachable!("the member was found there") };
    set::remove(&mut occupied, member);
    occupied.count_changes(1);
    if SetRef::of(occupied.value()).is_empty() {
        occupied.remove();
    }
    context.event(EventClass::Set, "srem", key);
}

fn put(context: &mut ShardContext<'_>, key: &[u8], member: &[u8]) {
    let limits = limits(context);
    let is_new = match context.entry(key) {
        Entry::Occupied(mut occupied) => set::add(&mut occupied, member, &limits),
        Entry::Vacant(vacant) => set::create(vacant, &mut std::iter::once(member), 1, &limits) > 0,
    };
    context.count_changes(usize::from(is_new));
    if is_new {
        context.event(EventClass::Set, "sadd", key);
    }
}
