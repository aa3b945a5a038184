//! PFCOUNT key [key ...]: about how many different elements one HyperLogLog, or several together, have seen.
//!
//! Of one key the count is cached in its value. Over several cores the owners send their values, and one merges them.

use torc_resp::{Args, Reply, reader};
use torc_store::{Entry, Kind, StringForm};

use super::estimate::{count, estimate};
use super::format::{cache_count, cached_count, check, check_all};
use super::registers::Registers;
use crate::command::{ApplyOn, Fetched, Flags, KeySpec, Relay, Route, Row, Run};
use crate::error::{CommandError, CommandResult};
use crate::shard::ShardContext;

pub(super) static ROW: Row = Row {
    name: "pfcount",
    arity: -2,
    flags: Flags::READONLY,
    keys: &[KeySpec { notes: "RW because it may change the internal representation of the key, and propagate to replicas", ..KeySpec::from(1, "RW access") }],
    route: Route::Relay(&RELAY),
    run: Run::Shard(pfcount),
    since: "2.8.9",
    group: "hyperloglog",
    summary: "Returns the approximated cardinality of the set(s) observed by the HyperLogLog key(s).",
    complexity: "O(1) with a very small average constant time when called with a single key. O(N) with N being the number of keys, and much bigger constant times, when called with multiple keys.",
    syntax: "key [key ...]",
    ..Row::DEFAULT
};

static RELAY: Relay = Relay { fetch, apply, apply_on: ApplyOn::OwnerOf(0) };

fn pfcount(context: &mut ShardContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let counted = if args.len() == 2 {
        count_one(context, args.get(1))?
    } else {
        let mut registers = Registers::new();
        for key in args.from(1) {
            if let Some(value) = context.read_string(key)? {
                registers.merge(value)?;
            }
        }
        estimate(&registers.count_ranks())
    };
    reply.integer(counted as i64);
    Ok(())
}

/// The count of one key, which is cached in its value.
fn count_one(context: &mut ShardContext<'_>, key: &[u8]) -> Result<u64, CommandError> {
    let Some(found) = context.read_kind(key, Kind::String)? else { return Ok(0) };
    let (value, is_raw) = (found.as_string().expect("the kind says so"), found.form() == StringForm::Raw);
    check(value)?;
    let cached = cached_count(value);
    if let Some(cached) = cached.filter(|_| is_raw) {
        return Ok(cached);
    }
    let counted = cached.map_or_else(|| count(value), Ok)?;
    if let Entry::Occupied(mut occupied) = context.entry(key) {
        occupied.make_raw();
        if cached.is_none() {
            cache_count(occupied.bytes_mut().expect("the type was checked"), counted);
        }
    }
    Ok(counted)
}

/// The value of a key, or null.
pub(super) fn fetch(
    context: &mut ShardContext<'_>,
    args: Args<'_>,
    key_number: usize,
    reply: &mut Reply<'_>,
) -> CommandResult {
    match context.read_string(args.get(1 + key_number))? {
        Some(value) => {
            check_all(value)?;
            reply.bulk(value);
        }
        None => reply.null(),
    }
    Ok(())
}

fn apply(_: &mut ShardContext<'_>, _: Args<'_>, fetched: Fetched<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let mut registers = Registers::new();
    for value in fetched.0.iter().filter_map(reader::bulk) {
        registers.merge(value)?;
    }
    reply.integer(estimate(&registers.count_ranks()) as i64);
    Ok(())
}
