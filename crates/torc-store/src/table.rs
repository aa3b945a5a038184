//! A table of entries by name: the keys of a database, or the elements of a big collection.
//!
//! ```text
//! Table -> Directory -> Segment -> Group -> Slot -> entry          Dismantled   a table that is freed piece by piece
//! ```
//! The table changes its shape here: a full segment grows by a block or, at its largest,
//! splits in two; a sparse one gives blocks back and merges with its buddy. Each step touches
//! one or two segments, some 1,300 entries at most, whatever the size of the table.
//!
//! A table that is filled with a number of keys that is known grows by a [`Plan`] instead: segments split while they have
//! one block, until there are as many as those keys need, and then get all their blocks at once. So a key is moved about
//! once, and not ten times. It takes memory only for keys that have come, however many were announced.
//!
//! It keeps expired entries until they are taken out; an owner of entries that expire keeps [`crate::database::Expiries`] beside it.

use std::hash::{BuildHasher, Hasher};
use std::ops::Range;
use std::ptr::NonNull;

use ahash::RandomState;

use crate::Heap;
use crate::directory::{Directory, POSITION_BITS, hash_at, position_after};
use crate::entry::EntryPointer;
use crate::group::{Slot, prefetch};
use crate::keyspace::KeyspaceStats;
use crate::segment::{Hash, Home, Position, Precision, QUARTERS, SEGMENT_KEYS_MAX, Segment, Spill, quarter_of};
use crate::storage::Storage;
use crate::workshop::Lens;

/// Buddies with at most this many keys together merge: two fifths of what makes one split.
const MERGE_KEYS_MAX: usize = SEGMENT_KEYS_MAX * 2 / 5;
/// How many keys ahead of the one being rehashed are fetched.
const PREFETCH_AHEAD: usize = 12;

/// What a table becomes that is being filled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Plan {
    /// Of its segments.
    depth: u32,
    /// That a segment has room for: more than the mean, since hashes are uneven.
    segment_keys: usize,
}

impl Plan {
    /// Beyond this many segments keys come so slowly that moving them is no matter.
    const DEPTH_MAX: u32 = 24;

    fn for_keys(keys: u64) -> Plan {
        let mean_at = |depth: u32| (keys >> depth).min(SEGMENT_KEYS_MAX as u64) as usize;
        // Twice the deviation to be expected.
        let with_margin = |mean: usize| mean + 2 * mean.isqrt();
        let fits =
            |&depth: &u32| keys >> depth <= SEGMENT_KEYS_MAX as u64 && with_margin(mean_at(depth)) <= SEGMENT_KEYS_MAX;
        let depth = (0..Plan::DEPTH_MAX).find(fits).unwrap_or(Plan::DEPTH_MAX);
        Plan { depth, segment_keys: with_margin(mean_at(depth)) }
    }
}

/// What the operations of a table need of its keyspace.
pub(crate) struct Tools<'k> {
    pub(crate) heap: &'k mut Heap,
    pub(crate) lens: &'k Lens,
    pub(crate) stats: &'k mut KeyspaceStats,
}

/// Hashes a key.
#[inline]
pub(crate) fn hash_of(hasher: &RandomState, key: &[u8]) -> Hash {
    let mut state = hasher.build_hasher();
    state.write(key);
    Hash(state.finish())
}

/// Entries by name; a name is there once. There is at least one segment from the first insert on.
#[derive(Debug, Default)]
pub(crate) struct Table {
    pub(crate) directory: Directory,
    len: usize,
    /// While it is being filled.
    plan: Option<Plan>,
}

impl Table {
    /// Number of keys.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// It is being filled, and will have about so many keys; `None`: no longer, or nobody knows.
    pub(crate) fn expect(&mut self, keys: Option<u64>) {
        self.plan = keys.map(Plan::for_keys);
    }

    /// Finds a key, expired or not.
    #[inline]
    pub(crate) fn find(&self, hash: Hash, key: &[u8]) -> Option<(Position, Slot)> {
        if self.len == 0 {
            return None;
        }
        self.directory.segment(hash).find(hash, |slot| slot.entry().has_key(key))
    }

    /// Finds the key with this hash for which `is_match` holds, expired or not.
    pub(crate) fn find_where(&self, hash: Hash, is_match: impl FnMut(Slot) -> bool) -> Option<(Position, Slot)> {
        if self.len == 0 {
            return None;
        }
        self.directory.segment(hash).find(hash, is_match)
    }

