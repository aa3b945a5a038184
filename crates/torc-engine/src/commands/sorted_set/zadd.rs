//! ZADD key [NX | XX] [GT | LT] [CH] [INCR] score member [score member ...]: adds members, or changes their scores.

use torc_resp::{Args, Reply};
use torc_store::sorted_set::{Update, create, update};
use torc_store::{Entry, Kind};

use super::arguments::{NOT_A_NUMBER, limits, score};
use crate::command::{Flags, Row, Run};
use crate::error::{CommandError, CommandResult};
use crate::shard::ShardContext;

/// The description of ZADD.
pub static ROW: Row = Row {
    name: "zadd",
    arity: -4,
    flags: Flags::WRITE.and(Flags::DENYOOM).and(Flags::FAST),
    element_at: 3,
    run: Run::Shard(zadd),
    since: "1.2.0",
    summary: "Adds one or more members to a sorted set, or updates their scores. Creates the key if it doesn't exist.",
    complexity: "O(log(N)) for each item added, where N is the number of elements in the sorted set.",
    syntax: "key [NX | XX] [GT | LT] [CH] [INCR] score member [score member ...]",
    ..super::ROW_DEFAULT
};

/// When a member is added or changed, and how.
#[derive(Clone, Copy, Default)]
pub(super) struct Conditions {
    /// Only members that are new.
    pub(super) new_only: bool,
    /// Only members that are there.
    pub(super) existing_only: bool,
    /// Members that are there get greater scores only.
    pub(super) greater: bool,
    /// Members that are there get lesser scores only.
    pub(super) less: bool,
    /// The score is added to the one that is there.
    pub(super) increment: bool,
}

impl Conditions {
    /// The score of a member that has `old`, or is new; `None`: it is left alone. NaN is an error.
    fn score(self, old: Option<f64>, given: f64) -> Option<f64> {
        let Some(old) = old else { return (!self.existing_only).then_some(given) };
        if self.new_only {
            return None;
        }
        let new = if self.increment { old + given } else { given };
        let refused = (self.greater && new <= old) || (self.less && new >= old);
        (!refused).then_some(new)
    }
}

fn zadd(context: &mut ShardContext<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> CommandResult {
    let (conditions, counts_changes, pairs) = parse(args)?;
    if conditions.increment {
        let given = score(pairs.get(0))?;
        match add_one(context, args.get(1), conditions, given, pairs.get(1))? {
            Some(score) => reply.double(score),
            None => reply.null(),
        }
        return Ok(());
    }
    // All scores are looked at before the first member is added.
    for index in (0..pairs.len()).step_by(2) {
        score(pairs.get(index))?;
    }
    let limits = limits(context);
    let mut entry = context.entry_of_kind(args.get(1), Kind::SortedSet)?;
    let (mut added, mut changed) = (0, 0);
    for index in (0..pairs.len()).step_by(2) {
        let (given, member) = (score(pairs.get(index))?, pairs.get(index + 1));
        entry = match entry {
            Entry::Occupied(mut occupied) => {
                let done = update(&mut occupied, limits, member, |old| conditions.score(old, given));
                added += i64::from(done.is_addition());
                changed += i64::from(done.is_change());
                Entry::Occupied(occupied)
            }
            Entry::Vacant(_) if conditions.existing_only => break,
            Entry::Vacant(vacant) => {
                (added, changed) = (added + 1, changed + 1);
                Entry::Occupied(create(vacant, limits, member, given))
            }
        };
    }
    reply.integer(if counts_changes { changed } else { added });
    Ok(())
}

/// Adds or changes one member; gives the score it has now, or nothing if it was left alone.
pub(super) fn add_one(
    context: &mut ShardContext<'_>,
    key: &[u8],
    conditions: Conditions,
    given: f64,
    member: &[u8],
) -> Result<Option<f64>, CommandError> {
    let limits = limits(context);
    match context.entry_of_kind(key, Kind::SortedSet)? {
        Entry::Vacant(_) if conditions.existing_only => Ok(None),
        Entry::Vacant(vacant) => {
            create(vacant, limits, member, given);
            Ok(Some(given))
        }
        Entry::Occupied(mut occupied) => {
            let mut is_number = true;
            let Update { new, .. } = update(&mut occupied, limits, member, |old| {
                let new = conditions.score(old, given);
                is_number = old.is_none_or(|old| !(old + given).is_nan()) || !conditions.increment;
                new.filter(|_| is_number)
            });
            if is_number { Ok(new) } else { Err(NOT_A_NUMBER) }
        }
    }
}

/// The conditions, whether changes are counted, and scores and members in turn.
fn parse(args: Args<'_>) -> Result<(Conditions, bool, Args<'_>), CommandError> {
    let (mut conditions, mut counts_changes) = (Conditions::default(), false);
    let mut at = 2;
    while at < args.len() {
        let is = |name: &[u8]| args.get(at).eq_ignore_ascii_case(name);
        match () {
            () if is(b"nx") => conditions.new_only = true,
            () if is(b"xx") => conditions.existing_only = true,
            () if is(b"gt") => conditions.greater = true,
            () if is(b"lt") => conditions.less = true,
            () if is(b"ch") => counts_changes = true,
            () if is(b"incr") => conditions.increment = true,
            () => break,
        }
        at += 1;
    }
    let pairs = args.from(at);
    if pairs.is_empty() || !pairs.len().is_multiple_of(2) {
        return Err(CommandError::Syntax);
    }
    let Conditions { new_only, existing_only, greater, less, increment } = conditions;
    let refusal = match () {
        () if new_only && existing_only => "ERR XX and NX options at the same time are not compatible",
        () if [greater, less, new_only].iter().filter(|&&given| given).count() > 1 => {
            "ERR GT, LT, and/or NX options at the same time are not compatible"
        }
        () if increment && pairs.len() > 2 => "ERR INCR option supports a single increment-element pair",
        () => return Ok((conditions, counts_changes, pairs)),
    };
    Err(CommandError::fixed(refusal))
}
