//! A sorted set to be read, whatever its form.

use std::ops::{ControlFlow, Range};

use super::node::{ByMember, ByScore, LEAF_ITEMS, Leaf, NONE};
use super::object::SortedSet;
use super::packed;
use super::range::{LexRange, ScoreRange};
use super::tree::Tree;
use crate::object::Object;
use crate::pack::{Pack, Packed};
use crate::value::{Content, ValueRef};
use crate::workshop::Lens;

/// How many members ahead of the one being read are fetched into the cache.
const PREFETCH_AHEAD: usize = 8;

/// A sorted set, to be read. Ranks count from 0 at the lowest score.
#[derive(Clone, Copy, Debug)]
pub struct SortedSetRef<'a>(Form<'a>);

#[derive(Clone, Copy, Debug)]
enum Form<'a> {
    Packed(Pack<'a>),
    Object(&'a SortedSet, &'a Lens),
}

impl<'a> SortedSetRef<'a> {
    /// Of a value, which must be a sorted set.
    #[inline]
    pub fn of(value: ValueRef<'a>) -> SortedSetRef<'a> {
        match value.content() {
            Content::Packed(bytes) => SortedSetRef(Form::Packed(Pack::new(bytes))),
            Content::Object(Object::SortedSet(set)) => SortedSetRef(Form::Object(set, value.lens())),
            _ => unreachable!("commands check the type first"),
        }
    }

    /// Number of members.
    pub fn len(&self) -> usize {
        match self.0 {
            Form::Packed(pack) => packed::len(pack),
            Form::Object(set, _) => set.len(),
        }
    }

    /// Whether there are none, which is so only while a command is at work.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The score of a member.
    #[inline]
    pub fn score(&self, member: &[u8]) -> Option<f64> {
        match self.0 {
            Form::Packed(pack) => packed::find(pack, member).map(|pair| pair.score),
            Form::Object(set, lens) => set.score(lens, member),
        }
    }

    /// Asks the CPU to fetch what a lookup of a member will need.
    pub fn prefetch(&self, member: &[u8]) {
        if let Form::Object(set, lens) = self.0 {
            set.prefetch(lens, member);
        }
    }

    /// Rank and score of a member.
    pub fn rank(&self, member: &[u8]) -> Option<(usize, f64)> {
        match self.0 {
            Form::Packed(pack) => packed::rank(pack, member),
            Form::Object(set, lens) => set.rank(lens, member),
        }
    }

    /// The ranks of all members with a score in the range.
    pub fn ranks_by_score(&self, range: &ScoreRange) -> Range<usize> {
        let (start, end) = match self.0 {
            Form::Packed(pack) => (
                packed::pairs(pack).take_while(|pair| range.is_after(pair.score)).count(),
                packed::pairs(pack).take_while(|pair| range.reaches(pair.score)).count(),
            ),
            Form::Object(set, _) => (
                set.tree().rank(&ByScore(|score| range.is_after(score))),
                set.tree().rank(&ByScore(|score| range.reaches(score))),
            ),
        };
        start..end.max(start)
    }

    /// The ranks of all members in the range, in a set whose scores are all equal.
    pub fn ranks_by_lex(&self, range: &LexRange<'_>) -> Range<usize> {
        let (start, end) = match self.0 {
            Form::Packed(pack) => {
                let is_after = |pair: &packed::Pair<'_>| pair.member.with_bytes(|member| range.is_after(member));
                let reaches = |pair: &packed::Pair<'_>| pair.member.with_bytes(|member| range.reaches(member));
                (packed::pairs(pack).take_while(is_after).count(), packed::pairs(pack).take_while(reaches).count())
            }
            Form::Object(set, _) => (
                set.tree().rank(&ByMember(|member: &[u8]| range.is_after(member))),
                set.tree().rank(&ByMember(|member: &[u8]| range.reaches(member))),
            ),
        };
        start..end.max(start)
    }

    /// The members of these ranks with their scores, in order or (`reversed`) from the last to the first. The ranks lie inside
    /// the set.
    pub fn range(&self, ranks: Range<usize>, reversed: bool) -> Members<'a> {
        assert!(ranks.end <= self.len(), "ranks of members");
        let remaining = ranks.len();
        let rank = if reversed { ranks.end.wrapping_sub(1) } else { ranks.start };
        let walk = match self.0 {
            _ if remaining == 0 => Walk::Packed { pack: Pack::EMPTY, offset: 0 },
            Form::Packed(pack) => Walk::Packed { pack, offset: pack.offset_of(2 * rank) },
            Form::Object(set, _) => {
                let (leaf, at) = set.tree().place(rank);
                Walk::Tree { tree: set.tree(), leaf, at }
            }
        };
        let members = Members { walk, remaining, reversed };
        members.prefetch_first();
        members
    }