    /// Asks the CPU to fetch the header of the segment a key belongs to, which says where its group is.
    #[inline]
    pub(crate) fn prefetch_header(&self, hash: Hash) {
        if self.len > 0 {
            let header = self.directory.cell(hash).as_ptr().cast::<u8>();
            prefetch(header);
            prefetch(header.wrapping_add(64));
        }
    }

    /// Asks the CPU to fetch the group a key belongs to.
    #[inline]
    pub(crate) fn prefetch(&self, hash: Hash) -> Option<Home<'_>> {
        (self.len > 0).then(|| self.directory.segment(hash).prefetch(hash))
    }

    /// Adds a key that isn't there; gives its place.
    pub(crate) fn insert(&mut self, tools: &mut Tools<'_>, hash: Hash, entry: EntryPointer) -> Position {
        if self.directory.is_empty() {
            self.directory.start(Segment::allocate(tools.heap, 0, 0));
        }
        while !self.directory.segment(hash).has_room() {
            self.make_room(tools, hash);
        }
        let segment = self.directory.segment_mut(hash);
        let slot = Slot::new(segment.location(hash), entry, entry.expire_at().is_some());
        let position = segment.insert(hash.tag(), slot);
        self.len += 1;
        position
    }

    /// Takes a key out of the table; its entry is the caller's from now on.
    pub(crate) fn remove(&mut self, tools: &mut Tools<'_>, hash: Hash, position: Position) -> EntryPointer {
        assert!(self.len > 0, "the key is there");
        let entry = self.directory.segment_mut(hash).remove(position).entry();
        self.len -= 1;
        // Looking at the buddy costs a cache miss: not every time.
        if self.directory.segment(hash).len().is_multiple_of(16) {
            self.tidy(tools, hash);
        }
        entry
    }

    /// Stores the entry that replaces the one at a place, which may be the same with another expiry.
    #[inline]
    pub(crate) fn replace(&mut self, hash: Hash, position: Position, entry: EntryPointer) {
        let segment = self.directory.segment_mut(hash);
        let slot = Slot::new(segment.location(hash), entry, entry.expire_at().is_some());
        if slot != segment.slot(position) {
            segment.set_slot(position, slot);
        }
    }

    /// Visits about `count` keys from `position` on; `visit` returns `true` for a key to take
    /// out of the table (its entry is then the caller's). Returns where to go on, 0 at the end.
    ///
    /// A position that lies inside a location (it was made when segments were deeper) begins
    /// with that location, so that keys may come twice but none is left out.
    pub(crate) fn scan(
        &mut self,
        tools: &mut Tools<'_>,
        mut position: u64,
        count: usize,
        mut visit: impl FnMut(Slot) -> bool,
    ) -> u64 {
        if self.directory.is_empty() || position >> POSITION_BITS != 0 {
            return 0;
        }
        let (mut visited, mut segments) = (0, 0);
        loop {
            let hash = hash_at(position);
            let segment = self.directory.segment(hash);
            let depth = segment.depth();
            let from = u32::from(segment.location(hash));
            let share = (count - visited.min(count)).max(1) * (1 << 16) / segment.len().max(1);
            let step = segment.precision().step();
            let to = (from as usize + share).next_multiple_of(step).min(1 << 16) as u32;
            let removed = self.visit_range(hash, from..to, |slot| {
                visited += 1;
                visit(slot)
            });
            segments += 1;
            let next = if to == 1 << 16 {
                position_after(position, depth).unwrap_or(0)
            } else {
                let span = 1u64 << (POSITION_BITS - depth);
                (position & !(span - 1)) + (u64::from(to) << (POSITION_BITS - depth - 16))
            };
            if removed > 0 {
                self.tidy(tools, hash);
            }
            if next == 0 || visited >= count || segments > count || self.directory.is_empty() {
                return next;
            }
            position = next;
        }
    }

    /// Visits about `count` slots from `position` on, of those that expire or of all; reads no entry. Returns where to go on, 0 at the end,
    /// and adds what it has passed, in segments, to `passed`; gives up behind `passed_max` of them.
    pub(crate) fn pass(
        &self,
        mut position: u64,
        count: usize,
        expiring_only: bool,
        (passed, passed_max): (&mut usize, usize),
        mut visit: impl FnMut(Slot),
    ) -> u64 {
        if self.directory.is_empty() {
            return 0;
        }
        let mut visited = 0;
        loop {
            let hash = hash_at(position);
            let segment = self.directory.segment(hash);
            *passed += 1;
            let (depth, wanted) = (segment.depth(), if expiring_only { segment.expires_len() } else { segment.len() });
            let mut to = 1 << 16;
            if let Some(share) = ((count - visited).max(1) * (1 << 16)).checked_div(wanted) {
                let from = u32::from(segment.location(hash));
                to = (from as usize + share).next_multiple_of(segment.precision().step()).min(1 << 16) as u32;
                segment.for_each_in(from, to, |slot| {
                    if slot.expires() || !expiring_only {
                        visited += 1;
                        visit(slot);
                    }
                });
            }
            position = if to == 1 << 16 {
                position_after(position, depth).unwrap_or(0)
            } else {
                let span = 1u64 << (POSITION_BITS - depth);
                (position & !(span - 1)) + (u64::from(to) << (POSITION_BITS - depth - 16))
            };
            if position == 0 || visited >= count || *passed >= passed_max {
                return position;
            }
        }
    }

    /// Makes all segments and entries anew in the storage's heap of now; `renewed` gets each old entry with the new one. The old ones are to be
    /// freed when the heap in which they are is back. Entries that lie in no heap stay as they are.
    pub(crate) fn renew(
        &mut self,
        storage: &mut Storage,
        mut renewed: impl FnMut(EntryPointer, EntryPointer),
    ) -> Vacated {
        let mut vacated = Vacated { entries: Vec::with_capacity(self.len), segments: Vec::new() };
        let mut position = (!self.directory.is_empty()).then_some(0);
        while let Some(at) = position {
            let segment = self.directory.segment(hash_at(at));
            position = position_after(at, segment.depth());
            let segment = segment.renewed(storage, |storage, entry| match storage.renew(entry) {
                Some(new) => {
                    renewed(entry, new);
                    vacated.entries.push(entry);
                    new
                }
                None => entry,
            });
            vacated.segments.push(self.directory.exchange(hash_at(at), segment));
        }
        vacated
    }

    /// Visits all keys.
    pub(crate) fn for_each(&self, mut visit: impl FnMut(Slot)) {
        self.directory.iter().for_each(|segment| segment.for_each(&mut visit));
    }

    /// All keys, in no particular order.
    pub(crate) fn slots(&self) -> impl Iterator<Item = Slot> + '_ {
        self.directory.iter().flat_map(Segment::slots)
    }

    /// A key chosen by `random`, near enough uniformly.
    pub(crate) fn random(&self, random: u64) -> Option<(Position, Slot)> {
        if self.len == 0 {
            return None;
        }
        // Segments cover as much of the hashes as they have keys, more or less. After many
        // deletions some may be empty: the next one that isn't, then.
        let mut position = random >> (64 - POSITION_BITS);
        loop {
            let hash = hash_at(position);
            let segment = self.directory.segment(hash);
            if let Some((at, slot)) = segment.random(random) {
                return Some((at, slot));
            }
            position = position_after(position, segment.depth()).unwrap_or(0);
        }
    }

    /// Bytes of the directory.
    pub(crate) fn directory_bytes(&self) -> usize {
        self.directory.bytes()
    }

    /// Visits the keys of a segment whose locations are in this range; `visit` returns `true` for a key to take out. Gives their number.
    pub(crate) fn visit_range(
        &mut self,
        hash: Hash,
        range: std::ops::Range<u32>,
        visit: impl FnMut(Slot) -> bool,
    ) -> usize {
        let segment = self.directory.segment_mut(hash);
        let before = segment.len();
        segment.visit_range(range.start, range.end, visit);
        let removed = before - segment.len();
        self.len -= removed;
        removed
    }

    /// Gives memory back after keys were removed from the segment of `hash`.
    pub(crate) fn tidy(&mut self, tools: &mut Tools<'_>, hash: Hash) {
        while self.merge(tools, hash) {}
        if self.len == 0 && self.directory.segments_len() == 1 {
            let segment = self.directory.finish();
            // SAFETY: the directory has forgotten it, and no key is left in it.
            unsafe { Segment::free(segment, tools.heap) };
            return;
        }
        let segment = self.directory.segment_mut(hash);
        if segment.is_sparse() {
            segment.shrink(tools.heap);
        }
    }

    fn make_room(&mut self, tools: &mut Tools<'_>, hash: Hash) {
        let segment = self.directory.segment_mut(hash);
        let precision = segment.precision();
        let grows = segment.can_grow() && self.plan.is_none_or(|plan| segment.depth() >= plan.depth);
        let planned = self.plan.map(|plan| plan.segment_keys).filter(|&keys| grows && segment.would_grow(keys));
        let quarter = if grows { precision.low_quarter() } else { precision.exhausted_quarter() };
        let moved = match (planned, quarter) {
            (None, Some(quarter)) if self.plan.is_none() => {
                tools.stats.rehashes += 1;
                rehash(segment, quarter..quarter + 1, segment.len(), tools)
            }
            // There are few keys yet.
            (room @ Some(_), _) | (room, Some(_)) => {
                tools.stats.rehashes += 1;
                rehash(segment, 0..QUARTERS, room.unwrap_or(segment.len()), tools)
            }
            (None, None) if grows => segment.grow(tools.heap),
            (None, None) => self.split(tools, hash),
        };
        tools.stats.keys_moved_max = tools.stats.keys_moved_max.max(moved);
    }

    /// Splits the full segment of `hash` by what its slots hold; the entries aren't touched.
    fn split(&mut self, tools: &mut Tools<'_>, hash: Hash) -> usize {
        let left = self.directory.segment_mut(hash);
        let (depth, precision) = (left.depth() + 1, left.precision());
        let next_due = left.next_due();
        let spill = left.take_all();
        let (mut to_left, mut to_right) = (Spill::new(), Spill::new());
        for (tag, slot) in spill.iter() {
            let location = slot.location();
            let side = if location >> 15 == 0 { &mut to_left } else { &mut to_right };
            side.push(tag, slot.with_location(location << 1));
        }
        // Nothing is unknown of no keys.
        let precision_of = |half, keys: &Spill| {
            if keys.len() == 0 { Precision::FULL } else { precision.after_split(half) }
        };
        left.set_depth(depth, precision_of(0, &to_left));
        left.refill(tools.heap, to_left.len(), to_left.iter());
        let mut right_pointer = Segment::allocate(tools.heap, depth, to_right.len());
        // SAFETY: just allocated; the directory doesn't know it yet.
        let right = unsafe { right_pointer.as_mut() };
        right.set_depth(depth, precision_of(1, &to_right));
        right.refill(tools.heap, to_right.len(), to_right.iter());
        right.set_next_due(next_due);
        let copied = self.directory.split(hash, right_pointer);
        tools.stats.splits += 1;
        tools.stats.cells_moved_max = tools.stats.cells_moved_max.max(copied);
        spill.len()
    }

    /// Merges the segment of `hash` with its buddy when both are sparse. Whether it did.
    fn merge(&mut self, tools: &mut Tools<'_>, hash: Hash) -> bool {
        let own = self.directory.segment(hash);
        let depth = own.depth();
        if own.len() > MERGE_KEYS_MAX / 2 {
            return false;
        }
        let Some(buddy) = self.directory.buddy(hash) else { return false };
        // SAFETY: live, as the directory points to it.
        if own.len() + unsafe { buddy.as_ref() }.len() > MERGE_KEYS_MAX {
            return false;
        }
        let is_right = hash.0 >> (64 - depth) & 1 != 0;
        let cell = self.directory.cell(hash);
        let (mut left, mut right) = if is_right { (buddy, cell) } else { (cell, buddy) };
        // SAFETY: both are live and distinct; the directory isn't used while they're borrowed.
        unsafe { absorb(left.as_mut(), right.as_mut(), tools.heap) };
        self.directory.merge(hash, left, depth - 1);
        // SAFETY: the directory has just forgotten it, and its keys have moved.
        unsafe { Segment::free(right, tools.heap) };
        tools.stats.merges += 1;
        true
    }
}

