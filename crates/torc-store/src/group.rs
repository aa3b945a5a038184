//! Fourteen slots of the table in two adjacent cache lines, probed 16 bytes at a time.
//!
//! ```text
//! byte 0              14         15      16                                   128
//! | tag x 14          | overflow | spare | slot x 14, 8 bytes each             |
//!
//! tag       0 = free, else 0x80 | 7 bits of the hash
//! overflow  how many keys passed this group, being full, on their way from their home group
//!           to a later one; 255 means "that many or more" and stays until the segment is
//!           laid out anew. 0 ends every search, so that deleting needs no tombstones.
//! slot      | 16 bits of the hash: place in the segment | 47 bits: address | 1: has expiry |
//! ```

use crate::entry::EntryPointer;

/// Slots of a group.
pub(crate) const GROUP_SLOTS: usize = 14;

const SLOT_MASK: u32 = (1 << GROUP_SLOTS) - 1;
const ADDRESS_MASK: u64 = (1 << 48) - 2;
const OVERFLOW_STICKY: u8 = 255;

/// A key's place in the table: where its entry is, whether it expires, and a part of its hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Slot(u64);

impl Slot {
    /// What a slot without a key holds.
    pub(crate) const VACANT: Slot = Slot(0);

    /// A slot for an entry that is live and stays so while the table holds it.
    pub(crate) fn new(location: u16, entry: EntryPointer, expires: bool) -> Slot {
        let address = entry.address() as u64;
        assert!(address & !ADDRESS_MASK == 0, "user addresses have 47 bits, entries are even");
        Slot(u64::from(location) << 48 | address | u64::from(expires))
    }

    /// The hash bits that order keys inside a segment.
    pub(crate) fn location(self) -> u16 {
        (self.0 >> 48) as u16
    }

    /// A slot for the same entry whose key has another location.
    pub(crate) fn with_location(self, location: u16) -> Slot {
        Slot(self.0 & (u64::MAX >> 16) | u64::from(location) << 48)
    }

    /// The entry.
    pub(crate) fn entry(self) -> EntryPointer {
        // SAFETY: `new` got a live entry, and slots are removed before their entry is freed.
        unsafe { EntryPointer::from_address((self.0 & ADDRESS_MASK) as usize) }
    }

    /// Whether the entry has an expiry.
    pub(crate) fn expires(self) -> bool {
        self.0 & 1 != 0
    }
}

/// Set bits of a mask over the slots, lowest first.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SlotMask(u32);

impl SlotMask {
    /// The lowest slot of the mask.
    pub(crate) fn first(self) -> Option<usize> {
        (self.0 != 0).then(|| self.0.trailing_zeros() as usize)
    }
}

impl Iterator for SlotMask {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        let first = self.first()?;
        self.0 &= self.0 - 1;
        Some(first)
    }
}

/// Fourteen slots and their tags, laid out as drawn above.
#[derive(Clone, Debug)]
#[repr(C, align(128))]
pub(crate) struct Group {
    tags: [u8; GROUP_SLOTS],
    overflow: u8,
    spare: u8,
    slots: [Slot; GROUP_SLOTS],
}

const _: () = assert!(size_of::<Group>() == 128);

impl Group {
    /// A group without keys.
    pub(crate) const EMPTY: Group =
        Group { tags: [0; GROUP_SLOTS], overflow: 0, spare: 0, slots: [Slot::VACANT; GROUP_SLOTS] };

    /// Slots whose tag is `tag`.
    #[inline]
    pub(crate) fn matching(&self, tag: u8) -> SlotMask {
        SlotMask(self.equal(tag))
    }

    /// Slots without a key.
    #[inline]
    pub(crate) fn vacant(&self) -> SlotMask {
        SlotMask(self.equal(0))
    }

    /// Slots with a key.
    #[inline]
    pub(crate) fn occupied(&self) -> SlotMask {
        SlotMask(!self.equal(0) & SLOT_MASK)
    }

    /// Whether keys that belong here or before were put into later groups.
    pub(crate) fn has_overflow(&self) -> bool {
        self.overflow != 0
    }

    /// Notes that a key went past.
    pub(crate) fn pass(&mut self) {
        self.overflow = self.overflow.saturating_add(1);
    }

    /// Notes that a key that had gone past is gone.
    pub(crate) fn unpass(&mut self) {
        if self.overflow != OVERFLOW_STICKY {
            assert!(self.overflow > 0, "only keys that passed are taken back");
            self.overflow -= 1;
        }
    }

    /// The content of an occupied slot.
    pub(crate) fn slot(&self, index: usize) -> Slot {
        debug_assert!(self.tags[index] != 0);
        self.slots[index]
    }

    /// The tag of a slot.
    pub(crate) fn tag(&self, index: usize) -> u8 {
        self.tags[index]
    }

    /// Fills a slot.
    pub(crate) fn put(&mut self, index: usize, tag: u8, slot: Slot) {
        self.tags[index] = tag;
        self.slots[index] = slot;
    }

    /// Empties a slot.
    pub(crate) fn clear(&mut self, index: usize) {
        self.tags[index] = 0;
    }

    #[cfg(all(target_arch = "x86_64", target_feature = "sse2"))]
    #[inline]
    fn equal(&self, tag: u8) -> u32 {
        use std::arch::x86_64::{__m128i, _mm_cmpeq_epi8, _mm_load_si128, _mm_movemask_epi8, _mm_set1_epi8};
        // SAFETY: SSE2 is there, and the group, hence its first 16 bytes, is 128-byte aligned.
        let mask = unsafe {
            let tags = _mm_load_si128((&raw const *self).cast::<__m128i>());
            _mm_movemask_epi8(_mm_cmpeq_epi8(tags, _mm_set1_epi8(tag as i8)))
        };
        mask as u32 & SLOT_MASK
    }

    #[cfg(not(all(target_arch = "x86_64", target_feature = "sse2")))]
    #[inline]
    fn equal(&self, tag: u8) -> u32 {
        let bits = self.tags.iter().enumerate().map(|(i, &found)| u32::from(found == tag) << i);
        bits.sum()
    }
}

/// Asks the CPU to fetch the line at `address`.
#[inline]
pub(crate) fn prefetch(address: *const u8) {
    #[cfg(all(target_arch = "x86_64", target_feature = "sse"))]
    // SAFETY: a prefetch is a hint that faults on no address.
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        _mm_prefetch(address.cast(), _MM_HINT_T0);
    }
    #[cfg(not(all(target_arch = "x86_64", target_feature = "sse")))]
    let _ = address;
}