    /// Calls `visit` with the members whose scores are at least `min` and less than `max`, in order, until it breaks off. No member is
    /// touched before [`Located::member`] asks for it.
    #[inline]
    pub fn visit_scores(
        &self,
        min: f64,
        max: f64,
        mut visit: impl FnMut(Located<'a>) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        match self.0 {
            Form::Packed(pack) => {
                for pair in packed::pairs(pack).skip_while(|pair| pair.score < min) {
                    if pair.score >= max {
                        break;
                    }
                    visit(Located { score: pair.score, place: Place::Packed(pair.member) })?;
                }
            }
            Form::Object(set, _) => {
                let (mut number, mut at) = set.tree().seek(&ByScore(|score| score < min));
                while number != NONE {
                    let leaf = set.tree().leaf(number);
                    for (index, &score) in leaf.items.scores().iter().enumerate().skip(at) {
                        if score >= max {
                            return ControlFlow::Continue(());
                        }
                        visit(Located { score, place: Place::Leaf(leaf, index) })?;
                    }
                    (number, at) = (leaf.next, 0);
                }
            }
        }
        ControlFlow::Continue(())
    }

    /// All members with their scores, in order.
    pub fn iter(&self) -> Members<'a> {
        self.range(0..self.len(), false)
    }

    /// Calls `visit` with the member of each of these ranks.
    pub fn visit_ranks(&self, ranks: impl Iterator<Item = usize>, visit: &mut dyn FnMut(Packed<'a>, f64)) {
        match self.0 {
            Form::Packed(pack) => {
                let offsets: Vec<usize> = packed::pairs(pack).map(|pair| pair.offsets[0]).collect();
                for rank in ranks {
                    let pair = packed::pair(pack, offsets[rank]);
                    visit(pair.member, pair.score);
                }
            }
            Form::Object(set, _) => {
                for rank in ranks {
                    let (leaf, at) = set.tree().place(rank);
                    let item = set.tree().leaf(leaf).items.get(at);
                    visit(Packed::Bytes(item.entry.key()), item.score);
                }
            }
        }
    }
}

/// A member that was found by its score.
#[derive(Clone, Copy, Debug)]
pub struct Located<'a> {
    /// The score that stands beside the member; never NaN.
    pub score: f64,
    place: Place<'a>,
}

#[derive(Clone, Copy, Debug)]
enum Place<'a> {
    Packed(Packed<'a>),
    Leaf(&'a Leaf, usize),
}

impl<'a> Located<'a> {
    /// The member.
    #[inline]
    pub fn member(&self) -> Packed<'a> {
        match self.place {
            Place::Packed(member) => member,
            Place::Leaf(leaf, index) => Packed::Bytes(leaf.items.get(index).entry.key()),
        }
    }
}

/// Iterates members with their scores; see [`SortedSetRef::range`].
#[derive(Clone, Debug)]
pub struct Members<'a> {
    walk: Walk<'a>,
    remaining: usize,
    reversed: bool,
}

