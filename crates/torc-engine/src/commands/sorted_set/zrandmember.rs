//! ZRANDMEMBER key [count [WITHSCORES]]: random members; a negative count may give a member several times.

use std::collections::HashSet;

use ahash::RandomState;
use torc_resp::{Args, Reply};
use torc_store::Kind;
use torc_store::sorted_set::SortedSetRef;

use super::replies::Shape;
use crate::command::{Flags, KeySpec, Row, Run};
use crate::commands::arguments::{SAMPLES_MAX, signed_count};
use crate::error::{CommandError, CommandResult};
use crate::random::Random;
use crate::shard::ShardContext;

pub(super) static ROW: Row = Row {
    name: "zrandmember",
    arity: -2,
    flags: Flags::READONLY.and(Flags::CHOOSES),
    keys: &[KeySpec::at(1, "RO access")],
    tips: &["nondeterministic_output"],
    run: Run::Shard(zrandmember),
    since: "6.2.0",
    summary: "Returns one or more random members from a sorted set.",
    complexity: "O(N) where N is the number of members returned",
    syntax: "key options:[count [WITHSCORES]]",
    ..super::ROW_DEFAULT
};

fn zrandmember(context: &mut ShardContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let (count, with_scores) = match args.len() {
        2 => (None, false),
        3 => (Some(signed_count(args.get(2))?), false),
        len => {
            let count = signed_count(args.get(2))?;
            if len > 4 || !args.get(3).eq_ignore_ascii_case(b"withscores") {
                return Err(CommandError::Syntax);
            }
            (Some(count), true)
        }
    };
    let half = i64::MAX / 2;
    if with_scores && count.is_some_and(|count| !(-half..=half).contains(&count)) {
        return Err(CommandError::OutOfRange("value"));
    }
    let mut random = Random::new(context.random().next_u64());
    let set = context.read_kind(args.get(1), Kind::SortedSet)?.map(SortedSetRef::of);
    let shape = Shape::of(with_scores, reply);
    let (Some(set), Some(count)) = (set, count) else {
        match (set, count) {
            (Some(set), None) => {
                let rank = random.below(set.len() as u64) as usize;
                set.range(rank..rank + 1, false).for_each(|(member, score)| shape.element(member, score, reply));
            }
            (None, None) => reply.null(),
            (_, Some(_)) => reply.array(0),
        }
        return Ok(());
    };
    if count < 0 && count.unsigned_abs() > SAMPLES_MAX {
        return Err(CommandError::OutOfRange("value"));
    }
    if count >= 0 && count as usize >= set.len() {
        shape.write(set.iter(), reply);
        return Ok(());
    }
    let samples = count.unsigned_abs() as usize;
    shape.array(samples, reply);
    let mut visit = |member, score| shape.element(member, score, reply);
    if count < 0 {
        set.visit_ranks((0..samples).map(|_| random.below(set.len() as u64) as usize), &mut visit);
    } else {
        set.visit_ranks(distinct(samples, set.len(), &mut random).into_iter(), &mut visit);
    }
    Ok(())
}

/// So many different numbers below `bound`: drawn until there are enough when they are few, else all of them shuffled as far as needed.
fn distinct(count: usize, bound: usize, random: &mut Random) -> Vec<usize> {
    let mut drawn = Vec::with_capacity(count);
    if count < bound / 3 {
        let mut seen: HashSet<usize, RandomState> = HashSet::default();
        while drawn.len() < count {
            let number = random.below(bound as u64) as usize;
            if seen.insert(number) {
                drawn.push(number);
            }
        }
        return drawn;
    }
    drawn.extend(0..bound);
    for index in 0..count {
        drawn.swap(index, index + random.below((bound - index) as u64) as usize);
    }
    drawn.truncate(count);
    drawn
}
