//! A part of the table: the keys whose hashes share a prefix, in up to 98 groups.
//!
//! ```text
//! header, 128 bytes                                       block, 7 groups
//! +----------+-----+---------+--------+-------+---------+     +-------+-- .. --+-------+
//! | next_due | len | expires | blocks | depth | block * | --> | group |        | group |
//! +----------+-----+---------+--------+-------+---- x14 +     +-------+-- .. --+-------+
//!
//! hash      | depth bits: which segment | 16 bits: location |  ...  | 7 bits: tag |
//! home      location * groups / 65536: groups hold keys in (nearly) ascending order of hash
//! ```
//!
//! A key goes to its home group or, when that is full, to the next with room, around the
//! end. The segment grows and shrinks by whole blocks, all of one size, so that nothing
//! fragments; laying it out anew needs only what the slots hold, never the entries.
//!
//! Splitting doesn't need the entries either, most of the time: the location's first bit says
//! which half a key belongs to, and the other bits are its location there. Each split so
//! leaves one bit less that is known of the locations, the *precision*; the unknown ones are
//! kept zero. When it gets low, the keys are hashed again, which costs a cache miss and a walk
//! through the page table each: not when the segment splits, but the next four times it grows,
//! a quarter of the locations each time, some 200 keys. Merging wins bits back. A segment that has
//! split too often without growing (its keys came in the order of their hashes, as those of another
//! table do) is hashed again before it splits once more.

use std::ptr::{self, NonNull};

use crate::entry::EntryPointer;
use crate::group::{GROUP_SLOTS, Group, Slot, prefetch};
use crate::heap::{BLOCK_BYTES, HEADER_BYTES, TABLE_ALIGN, TablePart};
use crate::storage::Storage;
use crate::{Heap, UnixMillis};

/// Groups of a block.
const BLOCK_GROUPS: usize = BLOCK_BYTES / size_of::<Group>();
/// Most blocks a header has room for.
const BLOCK_POINTERS: usize = 14;
/// Most blocks of a segment. (Few under Miri, so that few keys exercise everything.)
pub(crate) const BLOCKS_MAX: usize = if cfg!(miri) { 2 } else { BLOCK_POINTERS };
/// Most keys per block before the segment grows: 92 % of the slots.
const BLOCK_KEYS_MAX: usize = BLOCK_GROUPS * GROUP_SLOTS * 92 / 100;
/// Keys per block that a segment laid out anew has, at most: 86 % of the slots.
const BLOCK_KEYS_FRESH: usize = BLOCK_GROUPS * GROUP_SLOTS * 86 / 100;
/// Most keys of a segment: one more makes it split.
pub(crate) const SEGMENT_KEYS_MAX: usize = BLOCKS_MAX * BLOCK_KEYS_MAX;

/// How many bits of the locations in a segment are known, from the highest on, the others
/// being 0; per quarter of the locations. Four bits for each: the number of bits not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Precision(u16);

/// With more unknown bits, keys are hashed again when their segment grows.
const UNKNOWN_MANY: u16 = if cfg!(miri) { 1 } else { 4 };
/// More would leave the groups filled unevenly.
const UNKNOWN_MAX: u16 = 7;

impl Precision {
    /// All bits known everywhere.
    pub(crate) const FULL: Precision = Precision(0);

    /// A quarter in which keys should be hashed again.
    pub(crate) fn low_quarter(self) -> Option<u16> {
        (0..QUARTERS).find(|&quarter| self.unknown(quarter) > UNKNOWN_MANY)
    }

    /// A quarter of which too little is known for another split.
    pub(crate) fn exhausted_quarter(self) -> Option<u16> {
        (0..QUARTERS).find(|&quarter| self.unknown(quarter) >= UNKNOWN_MAX)
    }

    /// With all bits known in a quarter.
    pub(crate) fn with_full(self, quarter: u16) -> Precision {
        Precision(self.0 & !(15 << (4 * quarter)))
    }

    /// What a split leaves for its half 0 or 1: the first bit is implied there, and no bit
    /// follows the last.
    pub(crate) fn after_split(self, half: u16) -> Precision {
        Precision::of([0, 0, 1, 1].map(|offset| self.unknown(2 * half + offset) + 1))
    }