/// Makes a segment fit for so many keys, if it can, while hashing the keys in some quarters of its locations again, so that
/// all bits of those are known. Returns how many keys it has.
fn rehash(segment: &mut Segment, quarters: Range<u16>, room: usize, tools: &mut Tools<'_>) -> usize {
    let (depth, precision) = (segment.depth(), segment.precision());
    let spill = segment.take_all();
    segment.set_depth(depth, quarters.clone().fold(precision, Precision::with_full));
    let exact = spill.iter().enumerate().map(|(index, (tag, slot))| {
        if !quarters.contains(&quarter_of(slot.location())) {
            return (tag, slot);
        }
        spill.prefetch(index + PREFETCH_AHEAD);
        let hash = hash_of(&tools.lens.hasher, slot.entry().key());
        (tag, slot.with_location(hash.location(depth)))
    });
    segment.refill(tools.heap, room, exact);
    spill.len()
}

/// Moves the keys of `right` to `left`, its buddy, which then covers the hashes of both.
fn absorb(left: &mut Segment, right: &mut Segment, heap: &mut Heap) {
    let (from_left, from_right) = (left.take_all(), right.take_all());
    let precision = Precision::after_merge(left.precision(), right.precision());
    left.set_depth(left.depth() - 1, precision);
    let halve = |half: u16| {
        move |(tag, slot): (u8, Slot)| {
            let location = slot.location() >> 1 | half << 15;
            (tag, slot.with_location(precision.known_bits(location)))
        }
    };
    let keys = from_left.iter().map(halve(0)).chain(from_right.iter().map(halve(1)));
    left.refill(heap, from_left.len() + from_right.len(), keys);
    left.set_next_due(left.next_due().min(right.next_due()));
}

