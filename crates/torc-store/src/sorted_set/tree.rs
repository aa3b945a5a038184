//! The order of a big sorted set: a B+ tree of items that knows how many lie below each child, so that an item's rank and the item of a
//! rank are found on one way down.
//!
//! ```text
//!            | first, count | first, count | ..          inner nodes: exact first items, exact counts
//!              /              \
//!  | item item item |<->| item item |<->| item ..        leaves, linked in both directions
//! ```
//!
//! Leaves are kept full: a full leaf first gives items to a neighbour; two full neighbours become three; and at the ends of
//! the set, where rising or falling scores arrive, a new leaf is begun while the full one stays full.
//! Members are compared through the items' entries, which are live for as long as their items are here.

use super::arena::Arena;
use super::node::{At, Child, INNER_CHILDREN, Inner, Item, LEAF_ITEMS, Leaf, NONE, Probe};
use crate::entry::EntryPointer;

/// More levels than a tree that fits into memory has.
const LEVELS_MAX: usize = 12;
/// Least room in a neighbour that takes items of a full leaf.
const ROOM_MIN: usize = LEAF_ITEMS / 8;
/// Most items of two leaves that become one.
const MERGED_ITEMS_MAX: usize = LEAF_ITEMS * 7 / 8;
/// Most children of two inner nodes that become one.
const MERGED_CHILDREN_MAX: usize = INNER_CHILDREN * 3 / 4;

/// Finds a rank by an item and an item by a rank, both in logarithmic time.
#[derive(Debug)]
pub(super) struct Tree {
    leaves: Arena<Leaf>,
    inners: Arena<Inner>,
    /// A leaf if there are no levels above the leaves.
    root: u32,
    levels: usize,
    len: usize,
    first: u32,
    last: u32,
}

impl Default for Tree {
    fn default() -> Self {
        let (leaves, inners) = Default::default();
        Tree { leaves, inners, root: NONE, levels: 0, len: 0, first: NONE, last: NONE }
    }
}

/// The way from the root to a leaf.
struct Path {
    /// Inner nodes, and which child the way takes.
    steps: [(u32, usize); LEVELS_MAX],
    levels: usize,
    leaf: u32,
}

impl Path {
    fn steps(&self) -> &[(u32, usize)] {
        &self.steps[..self.levels]
    }
}

/// Behind an item's place, so that the way there leads to its leaf.
#[inline]
fn place_of<'a>(item: Item) -> At<'a> {
    At { score: item.score, member: item.entry.key(), behind: true }
}

/// Items taken out of one leaf.
pub(super) struct Taken {
    pub(super) items: [Option<EntryPointer>; LEAF_ITEMS],
    pub(super) len: usize,
}

impl Tree {
    /// Bytes of all nodes.
    pub(super) fn bytes(&self) -> usize {
        self.leaves.bytes() + self.inners.bytes()
    }

    /// Frees up to `nodes` leaves and inner nodes; returns whether none is left.
    pub(super) fn dismantle(&mut self, nodes: usize) -> bool {
        self.leaves.dismantle(nodes) && self.inners.dismantle(nodes)
    }

    /// The members' entries have moved: the items follow them before the old ones are freed.
    pub(super) fn follow(&mut self) {
        self.leaves.nodes_mut().for_each(|leaf| leaf.items.follow());
        self.inners.nodes_mut().for_each(|inner| inner.firsts.follow());
    }

    /// Adds an item that is not there.
    pub(super) fn insert(&mut self, item: Item) {
        if self.root == NONE {
            self.root = self.leaves.add(Leaf::new(NONE, NONE));
            (self.first, self.last) = (self.root, self.root);
        }
        let path = self.path(&place_of(item));
        self.insert_at(path, item);
    }

    /// Takes an item out.
    pub(super) fn remove(&mut self, item: Item) {
        let (path, at) = self.locate(item);
        self.cut(&path, at, 1);
    }

