//! Adding members to the sorted set at a key, or changing their scores: ZADD, and what else does the same with scores of its own (GEOADD).

use torc_store::sorted_set::{create, update};
use torc_store::{Entry, Kind};

use super::arguments::{NOT_A_NUMBER, limits};
use crate::error::CommandError;
use crate::event::EventClass;
use crate::shard::ShardContext;

/// When a member is added or changed, and how.
#[derive(Clone, Copy, Default)]
pub struct Conditions {
    /// Only members that are new.
    pub new_only: bool,
    /// Only members that are there.
    pub existing_only: bool,
    /// Members that are there get greater scores only.
    pub greater: bool,
    /// Members that are there get lesser scores only.
    pub less: bool,
    /// The score is added to the one that is there.
    pub increment: bool,
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

/// Adds or changes members, none by an increment; gives how many are new, and how many are new or changed. The first member is asked for
/// before the key is looked up, so that an error there changes nothing.
pub fn add_all<'m>(
    context: &mut ShardContext<'_>,
    key: &[u8],
    conditions: Conditions,
    mut members: impl Iterator<Item = Result<(f64, &'m [u8]), CommandError>>,
) -> Result<(i64, i64), CommandError> {
    assert!(!conditions.increment, "sums may be no numbers, which add_one looks at");
    let limits = limits(context);
    let (mut added, mut changed) = (0, 0);
    let mut next = members.next().transpose()?;
    let mut entry = context.entry_of_kind(key, Kind::SortedSet)?;
    while let Some((given, member)) = next {
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
        next = members.next().transpose()?;
    }
    if changed > 0 {
        context.event(EventClass::SortedSet, "zadd", key);
    }
    Ok((added, changed))
}

/// Adds or changes one member by an increment; gives the score it has now, or nothing if it was left alone.
pub fn add_one(
    context: &mut ShardContext<'_>,
    key: &[u8],
    conditions: Conditions,
    given: f64,
    member: &[u8],
) -> Result<Option<f64>, CommandError> {
    let limits = limits(context);
    let (new, is_changed) = match context.entry_of_kind(key, Kind::SortedSet)? {
        Entry::Vacant(_) if conditions.existing_only => (None, false),
        Entry::Vacant(vacant) => {
            create(vacant, limits, member, given);
            (Some(given), true)
        }
        Entry::Occupied(mut occupied) => {
            let mut is_number = true;
            let done = update(&mut occupied, limits, member, |old| {
                let new = conditions.score(old, given);
                // With NX, what is there is left alone before anything is added to it.
                let is_sum = conditions.increment && !conditions.new_only;
                is_number = old.is_none_or(|old| !(old + given).is_nan()) || !is_sum;
                new.filter(|_| is_number)
            });
            if !is_number {
                return Err(NOT_A_NUMBER);
            }
            (done.new, done.is_change())
        }
    };
    if is_changed {
        context.event(EventClass::SortedSet, "zincr", key);
    }
    Ok(new)
}