/// Segments and entries that others have replaced; values and objects belong to these.
#[must_use = "their memory is not freed yet"]
pub(crate) struct Vacated {
    entries: Vec<EntryPointer>,
    segments: Vec<NonNull<Segment>>,
}

impl Vacated {
    /// Frees them all.
    pub(crate) fn free(self, storage: &mut Storage) {
        self.entries.into_iter().for_each(|entry| storage.free_shell(entry));
        for segment in self.segments {
            // SAFETY: the storage's heap is again the one they came from, and their table has others now.
            unsafe { Segment::free(segment, &mut storage.heap) };
        }
    }
}

/// A table that is freed piece by piece.
#[derive(Debug)]
pub(crate) struct Dismantled {
    directory: Directory,
    /// Segments before this position are gone; `None` when all are.
    position: Option<u64>,
    /// Groups before this one of the segment at the position are empty.
    group: usize,
    len: usize,
}

/// Groups of a segment whose entries one step frees: up to 224 entries, some tens of microseconds' work if none of them is in a cache.
const GROUPS_FREED_AT_ONCE: usize = 16;

impl Dismantled {
    /// Takes over the segments of a directory, which hold `len` keys.
    pub(crate) fn new(directory: Directory, len: usize) -> Dismantled {
        let position = (!directory.is_empty()).then_some(0);
        Dismantled { directory, position, group: 0, len }
    }