    /// Changes the score of an item.
    pub(super) fn set_score(&mut self, old: Item, score: f64) {
        let new = Item { score, ..old };
        // The way to the new place first, so that its leaf arrives while the old one is worked on.
        let new_path = self.path(&place_of(new));
        let (path, at) = self.locate(old);
        if path.leaf == new_path.leaf && self.is_between_neighbours(path.leaf, at, new) {
            self.leaves.get_mut(path.leaf).items.set(at, new);
            if at == 0 {
                self.note_first(&path, path.levels, new);
            }
        } else if self.cut(&path, at, 1) {
            let path = self.path(&place_of(new));
            self.insert_at(path, new);
        } else {
            self.insert_at(new_path, new);
        }
    }

    /// Takes items out from a rank on: at most `count`, and at most to the end of a leaf.
    pub(super) fn take(&mut self, rank: usize, count: usize) -> Taken {
        let (path, at) = self.path_to_rank(rank);
        let items = &self.leaves.get(path.leaf).items;
        let len = count.min(items.len() - at);
        let mut taken = Taken { items: [None; LEAF_ITEMS], len };
        for index in 0..len {
            taken.items[index] = Some(items.get(at + index).entry);
        }
        self.cut(&path, at, len);
        taken
    }

    /// Number of items before a place.
    #[inline]
    pub(super) fn rank(&self, place: &impl Probe) -> usize {
        if self.root == NONE {
            return 0;
        }
        let (mut node, mut rank) = (self.root, 0);
        for _ in 0..self.levels {
            let inner = self.inners.get(node);
            let at = place.count(&inner.firsts).saturating_sub(1);
            rank += inner.counts[..at].iter().sum::<usize>();
            node = inner.children[at];
        }
        rank + place.count(&self.leaves.get(node).items)
    }

    /// Where the first item behind a place stands: its leaf and its index there, which may be behind the last of the leaf. Without
    /// items: no leaf.
    #[inline]
    pub(super) fn seek(&self, place: &impl Probe) -> (u32, usize) {
        if self.root == NONE {
            return (NONE, 0);
        }
        let mut node = self.root;
        for _ in 0..self.levels {
            let inner = self.inners.get(node);
            node = inner.children[place.count(&inner.firsts).saturating_sub(1)];
        }
        (node, place.count(&self.leaves.get(node).items))
    }

    /// The leaf that holds the item of a rank, and its index there; the rank is below the number of items.
    pub(super) fn place(&self, rank: usize) -> (u32, usize) {
        let (path, at) = self.path_to_rank(rank);
        (path.leaf, at)
    }

    /// The leaf with this number.
    #[inline]
    pub(super) fn leaf(&self, number: u32) -> &Leaf {
        self.leaves.get(number)
    }

    /// Makes a tree of items in order.
    pub(super) fn from_sorted(items: impl Iterator<Item = Item>) -> Tree {
        let mut tree = Tree::default();
        let mut level = tree.build_leaves(items);
        while level.len() > 1 {
            level = tree.build_level(&level);
            tree.levels += 1;
        }
        tree.root = level.first().map_or(NONE, |root| root.node);
        tree
    }

    fn build_leaves(&mut self, items: impl Iterator<Item = Item>) -> Vec<Child> {
        let mut level: Vec<Child> = Vec::new();
        for item in items {
            if self.last == NONE || self.leaves.get(self.last).items.is_full() {
                let previous = self.last;
                self.last = self.leaves.add(Leaf::new(previous, NONE));
                match previous {
                    NONE => self.first = self.last,
                    _ => self.leaves.get_mut(previous).next = self.last,
                }
                level.push(Child { node: self.last, first: item, count: 0 });
            }
            self.leaves.get_mut(self.last).items.push(item);
            level.last_mut().expect("pushed before").count += 1;
            self.len += 1;
        }
        level
    }

