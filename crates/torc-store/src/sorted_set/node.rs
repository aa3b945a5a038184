//! The nodes of the tree of a sorted set.
//!
//! ```text
//! leaf     up to 63 items, by score and then by member     numbers of the leaves on both sides
//! inner    up to 34 children: of each its first item (always the one that is first now) and the number of its items
//! item     score 8 bytes | address of the member's entry in the table of elements 6 bytes
//! ```
//!
//! Scores lie together, so that a search touches few cache lines, and no entry unless scores are equal. A leaf takes 896
//! bytes, a size that the allocator has.

use std::cmp::Ordering;

use crate::entry::EntryPointer;

/// Most items of a leaf.
pub(super) const LEAF_ITEMS: usize = 63;
/// Most children of an inner node.
pub(super) const INNER_CHILDREN: usize = 34;
/// Stands for no node.
pub(super) const NONE: u32 = u32::MAX;

const _: () = assert!(size_of::<Leaf>() == 896 && size_of::<Inner>() <= 896);

/// A score and the entry of the member it belongs to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Item {
    pub(super) score: f64,
    pub(super) entry: EntryPointer,
}

impl Item {
    /// Whether it comes before another.
    #[inline]
    pub(super) fn is_before(self, other: Item) -> bool {
        order((self.score, || self.entry.key()), (other.score, || other.entry.key())) == Ordering::Less
    }
}

/// The order of a sorted set: by score, then by the member's bytes.
#[inline]
pub(super) fn order<'a>(a: (f64, impl FnOnce() -> &'a [u8]), b: (f64, impl FnOnce() -> &'a [u8])) -> Ordering {
    if a.0 < b.0 {
        Ordering::Less
    } else if a.0 > b.0 {
        Ordering::Greater
    } else {
        a.1().cmp(b.1())
    }
}

/// Items in order, with room for `N`.
#[derive(Debug)]
pub(super) struct Items<const N: usize> {
    len: u16,
    highs: [u16; N],
    lows: [u32; N],
    scores: [f64; N],
}

impl<const N: usize> Items<N> {
    const EMPTY: Self = Items { len: 0, highs: [0; N], lows: [0; N], scores: [0.0; N] };

    /// Number of items.
    #[inline]
    pub(super) fn len(&self) -> usize {
        usize::from(self.len)
    }

    /// Whether no other item fits.
    #[inline]
    pub(super) fn is_full(&self) -> bool {
        self.len() == N
    }

    /// The scores in order.
    #[inline]
    pub(super) fn scores(&self) -> &[f64] {
        &self.scores[..self.len()]
    }

    /// The item at an index.
    #[inline]
    pub(super) fn get(&self, at: usize) -> Item {
        assert!(at < self.len(), "an index of an item");
        let address = usize::from(self.highs[at]) << 32 | self.lows[at] as usize;
        // SAFETY: an item is put in with the entry of a member that is in the set's table, and taken out before that entry is
        // replaced or freed, so that what is here is the address of a live entry.
        let entry = unsafe { EntryPointer::from_address(address) };
        Item { score: self.scores[at], entry }
    }

    /// The first item; there is one.
    pub(super) fn first(&self) -> Item {
        self.get(0)
    }

    /// The last item; there is one.
    pub(super) fn last(&self) -> Item {
        self.get(self.len() - 1)
    }

    /// How many items, all at the front, have a score that fulfils a condition.
    #[inline]
    pub(super) fn count_by_score(&self, condition: impl Fn(f64) -> bool) -> usize {
        self.scores[..self.len()].partition_point(|&score| condition(score))
    }

    /// How many items, all at the front, belong to a member that fulfils a condition.
    pub(super) fn count_by_member(&self, condition: impl Fn(&[u8]) -> bool) -> usize {
        self.count_within(0, self.len(), condition)
    }

    /// How many items come before a score and a member, or (`also_equal`) are these.
    #[inline]
    pub(super) fn count_before(&self, score: f64, member: &[u8], also_equal: bool) -> usize {
        let scores = &self.scores[..self.len()];
        let start = scores.partition_point(|&other| other < score);
        if start == scores.len() || scores[start] != score {
            return start;
        }
        let end = start + scores[start..].partition_point(|&other| other == score);
        self.count_within(start, end, |other| if also_equal { other <= member } else { other < member })
    }

