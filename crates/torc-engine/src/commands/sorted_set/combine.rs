//! Union, intersection and difference of sorted sets, and of sets, whose members count with a score of 1.
//!
//! Union and intersection go through their sources from the smallest to the largest, which decides in what order scores are
//! added up. What is no number counts as 0: infinities that cancel out, and an infinity with the weight 0.

use std::cell::OnceCell;
use std::collections::HashMap;

use ahash::RandomState;
use torc_store::SetRef;
use torc_store::pack::Packed;
use torc_store::sorted_set::SortedSetRef;

use super::collected::Collected;

/// What becomes of the sets.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Operation {
    /// Members of any of them.
    Union,
    /// Members of all of them.
    Intersection,
    /// Members of the first that are in none of the others, with the scores they have there.
    Difference,
}

/// How the scores of a member in several sets become one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Aggregate {
    /// Their sum.
    Sum,
    /// The least.
    Min,
    /// The greatest.
    Max,
}

impl Aggregate {
    /// Reads SUM, MIN or MAX.
    pub fn parse(word: &[u8]) -> Option<Aggregate> {
        let named = [(&b"sum"[..], Aggregate::Sum), (b"min", Aggregate::Min), (b"max", Aggregate::Max)];
        named.into_iter().find(|(name, _)| word.eq_ignore_ascii_case(name)).map(|(_, aggregate)| aggregate)
    }

    fn of(self, so_far: f64, score: f64) -> f64 {
        match self {
            Aggregate::Sum => number_or_zero(so_far + score),
            Aggregate::Min if score < so_far => score,
            Aggregate::Max if score > so_far => score,
            Aggregate::Min | Aggregate::Max => so_far,
        }
    }
}

/// What is to be done with the sources.
#[derive(Clone, Copy, Debug)]
pub struct Combination<'a> {
    /// How they are combined.
    pub operation: Operation,
    /// The sources in the order of the request: the weight of each, and its index among the distinct ones.
    pub terms: &'a [(f64, usize)],
    /// What becomes of several scores.
    pub aggregate: Aggregate,
    /// An intersection stops at so many members.
    pub count_max: usize,
}