    /// What merging leaves: a first bit is added.
    pub(crate) fn after_merge(left: Precision, right: Precision) -> Precision {
        Precision::of([(left, 0), (left, 2), (right, 0), (right, 2)].map(|(side, quarter)| {
            let unknown = side.unknown(quarter).max(side.unknown(quarter + 1));
            unknown.saturating_sub(1)
        }))
    }

    /// The known part of a location.
    #[inline]
    pub(crate) fn known_bits(self, location: u16) -> u16 {
        location & (u16::MAX << self.unknown(quarter_of(location)))
    }

    /// How far apart known locations are, at most.
    pub(crate) fn step(self) -> usize {
        (0..QUARTERS).map(|quarter| 1 << self.unknown(quarter)).max().unwrap_or(1)
    }

    fn of(unknown: [u16; 4]) -> Precision {
        assert!(
            unknown.iter().all(|&bits| bits <= UNKNOWN_MAX),
            "keys are hashed again before too little is known of them"
        );
        let [a, b, c, d] = unknown;
        Precision(a | b << 4 | c << 8 | d << 12)
    }

    #[inline]
    fn unknown(self, quarter: u16) -> u16 {
        self.0 >> (4 * quarter) & 15
    }
}

/// Parts of the locations of which different numbers of bits may be known.
pub(crate) const QUARTERS: u16 = 4;

/// Which quarter of the locations this one is in.
#[inline]
pub(crate) fn quarter_of(location: u16) -> u16 {
    location >> 14
}

/// When nothing in a segment expires.
pub(crate) const NEVER: UnixMillis = UnixMillis::MAX;

/// The parts of a hash the table uses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Hash(pub(crate) u64);

impl Hash {
    /// Tag of the key's slot.
    pub(crate) fn tag(self) -> u8 {
        self.0 as u8 | 0x80
    }

    /// Location in a segment of the given depth, when all its bits are known.
    pub(crate) fn location(self, depth: u32) -> u16 {
        (self.0 << depth >> 48) as u16
    }
}

/// A group of a segment. Block and group apart, so that no lookup divides by seven.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    block: u8,
    /// Within the block.
    group: u8,
}

impl Place {
    /// The group with this number, counted over all blocks.
    fn numbered(number: usize) -> Place {
        Place { block: (number / BLOCK_GROUPS) as u8, group: (number % BLOCK_GROUPS) as u8 }
    }
}

/// A slot of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Position {
    place: Place,
    index: u8,
}

/// Where the search for a key starts: its home group, on its way into the cache.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Home<'t> {
    segment: &'t Segment,
    place: Place,
    location: u16,
    tag: u8,
}

impl Home<'_> {
    /// The slot that looks like the key's.
    #[inline]
    pub(crate) fn likely_slot(self) -> Option<Slot> {
        let found = self.segment.find_from(self.place, self.location, self.tag, |_| true);
        found.map(|(_, slot)| slot)
    }
}

/// Slots taken out of a segment to be laid out anew, in ascending order of home group.
pub(crate) struct Spill {
    len: usize,
    tags: [u8; BLOCKS_MAX * BLOCK_GROUPS * GROUP_SLOTS],
    slots: [Slot; BLOCKS_MAX * BLOCK_GROUPS * GROUP_SLOTS],
}

impl Spill {
    /// An empty one.
    pub(crate) fn new() -> Spill {
        const SLOTS: usize = BLOCKS_MAX * BLOCK_GROUPS * GROUP_SLOTS;
        Spill { len: 0, tags: [0; SLOTS], slots: [Slot::VACANT; SLOTS] }
    }

    /// Number of slots held.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Adds a slot.
    pub(crate) fn push(&mut self, tag: u8, slot: Slot) {
        self.tags[self.len] = tag;
        self.slots[self.len] = slot;
        self.len += 1;
    }

    /// Asks the CPU to fetch the entry of slot number `index`, if there is one.
    pub(crate) fn prefetch(&self, index: usize) {
        if index < self.len {
            self.slots[index].entry().prefetch();
        }
    }

    /// All tags and slots.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u8, Slot)> + '_ {
        self.tags.iter().copied().zip(self.slots[..self.len].iter().copied())
    }
}

/// The header of a segment; its block of groups follows it. Lives in a slot of the heap; made and freed by `allocate`/`free`.
#[derive(Debug)]
#[repr(C, align(128))]
pub(crate) struct Segment {
    /// When it is worth looking for expired keys; never later than it should.
    next_due: UnixMillis,
    len: u16,
    expires: u16,
    blocks_len: u8,
    depth: u8,
    precision: Precision,
    /// The first `blocks_len` point to blocks of initialised groups that only this segment uses.
    blocks: [*mut Group; BLOCK_POINTERS],
}