    fn build_level(&mut self, children: &[Child]) -> Vec<Child> {
        let parent = |children: &[Child]| {
            let mut inner = Inner::new();
            children.iter().for_each(|&child| inner.push(child));
            let (first, count) = (children[0].first, inner.count());
            Child { node: self.inners.add(inner), first, count }
        };
        children.chunks(INNER_CHILDREN).map(parent).collect()
    }

    /// The way to the leaf that a place lies in: the last that begins before it, else the first.
    #[inline]
    fn path(&self, place: &impl Probe) -> Path {
        let mut path = Path { steps: [(NONE, 0); LEVELS_MAX], levels: self.levels, leaf: self.root };
        for step in &mut path.steps[..self.levels] {
            let inner = self.inners.get(path.leaf);
            let at = place.count(&inner.firsts).saturating_sub(1);
            *step = (path.leaf, at);
            path.leaf = inner.children[at];
        }
        self.leaves.get(path.leaf).prefetch();
        path
    }

    /// The way to an item that is there, and its index in the leaf.
    fn locate(&self, item: Item) -> (Path, usize) {
        let path = self.path(&place_of(item));
        let at = self.leaves.get(path.leaf).items.index_of(item);
        (path, at)
    }

    /// Adds an item that is not there, given the way to its place.
    fn insert_at(&mut self, mut path: Path, item: Item) {
        while self.leaves.get(path.leaf).items.is_full() {
            if self.make_room(&path, item) {
                self.len += 1;
                return;
            }
            path = self.path(&place_of(item));
        }
        let items = &mut self.leaves.get_mut(path.leaf).items;
        let at = items.count_before(item.score, item.entry.key(), false);
        items.insert(at, item);
        self.len += 1;
        self.count(&path, 1);
        if at == 0 {
            self.note_first(&path, path.levels, item);
        }
    }

    fn path_to_rank(&self, rank: usize) -> (Path, usize) {
        assert!(rank < self.len, "a rank below the number of items");
        let mut path = Path { steps: [(NONE, 0); LEVELS_MAX], levels: self.levels, leaf: self.root };
        let mut rest = rank;
        for step in &mut path.steps[..self.levels] {
            let inner = self.inners.get(path.leaf);
            let mut at = 0;
            while rest >= inner.counts[at] {
                rest -= inner.counts[at];
                at += 1;
            }
            *step = (path.leaf, at);
            path.leaf = inner.children[at];
        }
        (path, rest)
    }

    /// Whether the item at `at`, made `new`, would still stand where it does.
    fn is_between_neighbours(&self, leaf: u32, at: usize, new: Item) -> bool {
        let Leaf { items, previous, next } = self.leaves.get(leaf);
        let before = match (at, *previous) {
            (0, NONE) => None,
            (0, previous) => Some(self.leaves.get(previous).items.last()),
            _ => Some(items.get(at - 1)),
        };
        let after = match (at + 1 < items.len(), *next) {
            (true, _) => Some(items.get(at + 1)),
            (false, NONE) => None,
            (false, next) => Some(self.leaves.get(next).items.first()),
        };
        before.is_none_or(|before| before.is_before(new)) && after.is_none_or(|after| new.is_before(after))
    }

    /// Adds to the counts of a way.
    fn count(&mut self, path: &Path, difference: isize) {
        for &(node, at) in path.steps() {
            let count = &mut self.inners.get_mut(node).counts[at];
            *count = count.strict_add_signed(difference);
        }
    }

    /// Tells the parents that the node below the first `levels` steps of a way begins with another item.
    fn note_first(&mut self, path: &Path, levels: usize, first: Item) {
        for &(node, at) in path.steps[..levels].iter().rev() {
            self.inners.get_mut(node).firsts.set(at, first);
            if at > 0 {
                return;
            }
        }
    }

