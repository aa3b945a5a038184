//! Which segment a hash belongs to: extendible hashing in two levels.
//!
//! ```text
//! hash  | root bits |                                     roots: number of a leaf
//!       | leaf.depth bits | leaf.bits |                   leaf: cells, one segment each
//!       | segment.depth bits         | location 16 |
//! ```
//!
//! A leaf covers the hashes that share its `depth` first bits and tells segments apart by the
//! next `bits`. A segment less deep than that fills several neighbouring cells. When a
//! segment as deep as its leaf reaches splits, the leaf doubles, up to 4096 cells; a leaf that
//! large splits in two, and the roots double when they have to. So the most that is ever
//! copied at once is 32 KiB of cells or the short list of roots.
//!
//! Positions order hashes: the 43 highest bits. They stay meaningful whatever splits or
//! merges, which is what makes them fit for SCAN's cursors.

use std::ptr::NonNull;

use crate::segment::{Hash, Segment};

/// Most bits of a leaf. (Few in tests, so that small tables exercise all levels.)
const LEAF_BITS_MAX: u32 = if cfg!(test) { 3 } else { 12 };

/// Most hash bits the segments of a directory may tell apart.
pub(crate) const DEPTH_MAX: u32 = 27;

/// Bits of a position: the deepest segment's prefix and a location.
pub(crate) const POSITION_BITS: u32 = DEPTH_MAX + 16;

#[derive(Debug)]
struct Leaf {
    cells: Vec<NonNull<Segment>>,
    depth: u32,
    bits: u32,
    /// Number of segments of depth `depth + bits`: as long as there is one, it can't halve.
    deepest: u32,
}

impl Leaf {
    fn cell_of(&self, hash: Hash) -> usize {
        leading_bits(hash.0 << self.depth, self.bits)
    }

    /// Halves the leaf as long as no segment needs all of its cells.
    fn flatten(&mut self) {
        while self.deepest == 0 && self.bits > 0 {
            self.cells = self.cells.iter().copied().step_by(2).collect();
            self.bits -= 1;
            self.count_deepest();
        }
    }

    fn count_deepest(&mut self) {
        let depth = self.depth + self.bits;
        // SAFETY: the directory's cells point to live segments.
        let deep = |cell: &&NonNull<Segment>| unsafe { cell.as_ref() }.depth() == depth;
        self.deepest = self.cells.iter().filter(deep).count() as u32;
    }
}

/// Maps hashes to segments; owns the pointers, not the segments' memory.
///
/// Invariant: every cell points to a live segment that no other directory reaches.
#[derive(Debug, Default)]
pub(crate) struct Directory {
    /// Numbers of leaves, indexed by the first `root_bits` of a hash. Empty without segments.
    roots: Vec<u32>,
    root_bits: u32,
    leaves: Vec<Leaf>,
    vacant: Vec<u32>,
    segments: usize,
}

impl Directory {
    /// Whether there is no segment.
    pub(crate) fn is_empty(&self) -> bool {
        self.segments == 0
    }

    /// Number of segments.
    pub(crate) fn segments_len(&self) -> usize {
        self.segments
    }

    /// Bytes of the directory itself.
    pub(crate) fn bytes(&self) -> usize {
        let cells: usize = self.leaves.iter().map(|leaf| leaf.cells.capacity()).sum();
        cells * size_of::<NonNull<Segment>>()
            + self.leaves.capacity() * size_of::<Leaf>()
            + (self.roots.capacity() + self.vacant.capacity()) * size_of::<u32>()
    }

    /// Starts with a first segment, of depth 0.
    pub(crate) fn start(&mut self, segment: NonNull<Segment>) {
        assert!(self.is_empty());
        self.leaves.push(Leaf { cells: vec![segment], depth: 0, bits: 0, deepest: 1 });
        self.roots.push(0);
        self.segments = 1;
    }

    /// Forgets the only segment and all memory; returns the segment.
    pub(crate) fn finish(&mut self) -> NonNull<Segment> {
        assert!(self.segments == 1);
        let segment = self.cell(Hash(0));
        *self = Directory::default();
        segment
    }

    /// The segment a hash belongs to; there is at least one segment.
    #[inline]
    pub(crate) fn segment(&self, hash: Hash) -> &Segment {
        // SAFETY: cells point to live segments, reached through this directory only.
        unsafe { &*self.cell(hash).as_ptr() }
    }

    /// The segment a hash belongs to, for changing; there is at least one segment.
    #[inline]
    pub(crate) fn segment_mut(&mut self, hash: Hash) -> &mut Segment {
        // SAFETY: as above, and `&mut self` makes this the only access.
        unsafe { &mut *self.cell(hash).as_ptr() }
    }

