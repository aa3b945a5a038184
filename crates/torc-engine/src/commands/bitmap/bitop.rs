//! BITOP operation destkey key [key ...]: combines strings bit by bit and stores the result.
//!
//! Over several cores the owners of the sources send their strings, and the owner of the destination combines them.

use torc_resp::{Args, Reply, reader};
use torc_store::{Entry, StringForm};

use super::algebra::{Fold, Operation};
use crate::command::{ApplyOn, Fetched, Flags, KeySpec, Relay, Route, Row, Run};
use crate::error::{CommandError, CommandResult};
use crate::event::EventClass;
use crate::headroom;
use crate::shard::ShardContext;

pub(super) static ROW: Row = Row {
    name: "bitop",
    arity: -4,
    flags: Flags::WRITE.and(Flags::DENYOOM),
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

static RELAY: Relay = Relay { fetch, apply, apply_on: ApplyOn::OwnerOf(0) };

fn bitop(context: &mut ShardContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let mut fold = Fold::new(operation(args)?);
    for key in args.from(3) {
        let source = context.read_string(key)?.unwrap_or_default();
        check_headroom(source)?;
        fold.add(source);
    }
    store(context, args.get(2), &fold.finish(), reply);
    Ok(())
}

fn fetch(context: &mut ShardContext<'_>, args: Args<'_>, key_number: usize, reply: &mut Reply<'_>) -> CommandResult {
    operation(args)?;
    match key_number {
        0 => reply.null(),
        _ => {
            let source = context.read_string(args.get(2 + key_number))?.unwrap_or_default();
            check_headroom(source)?;
            reply.bulk(source);
        }
    }
    Ok(())
}

fn apply(context: &mut ShardContext<'_>, args: Args<'_>, fetched: Fetched<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let mut fold = Fold::new(operation(args)?);
    for source in fetched.0.from(1) {
        let source = reader::bulk(source).expect("a string was fetched");
        check_headroom(source)?;
        fold.add(source);
    }
    store(context, args.get(2), &fold.finish(), reply);
    Ok(())
}

/// For the result, which is as long as the longest source and is made before it is stored.
fn check_headroom(source: &[u8]) -> CommandResult {
    headroom::check(source.len().saturating_mul(2))
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