const _: () = assert!(size_of::<Segment>() == HEADER_BYTES);
const _: () = assert!(align_of::<Segment>() == TABLE_ALIGN && align_of::<Group>() == TABLE_ALIGN);
const _: () = assert!(BLOCKS_MAX * BLOCK_GROUPS <= u8::MAX as usize);

/// Blocks for `len` keys in a segment laid out anew.
fn blocks_for(len: usize) -> usize {
    len.div_ceil(BLOCK_KEYS_FRESH).clamp(1, BLOCKS_MAX)
}

impl Segment {
    /// A new segment with room for `len` keys.
    pub(crate) fn allocate(heap: &mut Heap, depth: u32, len: usize) -> NonNull<Segment> {
        let mut segment = Segment {
            next_due: NEVER,
            len: 0,
            expires: 0,
            blocks_len: 0,
            depth: depth as u8,
            precision: Precision::FULL,
            blocks: [ptr::null_mut(); BLOCK_POINTERS],
        };
        segment.resize(heap, blocks_for(len));
        let place = heap.allocate_part(TablePart::Header).cast::<Segment>();
        // SAFETY: a fresh slot of the header's size and alignment.
        unsafe { place.write(segment) };
        place
    }

    /// Frees a segment's memory, but not the entries it may still hold.
    ///
    /// # Safety
    /// `segment` came from [`Segment::allocate`] with this heap, and nothing refers to it.
    pub(crate) unsafe fn free(mut segment: NonNull<Segment>, heap: &mut Heap) {
        // SAFETY: live and unshared, as the caller promises.
        unsafe {
            segment.as_mut().resize(heap, 0);
            heap.free(segment.cast());
        }
    }

    /// A segment in another heap with the same keys, whose entries `renew` replaces.
    pub(crate) fn renewed(
        &self,
        storage: &mut Storage,
        mut renew: impl FnMut(&mut Storage, EntryPointer) -> EntryPointer,
    ) -> NonNull<Segment> {
        let mut segment = Segment { blocks_len: 0, blocks: [ptr::null_mut(); BLOCK_POINTERS], ..*self };
        segment.resize(&mut storage.heap, self.blocks_len as usize);
        for place in self.places() {
            let mut group = self.group(place).clone();
            for index in group.occupied() {
                let slot = group.slot(index);
                let entry = renew(storage, slot.entry());
                group.put(index, group.tag(index), Slot::new(slot.location(), entry, slot.expires()));
            }
            *segment.group_mut(place) = group;
        }
        let place = storage.heap.allocate_part(TablePart::Header).cast::<Segment>();
        // SAFETY: a fresh slot of the header's size and alignment.
        unsafe { place.write(segment) };
        place
    }

    /// Number of keys.
    pub(crate) fn len(&self) -> usize {
        self.len as usize
    }

    /// Number of keys with an expiry.
    pub(crate) fn expires_len(&self) -> usize {
        self.expires as usize
    }

    /// Number of hash bits all keys of the segment share.
    pub(crate) fn depth(&self) -> u32 {
        u32::from(self.depth)
    }

    /// How many bits of the locations are known.
    pub(crate) fn precision(&self) -> Precision {
        self.precision
    }

    /// Changes depth and precision of an empty segment.
    pub(crate) fn set_depth(&mut self, depth: u32, precision: Precision) {
        assert!(self.len == 0, "locations would change their meaning");
        (self.depth, self.precision) = (depth as u8, precision);
    }

    /// A key's location in this segment.
    #[inline]
    pub(crate) fn location(&self, hash: Hash) -> u16 {
        self.precision.known_bits(hash.location(self.depth()))
    }

    /// When to look for expired keys next.
    pub(crate) fn next_due(&self) -> UnixMillis {
        self.next_due
    }

    /// Sets when to look next.
    pub(crate) fn set_next_due(&mut self, next_due: UnixMillis) {
        self.next_due = next_due;
    }

    /// Whether another key fits before the segment has to grow or split.
    pub(crate) fn has_room(&self) -> bool {
        self.len() < self.blocks_len as usize * BLOCK_KEYS_MAX
    }