    /// The index of an item, which is here.
    pub(super) fn index_of(&self, item: Item) -> usize {
        let address = item.entry.address();
        let [low, high] = [address as u32, (address >> 32) as u32];
        let start = self.scores[..self.len()].partition_point(|&score| score < item.score);
        let found = (start..self.len()).find(|&at| self.lows[at] == low && u32::from(self.highs[at]) == high);
        let at = found.expect("the item is in the tree");
        assert!(self.scores[at] == item.score, "an item has the score of its member");
        at
    }

    /// Of the items `start..end`, how many at the front belong to a member that fulfils a condition; plus `start`.
    fn count_within(&self, mut start: usize, mut end: usize, condition: impl Fn(&[u8]) -> bool) -> usize {
        while start < end {
            let middle = start.midpoint(end);
            if condition(self.get(middle).entry.key()) {
                start = middle + 1;
            } else {
                end = middle;
            }
        }
        start
    }

    /// Puts an item before the one at `at`.
    pub(super) fn insert(&mut self, at: usize, item: Item) {
        let len = self.len();
        assert!(at <= len && len < N, "there is room");
        self.highs.copy_within(at..len, at + 1);
        self.lows.copy_within(at..len, at + 1);
        self.scores.copy_within(at..len, at + 1);
        self.len += 1;
        self.set(at, item);
    }

    /// Appends an item.
    pub(super) fn push(&mut self, item: Item) {
        self.insert(self.len(), item);
    }

    /// Replaces the item at `at`.
    #[inline]
    pub(super) fn set(&mut self, at: usize, item: Item) {
        assert!(at < self.len(), "an index of an item");
        let address = item.entry.address();
        self.lows[at] = address as u32;
        self.highs[at] = u16::try_from(address >> 32).expect("addresses have 48 bits");
        self.scores[at] = item.score;
    }

    /// The members' entries have moved: all items follow them.
    pub(super) fn follow(&mut self) {
        for at in 0..self.len() {
            let Item { score, entry } = self.get(at);
            // SAFETY: the entry was replaced and is not freed yet, so that it holds the place of the one that replaces it, unless it lies in
            // no heap.
            let entry = unsafe { entry.replacement() };
            self.set(at, Item { score, entry });
        }
    }

    /// Takes the items `start..end` out.
    pub(super) fn remove(&mut self, start: usize, end: usize) {
        let len = self.len();
        assert!(start <= end && end <= len, "items that are there");
        self.highs.copy_within(end..len, start);
        self.lows.copy_within(end..len, start);
        self.scores.copy_within(end..len, start);
        self.len -= (end - start) as u16;
    }

    /// Moves the items from `start` on before the first of `to`.
    fn move_tail(&mut self, start: usize, to: &mut Self) {
        let moved = self.len() - start;
        to.make_gap(moved);
        to.copy_from(0, self, start, moved);
        self.len = start as u16;
    }

    /// Moves the first `count` items behind the last of `to`.
    fn move_head(&mut self, count: usize, to: &mut Self) {
        let at = to.len();
        to.len += count as u16;
        to.copy_from(at, self, 0, count);
        self.remove(0, count);
    }

    fn make_gap(&mut self, count: usize) {
        let len = self.len();
        assert!(len + count <= N, "there is room");
        self.highs.copy_within(..len, count);
        self.lows.copy_within(..len, count);
        self.scores.copy_within(..len, count);
        self.len += count as u16;
    }

    fn copy_from(&mut self, at: usize, from: &Self, start: usize, count: usize) {
        self.highs[at..at + count].copy_from_slice(&from.highs[start..start + count]);
        self.lows[at..at + count].copy_from_slice(&from.lows[start..start + count]);
        self.scores[at..at + count].copy_from_slice(&from.scores[start..start + count]);
    }
}

/// What is looked for in a tree: a place between its items.
pub(super) trait Probe {
    /// How many of the items, all at the front, lie before the place.
    fn count<const N: usize>(&self, items: &Items<N>) -> usize;
}

/// Behind all items whose scores fulfil a condition.
pub(super) struct ByScore<C>(pub(super) C);

impl<C: Fn(f64) -> bool> Probe for ByScore<C> {
    #[inline]
    fn count<const N: usize>(&self, items: &Items<N>) -> usize {
        items.count_by_score(&self.0)
    }
}