    /// Pointer to the segment of a hash.
    #[inline]
    pub(crate) fn cell(&self, hash: Hash) -> NonNull<Segment> {
        let leaf = &self.leaves[self.leaf_of(hash)];
        leaf.cells[leaf.cell_of(hash)]
    }

    /// Puts `right` beside the segment of `hash`: the two share what that had covered, their
    /// depths being one more than its was. Returns how many cells were copied or changed.
    pub(crate) fn split(&mut self, hash: Hash, right: NonNull<Segment>) -> usize {
        // SAFETY: the caller passes a live segment.
        let depth = unsafe { right.as_ref() }.depth();
        assert!(depth <= DEPTH_MAX, "that many keys fit no memory");
        let mut work = 0;
        while self.reach(hash) < depth {
            work += self.deepen(hash);
        }
        let number = self.leaf_of(hash);
        let leaf = &mut self.leaves[number];
        let run = 1usize << (leaf.depth + leaf.bits - depth);
        let start = leaf.cell_of(hash) & !(2 * run - 1);
        leaf.cells[start + run..start + 2 * run].fill(right);
        if run == 1 {
            leaf.deepest += 2;
        }
        self.segments += 1;
        work + run
    }

    /// The segment that shares all but the last bit of its prefix with that of `hash`, if it
    /// is as deep.
    pub(crate) fn buddy(&self, hash: Hash) -> Option<NonNull<Segment>> {
        let depth = self.segment(hash).depth();
        if depth == 0 {
            return None;
        }
        let cell = self.cell(Hash(hash.0 ^ 1 << (64 - depth)));
        // SAFETY: cells point to live segments.
        (unsafe { cell.as_ref() }.depth() == depth).then_some(cell)
    }

    /// Makes `merged`, which has depth `depth` by now, the only segment for its prefix, in place of the two
    /// of depth `depth + 1`.
    pub(crate) fn merge(&mut self, hash: Hash, merged: NonNull<Segment>, depth: u32) {
        let number = self.leaf_of(hash);
        let leaf = &mut self.leaves[number];
        assert!(leaf.depth <= depth && depth < leaf.depth + leaf.bits, "buddies share a leaf");
        let run = 1usize << (leaf.depth + leaf.bits - depth);
        let start = leaf.cell_of(hash) & !(run - 1);
        leaf.cells[start..start + run].fill(merged);
        if run == 2 {
            leaf.deepest -= 2;
        }
        self.segments -= 1;
        self.flatten(hash);
    }

    /// Puts another segment of the same depth in the place of that of `hash`, which it gives.
    pub(crate) fn exchange(&mut self, hash: Hash, segment: NonNull<Segment>) -> NonNull<Segment> {
        let old = self.cell(hash);
        // SAFETY: cells point to live segments.
        let depth = unsafe { old.as_ref() }.depth();
        let number = self.leaf_of(hash);
        let leaf = &mut self.leaves[number];
        let run = 1usize << (leaf.depth + leaf.bits - depth);
        let start = leaf.cell_of(hash) & !(run - 1);
        leaf.cells[start..start + run].fill(segment);
        old
    }