    /// Takes over a table.
    pub(crate) fn of(table: Table) -> Dismantled {
        Dismantled::new(table.directory, table.len)
    }

    /// Keys not yet freed.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Bytes of the directory.
    pub(crate) fn directory_bytes(&self) -> usize {
        self.directory.bytes()
    }

    /// Whether nothing is left.
    pub(crate) fn is_done(&self) -> bool {
        self.position.is_none()
    }

    /// Frees the entries of a few groups, and the segment with the last of them. Returns how many entries those were.
    pub(crate) fn step(&mut self, storage: &mut Storage) -> usize {
        let Some(position) = self.position else { return 0 };
        let mut pointer: NonNull<Segment> = self.directory.cell(hash_at(position));
        // SAFETY: live, as no segment from `position` on was freed, and reached from here only.
        let segment = unsafe { pointer.as_mut() };
        let before = segment.len();
        segment.prefetch_entries(self.group);
        for _ in 0..GROUPS_FREED_AT_ONCE {
            segment.prefetch_entries(self.group + 1);
            segment.take_group(self.group, |entry| storage.free(entry));
            self.group += 1;
        }
        let (freed, depth) = (before - segment.len(), segment.depth());
        self.len -= freed;
        if segment.len() == 0 {
            self.position = position_after(position, depth);
            self.group = 0;
            // SAFETY: its cells are never looked at again, `position` being behind them, and it has no entry left.
            unsafe { Segment::free(pointer, &mut storage.heap) };
        }
        freed
    }
}
