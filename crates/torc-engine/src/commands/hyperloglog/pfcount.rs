//! PFCOUNT key [key ...]: about how many different elements one HyperLogLog, or several together, have seen.
//!
//! Of one key the count is cached in its value. Over several cores each owner merges its values and sends what that comes to, and one merges that.

use torc_resp::{Args, Reply};
use torc_store::{Entry, Kind, StringForm};

use super::estimate::{count, estimate};
use super::format::{cache_count, cached_count, check, check_all};
use super::registers::Registers;
use crate::command::{ApplyOn, Fetched, Fetching, Flags, KeySpec, Relay, Route, Row, Run, Propagation};
use crate::error::{CommandError, CommandResult};
use crate::shard::ShardContext;

pub(super) static ROW: Row = Row {
    name: "pfcount",
    arity: -2,
    flags: Flags::READONLY.and(Flags::MAY_REPLICATE),
    propagation: Propagation::Untold,
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

static RELAY: Relay = Relay {
    fetch: Fetching::ByOwner {
        read,
        combine: |context, args, _, extract| Registers::send_own(context, args, extract),
        lead: None,
    },
    apply,
    apply_on: ApplyOn::OwnerOf(0),
};

fn pfcount(context: &mut ShardContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    if args.len() > 2 {
        for key in args.from(1) {
            read(context, args, key)?;
        }
        return apply(context, args, Fetched::NOTHING, reply);
    }
    reply.integer(count_one(context, args.get(1))? as i64);
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

/// Reads a key that is merged with others.
pub(super) fn read(context: &mut ShardContext<'_>, _: Args<'_>, key: &[u8]) -> CommandResult {
    context.read_string(key)?.map_or(Ok(()), check_all)
}

fn apply(context: &mut ShardContext<'_>, args: Args<'_>, fetched: Fetched<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let mut registers = Registers::new();
    registers.merge_own(context, args);
    for extract in fetched.extracts() {
        registers.merge_sent(extract);
    }
    reply.integer(estimate(&registers.count_ranks()) as i64);
    Ok(())
}