    /// Whether room for so many keys would be more blocks.
    pub(crate) fn would_grow(&self, keys: usize) -> bool {
        blocks_for(keys) > self.blocks_len as usize
    }

    /// Whether fewer blocks would do by a comfortable margin.
    pub(crate) fn is_sparse(&self) -> bool {
        let blocks = self.blocks_len as usize;
        blocks > 1 && self.len() < (blocks - 1) * BLOCK_KEYS_MAX * 3 / 4
    }

    /// Finds the key with this hash for which `is_match` holds.
    #[inline]
    pub(crate) fn find(&self, hash: Hash, is_match: impl FnMut(Slot) -> bool) -> Option<(Position, Slot)> {
        let location = self.location(hash);
        self.find_from(self.home(location), location, hash.tag(), is_match)
    }

    #[inline]
    fn find_from(
        &self,
        mut place: Place,
        location: u16,
        tag: u8,
        mut is_match: impl FnMut(Slot) -> bool,
    ) -> Option<(Position, Slot)> {
        for _ in 0..self.groups_len() {
            let group = self.group(place);
            for index in group.matching(tag) {
                let slot = group.slot(index);
                if slot.location() == location && is_match(slot) {
                    return Some((Position { place, index: index as u8 }, slot));
                }
            }
            if !group.has_overflow() {
                return None;
            }
            place = self.after(place);
        }
        None
    }