/// Behind all items whose members fulfil a condition.
pub(super) struct ByMember<C>(pub(super) C);

impl<C: Fn(&[u8]) -> bool> Probe for ByMember<C> {
    fn count<const N: usize>(&self, items: &Items<N>) -> usize {
        items.count_by_member(&self.0)
    }
}

/// Before or (`behind`) behind this score and member.
#[derive(Clone, Copy)]
pub(super) struct At<'a> {
    pub(super) score: f64,
    pub(super) member: &'a [u8],
    pub(super) behind: bool,
}

impl Probe for At<'_> {
    #[inline]
    fn count<const N: usize>(&self, items: &Items<N>) -> usize {
        items.count_before(self.score, self.member, self.behind)
    }
}

/// A node that holds items.
#[derive(Debug)]
pub(super) struct Leaf {
    pub(super) items: Items<LEAF_ITEMS>,
    pub(super) previous: u32,
    pub(super) next: u32,
}

impl Leaf {
    /// Without items, between these two.
    pub(super) fn new(previous: u32, next: u32) -> Box<Leaf> {
        Box::new(Leaf { items: Items::EMPTY, previous, next })
    }

    /// Asks the CPU to fetch all of it.
    #[inline]
    pub(super) fn prefetch(&self) {
        let start = std::ptr::from_ref(self).cast::<u8>();
        for line in (0..size_of::<Leaf>()).step_by(64) {
            crate::group::prefetch(start.wrapping_add(line));
        }
    }

    /// Makes the number of items in this leaf `count` by exchange with the next one.
    pub(super) fn share(&mut self, next: &mut Leaf, count: usize) {
        if count < self.items.len() {
            self.items.move_tail(count, &mut next.items);
        } else {
            next.items.move_head(count - self.items.len(), &mut self.items);
        }
    }
}

/// A node that holds nodes.
#[derive(Debug)]
pub(super) struct Inner {
    /// The first item of each child.
    pub(super) firsts: Items<INNER_CHILDREN>,
    pub(super) children: [u32; INNER_CHILDREN],
    /// Items below each child.
    pub(super) counts: [usize; INNER_CHILDREN],
}

/// What a parent knows of a child.
#[derive(Clone, Copy, Debug)]
pub(super) struct Child {
    pub(super) node: u32,
    pub(super) first: Item,
    pub(super) count: usize,
}

impl Inner {
    /// Without children.
    pub(super) fn new() -> Box<Inner> {
        Box::new(Inner { firsts: Items::EMPTY, children: [NONE; INNER_CHILDREN], counts: [0; INNER_CHILDREN] })
    }

    /// Number of children.
    #[inline]
    pub(super) fn len(&self) -> usize {
        self.firsts.len()
    }

    /// Number of items below.
    pub(super) fn count(&self) -> usize {
        self.counts[..self.len()].iter().sum()
    }

    /// Puts a child before the one at `at`.
    pub(super) fn insert(&mut self, at: usize, child: Child) {
        let len = self.len();
        self.firsts.insert(at, child.first);
        self.children.copy_within(at..len, at + 1);
        self.counts.copy_within(at..len, at + 1);
        self.children[at] = child.node;
        self.counts[at] = child.count;
    }

    /// Appends a child.
    pub(super) fn push(&mut self, child: Child) {
        self.insert(self.len(), child);
    }

    /// Takes a child out.
    pub(super) fn remove(&mut self, at: usize) {
        let len = self.len();
        self.firsts.remove(at, at + 1);
        self.children.copy_within(at + 1..len, at);
        self.counts.copy_within(at + 1..len, at);
    }

    /// Moves the children from `start` on into an empty node.
    pub(super) fn split_off(&mut self, start: usize, to: &mut Inner) {
        let moved = self.len() - start;
        to.children[..moved].copy_from_slice(&self.children[start..][..moved]);
        to.counts[..moved].copy_from_slice(&self.counts[start..][..moved]);
        self.firsts.move_tail(start, &mut to.firsts);
    }

    /// Moves all children behind the last of `to`.
    pub(super) fn append_to(&mut self, to: &mut Inner) {
        let (len, at) = (self.len(), to.len());
        to.children[at..at + len].copy_from_slice(&self.children[..len]);
        to.counts[at..at + len].copy_from_slice(&self.counts[..len]);
        self.firsts.move_head(len, &mut to.firsts);
    }
}