#[derive(Clone, Debug)]
enum Walk<'a> {
    Packed { pack: Pack<'a>, offset: usize },
    Tree { tree: &'a Tree, leaf: u32, at: usize },
}

impl Members<'_> {
    fn prefetch_first(&self) {
        let Walk::Tree { tree, leaf, at } = self.walk else { return };
        let items = &tree.leaf(leaf).items;
        for step in 0..PREFETCH_AHEAD.min(self.remaining) {
            let index = if self.reversed { at.wrapping_sub(step) } else { at + step };
            if index >= items.len() {
                return;
            }
            items.get(index).entry.prefetch();
        }
    }
}

impl<'a> Iterator for Members<'a> {
    type Item = (Packed<'a>, f64);

    #[inline]
    fn next(&mut self) -> Option<(Packed<'a>, f64)> {
        if self.remaining == 0 {
            return None;
        }
        self.remaining -= 1;
        match &mut self.walk {
            Walk::Packed { pack, offset } => {
                let pair = packed::pair(*pack, *offset);
                if self.remaining > 0 {
                    *offset = if self.reversed { packed::before(*pack, *offset) } else { pair.offsets[2] };
                }
                Some((pair.member, pair.score))
            }
            Walk::Tree { tree, leaf, at } => {
                let node = tree.leaf(*leaf);
                let item = node.items.get(*at);
                let ahead = if self.reversed { at.wrapping_sub(PREFETCH_AHEAD) } else { *at + PREFETCH_AHEAD };
                if ahead < node.items.len() {
                    node.items.get(ahead).entry.prefetch();
                }
                if self.remaining > 0 {
                    step(tree, leaf, at, self.reversed);
                }
                Some((Packed::Bytes(item.entry.key()), item.score))
            }
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.remaining, Some(self.remaining))
    }

    /// Looks each leaf up once, not for each of its members: what `for_each` uses.
    #[inline]
    fn fold<B, F: FnMut(B, Self::Item) -> B>(mut self, initial: B, mut visit: F) -> B {
        let mut folded = initial;
        let Walk::Tree { tree, mut leaf, mut at } = self.walk else {
            for found in self.by_ref() {
                folded = visit(folded, found);
            }
            return folded;
        };
        while self.remaining > 0 {
            let node = tree.leaf(leaf);
            let (items, len) = (&node.items, node.items.len());
            let here = self.remaining.min(if self.reversed { at + 1 } else { len - at });
            for step in 0..here {
                let index = if self.reversed { at - step } else { at + step };
                let ahead = if self.reversed { index.wrapping_sub(PREFETCH_AHEAD) } else { index + PREFETCH_AHEAD };
                if ahead < len {
                    items.get(ahead).entry.prefetch();
                }
                let item = items.get(index);
                folded = visit(folded, (Packed::Bytes(item.entry.key()), item.score));
            }
            self.remaining -= here;
            if self.remaining > 0 {
                at = if self.reversed { at + 1 - here } else { at + here - 1 };
                step(tree, &mut leaf, &mut at, self.reversed);
            }
        }
        folded
    }
}

impl ExactSizeIterator for Members<'_> {}

/// Goes to the neighbour, which is there.
#[inline]
fn step(tree: &Tree, leaf: &mut u32, at: &mut usize, reversed: bool) {
    let node = tree.leaf(*leaf);
    if reversed && *at > 0 {
        *at -= 1;
        return;
    }
    if !reversed && *at + 1 < node.items.len() {
        *at += 1;
        return;
    }
    *leaf = if reversed { node.previous } else { node.next };
    assert!(*leaf != NONE, "the walk stays within the set");
    let items = &tree.leaf(*leaf).items;
    *at = if reversed { items.len() - 1 } else { 0 };
    for step in 0..PREFETCH_AHEAD.min(LEAF_ITEMS) {
        let index = if reversed { at.wrapping_sub(step) } else { step };
        if index < items.len() {
            items.get(index).entry.prefetch();
        }
    }
}