    /// Makes one step towards room in the full leaf that a way ends in, for an item; the way may be another afterwards. True: the
    /// item has been put into a new leaf, and is counted on the way.
    fn make_room(&mut self, path: &Path, item: Item) -> bool {
        if path.levels == 0 {
            self.add_root();
            return false;
        }
        if let Some(level) = path.steps().iter().position(|&(node, _)| self.inners.get(node).firsts.is_full()) {
            if level == 0 {
                self.add_root();
            } else {
                self.split_inner(path, level);
            }
            return false;
        }
        if path.leaf == self.last && self.leaves.get(path.leaf).items.last().is_before(item) {
            self.begin_leaf(path, item, 1);
            return true;
        }
        if path.leaf == self.first && item.is_before(self.leaves.get(path.leaf).items.first()) {
            self.begin_leaf(path, item, 0);
            return true;
        }
        let (parent, at) = path.steps[path.levels - 1];
        let inner = self.inners.get(parent);
        let has_room = |at: usize| inner.counts[at] + ROOM_MIN <= LEAF_ITEMS;
        let half = |at: usize| (inner.counts[at] + inner.counts[at + 1]) / 2;
        if at > 0 && has_room(at - 1) {
            self.share(parent, at - 1, half(at - 1));
        } else if at + 1 < inner.len() && has_room(at + 1) {
            self.share(parent, at, half(at));
        } else if at + 1 < inner.len() {
            self.make_three_of_two(parent, at);
        } else if at > 0 {
            self.make_three_of_two(parent, at - 1);
        } else {
            self.add_next(parent, at, LEAF_ITEMS / 2);
        }
        false
    }

    /// Puts a node above the root.
    fn add_root(&mut self) {
        let (first, count) = match self.levels {
            0 => (self.leaves.get(self.root).items.first(), self.len),
            _ => (self.inners.get(self.root).firsts.first(), self.len),
        };
        let mut inner = Inner::new();
        inner.push(Child { node: self.root, first, count });
        self.root = self.inners.add(inner);
        self.levels += 1;
        assert!(self.levels <= LEVELS_MAX, "no tree is that high");
    }

    /// Splits a full node below one that is not: in the middle, or near the end that grows.
    fn split_inner(&mut self, path: &Path, level: usize) {
        let ((parent, at), (node, taken)) = (path.steps[level - 1], path.steps[level]);
        let inner = self.inners.get_mut(node);
        let cut = match taken {
            0 => 1,
            last if last + 1 == INNER_CHILDREN => INNER_CHILDREN - 1,
            _ => INNER_CHILDREN / 2,
        };
        let mut right = Inner::new();
        inner.split_off(cut, &mut right);
        let (first, count) = (right.firsts.first(), right.count());
        let node = self.inners.add(right);
        let parent = self.inners.get_mut(parent);
        parent.counts[at] -= count;
        parent.insert(at + 1, Child { node, first, count });
    }

    /// Puts an item into a new leaf beside the one that a way ends in, the first (`offset` 0: before it) or last of all.
    fn begin_leaf(&mut self, path: &Path, item: Item, offset: usize) {
        let (previous, next) = if offset == 0 { (NONE, self.first) } else { (self.last, NONE) };
        let mut leaf = Leaf::new(previous, next);
        leaf.items.push(item);
        let node = self.leaves.add(leaf);
        if offset == 0 {
            self.leaves.get_mut(next).previous = node;
            self.first = node;
        } else {
            self.leaves.get_mut(previous).next = node;
            self.last = node;
        }
        let (parent, at) = path.steps[path.levels - 1];
        self.inners.get_mut(parent).insert(at + offset, Child { node, first: item, count: 1 });
        for &(node, at) in &path.steps[..path.levels - 1] {
            self.inners.get_mut(node).counts[at] += 1;
        }
        if offset == 0 {
            self.note_first(path, path.levels - 1, item);
        }
    }

