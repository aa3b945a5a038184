//! BITOP operation destkey key [key ...]: combines strings bit by bit and stores the result.
//!
//! Over several cores each owner of sources folds them and sends what that comes to, and the owner of the destination folds on.

use torc_resp::reader::{self, Elements};
use torc_resp::{Args, Reply};
use torc_store::{Entry, StringForm};

use super::algebra::{Fold, Operation};
use crate::command::{ApplyOn, Fetched, Fetching, Flags, KeySpec, Propagation, Relay, Route, Row, Run, Source};
use crate::error::{CommandError, CommandResult};
use crate::event::EventClass;
use crate::extract::Extract;
use crate::headroom;
use crate::shard::ShardContext;

pub(super) static ROW: Row = Row {
    name: "bitop",
    arity: -4,
    flags: Flags::WRITE.and(Flags::DENYOOM).and(Flags::LONG),
    propagation: Propagation::AsItCame,
    keys: &[KeySpec::at(2, "OW update"), KeySpec::from(3, "RO access")],
    route: Route::Relay(&RELAY),
    run: Run::Shard(bitop),
    since: "2.6.0",
    group: "bitmap",
    summary: "Performs bitwise operations on multiple strings, and stores the result.",
    complexity: "O(N)",
    syntax: "operation:<AND | OR | XOR | NOT | DIFF | DIFF1 | ANDOR | ONE> destkey key [key ...]",
    ..Row::DEFAULT
};

static RELAY: Relay = Relay { fetch: Fetching::ByOwner { read, combine, lead: None }, apply, apply_on: ApplyOn::OwnerOf(0) };

fn bitop(context: &mut ShardContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    operation(args)?;
    for key in args.from(3) {
        check_headroom(context.read_string(key)?.unwrap_or_default())?;
    }
    apply(context, args, Fetched::NOTHING, reply)
}

fn read(context: &mut ShardContext<'_>, args: Args<'_>, key: &[u8]) -> CommandResult {
    operation(args)?;
    check_headroom(context.read_string(key)?.unwrap_or_default())
}

fn combine(context: &mut ShardContext<'_>, args: Args<'_>, _: Option<&[u8]>, extract: &mut Extract) {
    let fold = fold_own(context, args, operation(args).expect("it was read before"));
    let (first, all) = fold.accumulators();
    extract.array(2);
    extract.bulk(first);
    match all {
        Some(all) => extract.bulk(all),
        None => extract.null(),
    }
}

fn apply(context: &mut ShardContext<'_>, args: Args<'_>, fetched: Fetched<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let mut fold = fold_own(context, args, operation(args)?);
    for extract in fetched.extracts() {
        let mut accumulators = Elements::new(extract).expect("a fold is sent as an array").map(reader::bulk);
        let (first, all) = (accumulators.next().flatten(), accumulators.next().flatten());
        fold.add_fold(first.expect("a string was sent"), all);
    }
    store(context, args.get(2), &fold.finish(), reply);
    Ok(())
}

/// For the result, which is as long as the longest source and is made before it is stored.
fn check_headroom(source: &[u8]) -> CommandResult {
    headroom::check(source.len().saturating_mul(2))
}

/// The sources of this core, which have been read. One that is named twice counts twice.
fn fold_own(context: &ShardContext<'_>, args: Args<'_>, operation: Operation) -> Fold {
    let mut fold = Fold::new(operation);
    for Source { number, key } in context.command.row.sources(args).filter(|source| context.owns(source.key)) {
        let value = context.glance(key);
        fold.add(number, value.and_then(|value| value.as_string()).unwrap_or_default());
    }
    fold
}

fn operation(args: Args<'_>) -> Result<Operation, CommandError> {
    Operation::parse(args.get(1), args.len() - 3)
}

/// Stores the result, whatever the key held; an empty result removes it.
fn store(context: &mut ShardContext<'_>, key: &[u8], result: &[u8], reply: &mut Reply<'_>) {
    match context.entry(key) {
        Entry::Occupied(occupied) if result.is_empty() => occupied.remove(),
        Entry::Occupied(mut occupied) => occupied.replace(result, None, StringForm::Raw),
        Entry::Vacant(_) if result.is_empty() => {}
        Entry::Vacant(vacant) => vacant.insert_string(result, None, StringForm::Raw),
    }
    if !result.is_empty() {
        context.event(EventClass::String, "set", key);
    }
    reply.integer(result.len() as i64);
}