    /// All segments, each once, in order; for freeing or counting.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Segment> + '_ {
        let mut next = Some(0);
        std::iter::from_fn(move || {
            if self.is_empty() {
                return None;
            }
            let position: u64 = next?;
            let segment = self.segment(hash_at(position));
            next = position_after(position, segment.depth());
            Some(segment)
        })
    }

    fn leaf_of(&self, hash: Hash) -> usize {
        self.roots[leading_bits(hash.0, self.root_bits)] as usize
    }

    /// Hash bits that the leaf of `hash` tells apart.
    fn reach(&self, hash: Hash) -> u32 {
        let leaf = &self.leaves[self.leaf_of(hash)];
        leaf.depth + leaf.bits
    }

    /// Doubles the leaf of `hash`, splitting it first when it is as large as it may be.
    fn deepen(&mut self, hash: Hash) -> usize {
        let mut work = 0;
        if self.leaves[self.leaf_of(hash)].bits == LEAF_BITS_MAX {
            work = self.split_leaf(hash);
        }
        let number = self.leaf_of(hash);
        let leaf = &mut self.leaves[number];
        let mut cells = Vec::with_capacity(leaf.cells.len() * 2);
        cells.extend(leaf.cells.iter().flat_map(|&cell| [cell, cell]));
        leaf.cells = cells;
        leaf.bits += 1;
        leaf.deepest = 0;
        work + leaf.cells.len()
    }

    fn split_leaf(&mut self, hash: Hash) -> usize {
        let number = self.leaf_of(hash);
        if self.leaves[number].depth == self.root_bits {
            self.roots = self.roots.iter().flat_map(|&leaf| [leaf, leaf]).collect();
            self.root_bits += 1;
        }
        let left = &mut self.leaves[number];
        let cells = left.cells.split_off(left.cells.len() / 2);
        left.cells.shrink_to_fit();
        left.depth += 1;
        left.bits -= 1;
        left.count_deepest();
        let (depth, bits) = (left.depth, left.bits);
        let mut right = Leaf { cells, depth, bits, deepest: 0 };
        right.count_deepest();
        let right_number = self.add_leaf(right);
        let run = 1usize << (self.root_bits - depth);
        let start = leading_bits(hash.0, self.root_bits) & !(2 * run - 1);
        self.roots[start + run..start + 2 * run].fill(right_number);
        self.roots.len() + (1 << bits)
    }

    fn add_leaf(&mut self, leaf: Leaf) -> u32 {
        if let Some(number) = self.vacant.pop() {
            self.leaves[number as usize] = leaf;
            return number;
        }
        self.leaves.push(leaf);
        (self.leaves.len() - 1) as u32
    }

    /// Halves the leaf of `hash` and merges it with its neighbour as far as possible.
    fn flatten(&mut self, hash: Hash) {
        loop {
            let number = self.leaf_of(hash);
            self.leaves[number].flatten();
            if !self.merge_leaves(hash) {
                return;
            }
        }
    }

    /// Merges the leaf of `hash` with its buddy when both are small. Whether it did.
    fn merge_leaves(&mut self, hash: Hash) -> bool {
        let number = self.leaf_of(hash);
        let depth = self.leaves[number].depth;
        if depth == 0 {
            return false;
        }
        let bit = 1 << (64 - depth);
        let left = self.leaf_of(Hash(hash.0 & !bit));
        let right = self.leaf_of(Hash(hash.0 | bit));
        // A leaf that came from a split, and whose segments have not changed since, may be larger than it needs to be. It has
        // to show what it is now: two leaves with a segment each must not stay, as these could never merge.
        let mut is_mergeable = |number: usize| {
            let leaf = &mut self.leaves[number];
            if leaf.depth == depth {
                leaf.flatten();
            }
            leaf.depth == depth && leaf.bits + 2 <= LEAF_BITS_MAX
        };
        if !is_mergeable(left) || !is_mergeable(right) {
            return false;
        }
        let bits = self.leaves[left].bits.max(self.leaves[right].bits);
        let mut cells = Vec::with_capacity(2 << bits);
        for number in [left, right] {
            let leaf = &mut self.leaves[number];
            let run = 1usize << (bits - leaf.bits);
            let old = std::mem::take(&mut leaf.cells);
            cells.extend(old.iter().flat_map(|&cell| std::iter::repeat_n(cell, run)));
        }
        let mut merged = Leaf { cells, depth: depth - 1, bits: bits + 1, deepest: 0 };
        merged.count_deepest();
        self.leaves[left] = merged;
        // Not in use, and never looked at: a depth no leaf has keeps it from counting.
        self.leaves[right].depth = u32::MAX;
        self.vacant.push(right as u32);
        self.roots.iter_mut().filter(|root| **root == right as u32).for_each(|root| {
            *root = left as u32;
        });
        self.halve_roots();
        true
    }

    fn halve_roots(&mut self) {
        let used = |leaf: &Leaf| leaf.depth != u32::MAX;
        let deepest = self.leaves.iter().filter(|leaf| used(leaf)).map(|leaf| leaf.depth).max();
        let bits = deepest.unwrap_or(0);
        if bits < self.root_bits {
            let step = 1 << (self.root_bits - bits);
            self.roots = self.roots.iter().copied().step_by(step).collect();
            self.root_bits = bits;
        }
    }
}

/// The first `count` bits of `word`, as a number.
#[inline]
fn leading_bits(word: u64, count: u32) -> usize {
    // In two steps, as shifting by 64 isn't possible.
    (word >> 1 >> (63 - count)) as usize
}

/// The lowest hash at a position.
pub(crate) fn hash_at(position: u64) -> Hash {
    Hash(position << (64 - POSITION_BITS))
}

/// The first position behind the segment of the given depth around `position`; `None` at
/// the end.
pub(crate) fn position_after(position: u64, depth: u32) -> Option<u64> {
    let span = 1u64 << (POSITION_BITS - depth);
    let next = (position & !(span - 1)) + span;
    (next < 1 << POSITION_BITS).then_some(next)
}