    /// Makes the number of items in the leaf at `at` `count`, by exchange with the next one.
    fn share(&mut self, parent: u32, at: usize, count: usize) {
        let inner = self.inners.get_mut(parent);
        let [left, right] = [inner.children[at], inner.children[at + 1]];
        let mut leaf = self.leaves.take(left);
        let next = self.leaves.get_mut(right);
        leaf.share(next, count);
        inner.counts[at] = leaf.items.len();
        inner.counts[at + 1] = next.items.len();
        inner.firsts.set(at + 1, next.items.first());
        self.leaves.put_back(left, leaf);
    }

    /// Puts a new leaf behind the one at `at`, with its items from `start` on.
    fn add_next(&mut self, parent: u32, at: usize, start: usize) {
        let node = self.inners.get(parent).children[at];
        let leaf = self.leaves.get_mut(node);
        let mut new = Leaf::new(node, leaf.next);
        leaf.share(&mut new, start);
        let child = Child { node: NONE, first: new.items.first(), count: new.items.len() };
        let after = leaf.next;
        let number = self.leaves.add(new);
        self.leaves.get_mut(node).next = number;
        match after {
            NONE => self.last = number,
            _ => self.leaves.get_mut(after).previous = number,
        }
        let inner = self.inners.get_mut(parent);
        inner.counts[at] = start;
        inner.insert(at + 1, Child { node: number, ..child });
    }

    /// Spreads the items of the leaf at `at` and the next one over three.
    fn make_three_of_two(&mut self, parent: u32, at: usize) {
        let inner = self.inners.get(parent);
        let third = (inner.counts[at] + inner.counts[at + 1]) / 3;
        self.add_next(parent, at, third);
        self.share(parent, at + 1, third);
    }

    /// Takes items out of the leaf that a way ends in. Whether nodes have gone or been filled, so that ways are no longer valid.
    fn cut(&mut self, path: &Path, at: usize, count: usize) -> bool {
        let items = &mut self.leaves.get_mut(path.leaf).items;
        items.remove(at, at + count);
        let len = items.len();
        self.len -= count;
        self.count(path, -(count as isize));
        if len == 0 {
            self.drop_leaf(path);
            return true;
        }
        if at == 0 {
            let first = self.leaves.get(path.leaf).items.first();
            self.note_first(path, path.levels, first);
        }
        len < LEAF_ITEMS / 2 && path.levels > 0 && self.fill_leaf(path, len)
    }

    fn drop_leaf(&mut self, path: &Path) {
        self.unlink_leaf(path.leaf);
        match path.levels {
            0 => self.root = NONE,
            levels => self.remove_child(path, levels - 1, path.steps[levels - 1].1),
        }
    }

    fn unlink_leaf(&mut self, number: u32) {
        let Leaf { previous, next, .. } = *self.leaves.get(number);
        match previous {
            NONE => self.first = next,
            _ => self.leaves.get_mut(previous).next = next,
        }
        match next {
            NONE => self.last = previous,
            _ => self.leaves.get_mut(next).previous = previous,
        }
        self.leaves.remove(number);
    }

    /// Merges a leaf of few items with a neighbour, or takes some of a neighbour's, or does nothing (then: false).
    fn fill_leaf(&mut self, path: &Path, len: usize) -> bool {
        let (parent, at) = path.steps[path.levels - 1];
        let inner = self.inners.get(parent);
        let pairs = [(at + 1 < inner.len()).then_some(at), at.checked_sub(1)];
        let sum = |&at: &usize| inner.counts[at] + inner.counts[at + 1];
        if let Some(at) = pairs.iter().flatten().copied().find(|at| sum(at) <= MERGED_ITEMS_MAX) {
            let (total, right) = (sum(&at), inner.children[at + 1]);
            let mut next = self.leaves.take(right);
            self.leaves.get_mut(inner.children[at]).share(&mut next, total);
            self.leaves.put_back(right, next);
            self.unlink_leaf(right);
            self.inners.get_mut(parent).counts[at] = total;
            self.remove_child(path, path.levels - 1, at + 1);
            return true;
        }
        if len < LEAF_ITEMS / 4
            && let Some(at) = pairs.iter().flatten().copied().next()
        {
            let half = sum(&at) / 2;
            self.share(parent, at, half);
            return true;
        }
        false
    }