/// One of the sets.
pub enum Source<'a> {
    /// There is no such key.
    Nothing,
    /// On this core.
    Sorted(SortedSetRef<'a>),
    /// A set on this core.
    Plain(SetRef<'a>),
    /// Sent by another core.
    Received(Received<'a>),
}

/// A set that another core has sent.
pub struct Received<'a> {
    /// How many members it has where it is, which decides about the order of addition.
    len: usize,
    /// Those of its members that matter.
    members: Vec<(f64, &'a [u8])>,
    /// Their scores by name; made when it is needed first.
    scores: OnceCell<HashMap<&'a [u8], f64, RandomState>>,
}

impl<'a> Source<'a> {
    /// What another core has sent of a set with so many members.
    pub fn received(len: usize, members: Vec<(f64, &'a [u8])>) -> Source<'a> {
        Source::Received(Received { len, members, scores: OnceCell::new() })
    }

    /// Number of members, where the set is.
    pub fn len(&self) -> usize {
        match self {
            Source::Nothing => 0,
            Source::Sorted(set) => set.len(),
            Source::Plain(set) => set.len(),
            Source::Received(received) => received.len,
        }
    }

    /// The score of a member.
    pub fn score(&self, member: &[u8]) -> Option<f64> {
        match self {
            Source::Nothing => None,
            Source::Sorted(set) => set.score(member),
            Source::Plain(set) => set.contains(member).then_some(1.0),
            Source::Received(Received { members, scores, .. }) => {
                let by_name = || members.iter().map(|&(score, member)| (member, score)).collect();
                scores.get_or_init(by_name).get(member).copied()
            }
        }
    }

    /// All members that are here, with their scores.
    pub fn iter(&self) -> Box<dyn Iterator<Item = (Packed<'a>, f64)> + '_> {
        match self {
            Source::Nothing => Box::new(std::iter::empty()),
            Source::Sorted(set) => Box::new(set.iter()),
            Source::Plain(set) => Box::new(set.iter().map(|member| (member, 1.0))),
            Source::Received(Received { members, .. }) => {
                Box::new(members.iter().map(|&(score, member)| (Packed::Bytes(member), score)))
            }
        }
    }
}

/// The members of the combined sets, which are given once each.
pub fn combine(combination: &Combination<'_>, distinct: &[Source<'_>]) -> Collected {
    let mut terms = combination.terms.to_vec();
    if combination.operation != Operation::Difference {
        terms.sort_by_key(|&(_, index)| distinct[index].len());
    }
    match combination.operation {
        Operation::Union => unite(combination.aggregate, &terms, distinct),
        Operation::Intersection => intersect(combination, &terms, distinct),
        Operation::Difference => subtract(&terms, distinct),
    }
}

/// A member of a source that is named several times in a row is looked for once.
fn unite(aggregate: Aggregate, terms: &[(f64, usize)], distinct: &[Source<'_>]) -> Collected {
    let mut union = Union::new(distinct.iter().map(Source::len).sum());
    for same in terms.chunk_by(|a, b| a.1 == b.1) {
        let ((weight, index), repeated) = (same[0], &same[1..]);
        for (member, score) in distinct[index].iter() {
            let number = member.with_bytes(|bytes| union.add(bytes, number_or_zero(weight * score), aggregate));
            for (weight, _) in repeated {
                let so_far = union.found.score_mut(number);
                *so_far = aggregate.of(*so_far, number_or_zero(weight * score));
            }
        }
    }
    union.found
}

/// A member is looked for once in each source, however often that is named.
fn intersect(combination: &Combination<'_>, terms: &[(f64, usize)], distinct: &[Source<'_>]) -> Collected {
    let mut found = Collected::default();
    let Some(&(_, smallest)) = terms.first() else { return found };
    let mut others: Vec<usize> = (0..distinct.len()).filter(|&index| index != smallest).collect();
    others.sort_by_key(|&index| distinct[index].len());
    let mut scores = vec![0.0; distinct.len()];
    for (member, score) in distinct[smallest].iter() {
        if found.len() >= combination.count_max {
            break;
        }
        scores[smallest] = score;
        member.with_bytes(|bytes| {
            let is_common = others.iter().all(|&index| match distinct[index].score(bytes) {
                Some(score) => {
                    scores[index] = score;
                    true
                }
                None => false,
            });
            if is_common {
                let first = number_or_zero(terms[0].0 * score);
                let sum = |sum, &(weight, index): &(f64, usize)| combination.aggregate.of(sum, weight * scores[index]);
                found.push(bytes, terms[1..].iter().fold(first, sum));
            }
        });
    }
    found
}

fn subtract(terms: &[(f64, usize)], distinct: &[Source<'_>]) -> Collected {
    let mut found = Collected::default();
    let Some((&(_, first), others)) = terms.split_first() else { return found };
    for (member, score) in distinct[first].iter() {
        member.with_bytes(|bytes| {
            if others.iter().all(|&(_, other)| distinct[other].score(bytes).is_none()) {
                found.push(bytes, score);
            }
        });
    }
    found
}

fn number_or_zero(score: f64) -> f64 {
    if score.is_nan() { 0.0 } else { score }
}

/// A growing union: the members so far, and a table that finds them by their bytes. A cell holds part of the hash and
/// the member's number plus 1, or 0.
struct Union {
    found: Collected,
    cells: Vec<u64>,
    hasher: RandomState,
}

impl Union {
    /// With room for so many members.
    fn new(members: usize) -> Union {
        let cells = vec![0; (2 * members.max(8)).next_power_of_two()];
        // The seeds matter to nobody outside: the table lives as long as the command.
        let hasher = RandomState::with_seeds(members as u64, 2, 3, 4);
        Union { found: Collected::with_capacity(members), cells, hasher }
    }

    /// Adds a score of a member; the number of the member.
    #[inline]
    fn add(&mut self, member: &[u8], score: f64, aggregate: Aggregate) -> usize {
        let hash = self.hasher.hash_one(member);
        let (mask, tag) = (self.cells.len() - 1, hash & !u64::from(u32::MAX));
        let mut at = hash as usize & mask;
        loop {
            let cell = self.cells[at];
            if cell == 0 {
                let number =
                    u32::try_from(self.found.len() + 1).expect("a union of 2^32 members does not fit into memory");
                self.cells[at] = tag | u64::from(number);
                self.found.push(member, score);
                return self.found.len() - 1;
            }
            let number = (cell as u32 - 1) as usize;
            if cell & !u64::from(u32::MAX) == tag && self.found.member(number) == member {
                let so_far = self.found.score_mut(number);
                *so_far = aggregate.of(*so_far, score);
                return number;
            }
            at = (at + 1) & mask;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_that_are_no_numbers_count_as_zero() {
        let (inf, sum) = (f64::INFINITY, Aggregate::Sum);
        assert_eq!(sum.of(inf, -inf), 0.0);
        assert_eq!(sum.of(1.5, 2.0), 3.5);
        assert_eq!(Aggregate::Min.of(1.0, f64::NAN), 1.0);
        assert_eq!(Aggregate::Max.of(1.0, 2.0), 2.0);
        assert_eq!(Aggregate::parse(b"mIn"), Some(Aggregate::Min));
        assert_eq!(Aggregate::parse(b"avg"), None);
    }

    #[test]
    fn a_union_has_each_member_once() {
        let mut union = Union::new(100);
        for number in 0..100 {
            union.add((number % 40).to_string().as_bytes(), 1.0, Aggregate::Sum);
        }
        let mut members = union.found.slices();
        members.sort_by_key(|(_, member)| str::from_utf8(member).ok().and_then(|text| text.parse::<u32>().ok()));
        assert_eq!(members.len(), 40);
        assert_eq!(members[0], (3.0, &b"0"[..]));
        assert_eq!(members[39], (2.0, &b"39"[..]));
    }
}
