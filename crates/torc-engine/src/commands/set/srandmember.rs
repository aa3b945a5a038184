//! SRANDMEMBER key [count]: random members of a set; a negative count may give a member several times.

use std::collections::HashSet;

use ahash::RandomState;
use torc_resp::{Args, Reply};
use torc_store::pack::Packed;
use torc_store::{Kind, SetRef};

use crate::command::{Flags, KeySpec, Route, Row, Run};
use crate::commands::arguments::{SAMPLES_MAX, signed_count};
use crate::error::{CommandError, CommandResult};
use crate::random::Random;
use crate::shard::ShardContext;

pub(super) static ROW: Row = Row {
    name: "srandmember",
    arity: -2,
    flags: Flags::READONLY.and(Flags::CHOOSES),
    keys: &[KeySpec::at(1, "RO access")],
    tips: &["nondeterministic_output"],
    route: Route::Owner,
    run: Run::Shard(srandmember),
    since: "1.0.0",
    summary: "Get one or multiple random members from a set",
    complexity: "Without the count argument O(1), otherwise O(N) where N is the absolute value of the passed count.",
    syntax: "key [count@2.6.0]",
    history: &[
        ("2.6.0", "Added the optional `count` argument."),
    ],
    ..super::ROW_DEFAULT
};

fn srandmember(context: &mut ShardContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let count = match args.len() {
        2 => None,
        3 => Some(signed_count(args.get(2))?),
        _ => return Err(CommandError::Syntax),
    };
    let mut random = Random::new(context.random().next_u64());
    let set = context.read_kind(args.get(1), Kind::Set)?.map(SetRef::of);
    let (Some(set), Some(count)) = (set, count) else {
        match (set, count) {
            (Some(set), None) => set.random(random.next_u64()).with_bytes(|bytes| reply.bulk(bytes)),
            (None, None) => reply.null(),
            (_, Some(_)) => reply.array(0),
        }
        return Ok(());
    };
    if count >= 0 {
        distinct(set, count as usize, &mut random, reply);
        return Ok(());
    }
    if count.unsigned_abs() > SAMPLES_MAX {
        return Err(CommandError::OutOfRange("value"));
    }
    reply.array(count.unsigned_abs() as usize);
    for _ in 0..count.unsigned_abs() {
        set.random(random.next_u64()).with_bytes(|bytes| reply.bulk(bytes));
    }
    Ok(())
}

/// Up to `count` different members: drawn until there are enough when they are few, else all of them shuffled as far as needed.
fn distinct(set: SetRef<'_>, count: usize, random: &mut Random, reply: &mut Reply<'_>) {
    let count = count.min(set.len());
    reply.array(count);
    if set.is_table() && count < set.len() / 3 {
        let mut drawn: HashSet<&[u8], RandomState> = HashSet::default();
        while drawn.len() < count {
            let Packed::Bytes(member) = set.random(random.next_u64()) else { unreachable!("tables hold bytes") };
            if drawn.insert(member) {
                reply.bulk(member);
            }
        }
        return;
    }
    let mut members: Vec<Packed<'_>> = set.iter().collect();
    for index in 0..count {
        let other = index + random.below((members.len() - index) as u64) as usize;
        members.swap(index, other);
        members[index].with_bytes(|bytes| reply.bulk(bytes));
    }
}