    /// Takes a child, which is no more, out of the inner node that a way passes at a level.
    fn remove_child(&mut self, path: &Path, level: usize, at: usize) {
        let (node, _) = path.steps[level];
        let inner = self.inners.get_mut(node);
        inner.remove(at);
        if inner.len() == 0 {
            self.inners.remove(node);
            if level == 0 {
                (self.root, self.levels) = (NONE, 0);
            } else {
                self.remove_child(path, level - 1, path.steps[level - 1].1);
            }
            return;
        }
        if at == 0 {
            let first = inner.firsts.first();
            self.note_first(path, level, first);
        }
        self.fill_inner(path, level);
    }

    /// Merges an inner node of few children with a neighbour; makes the tree lower if its root has one child.
    fn fill_inner(&mut self, path: &Path, level: usize) {
        if level == 0 {
            while self.levels > 0 && self.inners.get(self.root).len() == 1 {
                let child = self.inners.get(self.root).children[0];
                self.inners.remove(self.root);
                self.root = child;
                self.levels -= 1;
            }
            return;
        }
        let (parent, at) = path.steps[level - 1];
        if self.inners.get(path.steps[level].0).len() >= INNER_CHILDREN / 4 {
            return;
        }
        let inner = self.inners.get(parent);
        let pairs = [(at + 1 < inner.len()).then_some(at), at.checked_sub(1)];
        let len = |at: usize| self.inners.get(inner.children[at]).len();
        let pair = pairs.iter().flatten().copied().find(|&at| len(at) + len(at + 1) <= MERGED_CHILDREN_MAX);
        let Some(at) = pair else { return };
        let [left, right] = [inner.children[at], inner.children[at + 1]];
        let mut next = self.inners.take(right);
        next.append_to(self.inners.get_mut(left));
        self.inners.remove(right);
        let inner = self.inners.get_mut(parent);
        inner.counts[at] += inner.counts[at + 1];
        self.remove_child(path, level - 1, at + 1);
    }

    /// Checks everything the head of the file promises; returns the share of the leaves' room that is used.
    #[cfg(test)]
    pub(super) fn check(&self) -> f64 {
        if self.root == NONE {
            assert_eq!((self.len, self.levels, self.first, self.last), (0, 0, NONE, NONE));
            return 1.0;
        }
        let (mut leaves, mut previous) = (0, NONE);
        let mut number = self.first;
        while number != NONE {
            let leaf = self.leaves.get(number);
            assert_eq!(leaf.previous, previous);
            (previous, number, leaves) = (number, leaf.next, leaves + 1);
        }
        assert_eq!(previous, self.last);
        let mut in_order: Vec<Item> = Vec::new();
        assert_eq!(self.check_below(self.root, self.levels, &mut in_order), self.len);
        assert!(in_order.is_sorted_by(|a, b| a.is_before(*b)));
        self.len as f64 / (leaves * LEAF_ITEMS) as f64
    }

    #[cfg(test)]
    fn check_below(&self, node: u32, levels: usize, in_order: &mut Vec<Item>) -> usize {
        if levels == 0 {
            let items = &self.leaves.get(node).items;
            assert!(items.len() > 0);
            in_order.extend((0..items.len()).map(|at| items.get(at)));
            return items.len();
        }
        let inner = self.inners.get(node);
        assert!(inner.len() > 0);
        for at in 0..inner.len() {
            let start = in_order.len();
            assert_eq!(self.check_below(inner.children[at], levels - 1, in_order), inner.counts[at]);
            assert_eq!(in_order[start], inner.firsts.get(at));
        }
        inner.count()
    }
}