    /// Asks the CPU to fetch the home group of a key.
    #[inline]
    pub(crate) fn prefetch(&self, hash: Hash) -> Home<'_> {
        let location = self.location(hash);
        let place = self.home(location);
        let address = ptr::from_ref(self.group(place)).cast::<u8>();
        prefetch(address);
        prefetch(address.wrapping_add(64));
        Home { segment: self, place, location, tag: hash.tag() }
    }

    /// Adds a key that isn't there; the segment has room.
    pub(crate) fn insert(&mut self, tag: u8, slot: Slot) -> Position {
        self.len += 1;
        self.expires += u16::from(slot.expires());
        self.place(tag, slot)
    }

    /// Takes a key out.
    pub(crate) fn remove(&mut self, position: Position) -> Slot {
        let slot = self.slot(position);
        self.len -= 1;
        self.expires -= u16::from(slot.expires());
        let mut place = self.home(slot.location());
        while place != position.place {
            self.group_mut(place).unpass();
            place = self.after(place);
        }
        self.group_mut(place).clear(position.index as usize);
        slot
    }

    /// The slot at a position, which [`Segment::find`] or its like gave since the segment was last laid out anew.
    pub(crate) fn slot(&self, position: Position) -> Slot {
        let Place { block, group } = position.place;
        assert!(block < self.blocks_len && usize::from(group) < BLOCK_GROUPS, "positions end when blocks come or go");
        let group = self.group(position.place);
        assert!(group.tag(position.index as usize) != 0, "a position is that of a key");
        group.slot(position.index as usize)
    }

    /// Replaces the slot at a position by one of the same location.
    pub(crate) fn set_slot(&mut self, position: Position, slot: Slot) {
        let old = self.slot(position);
        assert!(old.location() == slot.location(), "a key's location doesn't change");
        self.expires = self.expires + u16::from(slot.expires()) - u16::from(old.expires());
        let group = self.group_mut(position.place);
        let index = position.index as usize;
        group.put(index, group.tag(index), slot);
    }

    /// Visits the keys with a location in `from..to` (at most 65536). `visit` may say that the
    /// key is to be removed, by returning `true`; that only empties its slot.
    pub(crate) fn visit_range(&mut self, from: u32, to: u32, mut visit: impl FnMut(Slot) -> bool) {
        assert!(from < to && to <= 1 << 16);
        let last = self.home((to - 1) as u16);
        let mut place = self.home(from as u16);
        let mut beyond = false;
        for _ in 0..self.groups_len() {
            for index in self.group(place).occupied() {
                let position = Position { place, index: index as u8 };
                let slot = self.slot(position);
                let inside = (from..to).contains(&u32::from(slot.location()));
                if inside && visit(slot) {
                    self.remove(position);
                }
            }
            beyond |= place == last;
            // Keys that belong to a group visited may sit behind the last: follow them. (Ones
            // just removed can only have lowered a count to what the keys left need.)
            if beyond && !self.group(place).has_overflow() {
                return;
            }
            place = self.after(place);
        }
    }

    /// Visits the keys with a location in `from..to`, and leaves them where they are.
    pub(crate) fn for_each_in(&self, from: u32, to: u32, mut visit: impl FnMut(Slot)) {
        assert!(from < to && to <= 1 << 16);
        let last = self.home((to - 1) as u16);
        let mut place = self.home(from as u16);
        let mut beyond = false;
        for _ in 0..self.groups_len() {
            let group = self.group(place);
            let slots = group.occupied().map(|index| group.slot(index));
            slots.filter(|slot| (from..to).contains(&u32::from(slot.location()))).for_each(&mut visit);
            beyond |= place == last;
            if beyond && !group.has_overflow() {
                return;
            }
            place = self.after(place);
        }
    }

    /// Visits all keys.
    pub(crate) fn for_each(&self, mut visit: impl FnMut(Slot)) {
        for place in self.places() {
            let group = self.group(place);
            group.occupied().for_each(|index| visit(group.slot(index)));
        }
    }

    /// The keys' slots, in no particular order.
    pub(crate) fn slots(&self) -> impl Iterator<Item = Slot> + '_ {
        self.places().flat_map(move |place| {
            let group = self.group(place);
            (0..GROUP_SLOTS).filter(move |&index| group.tag(index) != 0).map(move |index| group.slot(index))
        })
    }

    /// A key chosen by `random`, uniformly; `None` only when there is no key.
    pub(crate) fn random(&self, mut random: u64) -> Option<(Position, Slot)> {
        let groups = self.groups_len();
        if self.len == 0 {
            return None;
        }
        for _ in 0..64 {
            random = mix(random);
            let place = Place::numbered(scale(random >> 32, groups));
            let index = scale(random & 0xFFFF_FFFF, GROUP_SLOTS);
            if self.group(place).tag(index) != 0 {
                return Some(self.at(place, index));
            }
        }
        // Nearly empty: the first key from the last place on.
        let start = scale(random >> 32, groups);
        (start..start + groups).find_map(|number| {
            let place = Place::numbered(number % groups);
            self.group(place).occupied().first().map(|index| self.at(place, index))
        })
    }

    /// Adds a block, keeping all keys.
    pub(crate) fn grow(&mut self, heap: &mut Heap) -> usize {
        assert!(self.can_grow());
        let spill = self.take_all();
        self.resize(heap, self.blocks_len as usize + 1);
        self.fill(spill.iter());
        spill.len()
    }

    /// Whether there may be another block.
    pub(crate) fn can_grow(&self) -> bool {
        (self.blocks_len as usize) < BLOCKS_MAX
    }

    /// Gives up blocks that aren't needed, keeping all keys.
    pub(crate) fn shrink(&mut self, heap: &mut Heap) {
        let spill = self.take_all();
        self.resize(heap, blocks_for(spill.len()));
        self.fill(spill.iter());
    }

    /// Takes all keys out; the groups are empty afterwards.
    pub(crate) fn take_all(&mut self) -> Spill {
        let mut spill = Spill::new();
        for place in self.places() {
            let group = self.group_mut(place);
            for index in group.occupied() {
                spill.push(group.tag(index), group.slot(index));
            }
            *group = Group::EMPTY;
        }
        assert!(spill.len() == self.len(), "every key is counted");
        self.len = 0;
        self.expires = 0;
        spill
    }

    /// Takes out the entries of one group, in order to free all of them; of none if there are fewer groups. Expiries are no longer counted.
    pub(crate) fn take_group(&mut self, number: usize, mut take: impl FnMut(EntryPointer)) {
        if number < self.groups_len() {
            let group = self.group_mut(Place::numbered(number));
            let mut taken = 0;
            for index in group.occupied() {
                take(group.slot(index).entry());
                taken += 1;
            }
            *group = Group::EMPTY;
            self.len -= taken;
            self.expires = 0;
        }
    }

    /// Asks the CPU to fetch the entries of one group, if there is such a one.
    pub(crate) fn prefetch_entries(&self, number: usize) {
        if number < self.groups_len() {
            let group = self.group(Place::numbered(number));
            group.occupied().for_each(|index| group.slot(index).entry().prefetch());
        }
    }

    /// Makes an empty segment fit for `len` keys and puts `keys` into it.
    pub(crate) fn refill(&mut self, heap: &mut Heap, len: usize, keys: impl Iterator<Item = (u8, Slot)>) {
        assert!(self.len == 0, "the keys were taken out before");
        self.resize(heap, blocks_for(len));
        self.fill(keys);
    }

    fn fill(&mut self, keys: impl Iterator<Item = (u8, Slot)>) {
        let (mut len, mut expires) = (0, 0);
        for (tag, slot) in keys {
            len += 1;
            expires += u16::from(slot.expires());
            self.place(tag, slot);
        }
        (self.len, self.expires) = (len, expires);
    }

    #[inline]
    fn place(&mut self, tag: u8, slot: Slot) -> Position {
        let mut place = self.home(slot.location());
        for _ in 0..self.groups_len() {
            let group = self.group_mut(place);
            if let Some(index) = group.vacant().first() {
                group.put(index, tag, slot);
                return Position { place, index: index as u8 };
            }
            group.pass();
            place = self.after(place);
        }
        unreachable!("a segment with room has a vacant slot");
    }

    /// Changes the number of blocks; all groups are empty.
    fn resize(&mut self, heap: &mut Heap, blocks: usize) {
        while (self.blocks_len as usize) < blocks {
            let block = heap.allocate_part(TablePart::Block).cast::<Group>().as_ptr();
            for index in 0..BLOCK_GROUPS {
                // SAFETY: the slot has room for so many groups, suitably aligned.
                unsafe { block.add(index).write(Group::EMPTY) };
            }
            self.blocks[self.blocks_len as usize] = block;
            self.blocks_len += 1;
        }
        while self.blocks_len as usize > blocks {
            self.blocks_len -= 1;
            let block = NonNull::new(self.blocks[self.blocks_len as usize]);
            let block = block.expect("the first `blocks_len` blocks are there");
            // SAFETY: allocated above or in an earlier call, used by this segment only, and
            // out of its list now.
            unsafe { heap.free(block.cast()) };
        }
    }

    fn at(&self, place: Place, index: usize) -> (Position, Slot) {
        let position = Position { place, index: index as u8 };
        (position, self.slot(position))
    }

    #[inline]
    fn groups_len(&self) -> usize {
        self.blocks_len as usize * BLOCK_GROUPS
    }

    /// All groups.
    fn places(&self) -> impl Iterator<Item = Place> + use<> {
        let groups = 0..BLOCK_GROUPS as u8;
        (0..self.blocks_len).flat_map(move |block| groups.clone().map(move |group| Place { block, group }))
    }

    /// Number `location * groups_len / 65536`: how many blocks and, of what is left, how many groups.
    #[inline]
    fn home(&self, location: u16) -> Place {
        let blocks = u32::from(location) * u32::from(self.blocks_len);
        let groups = (blocks & 0xFFFF) * BLOCK_GROUPS as u32;
        Place { block: (blocks >> 16) as u8, group: (groups >> 16) as u8 }
    }

    #[inline]
    fn after(&self, place: Place) -> Place {
        let Place { block, group } = place;
        if usize::from(group) + 1 < BLOCK_GROUPS {
            return Place { block, group: group + 1 };
        }
        Place { block: if block + 1 < self.blocks_len { block + 1 } else { 0 }, group: 0 }
    }

    #[inline]
    fn group(&self, place: Place) -> &Group {
        debug_assert!(place.block < self.blocks_len && usize::from(place.group) < BLOCK_GROUPS);
        // SAFETY: the first `blocks_len` blocks hold `BLOCK_GROUPS` initialised groups each,
        // reached through this segment only; every place is one of those, as it was made for the blocks there are.
        unsafe { &*self.blocks[usize::from(place.block)].add(usize::from(place.group)) }
    }

    #[inline]
    fn group_mut(&mut self, place: Place) -> &mut Group {
        debug_assert!(place.block < self.blocks_len && usize::from(place.group) < BLOCK_GROUPS);
        // SAFETY: as in `group`; `&mut self` makes this the only access.
        unsafe { &mut *self.blocks[usize::from(place.block)].add(usize::from(place.group)) }
    }
}

/// Turns 32 random bits into a number below `limit`.
fn scale(random: u64, limit: usize) -> usize {
    ((random * limit as u64) >> 32) as usize
}

/// Scrambles a random number into the next.
pub(crate) fn mix(random: u64) -> u64 {
    let mut mixed = random.wrapping_add(0x9E37_79B9_7F4A_7C15);
    mixed = (mixed ^ mixed >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ mixed >> 31
}
