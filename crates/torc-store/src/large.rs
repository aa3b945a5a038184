//! Buffers of values too large to sit inside their entry.
//!
//! ```text
//! capacity < 1 MiB    from the global allocator
//! capacity >= 1 MiB   a region: its own mapping, grown by moving page tables (mremap), never
//!                     copied; given back from the tail in slices by `release_slice`
//! ```
//!
//! A [`Buffer`] is plain data (it lies unaligned inside an entry); [`LargeSpace`] does the
//! work and the accounting. A buffer may be lent to replies ([`Loans`]): before it is changed, moved or freed, it is reclaimed, or left to them. Bytes at and beyond `touched` are known to be zero and, in a
//! region, not to be resident.

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error, realloc};
use std::ptr;

use crate::loans::Loans;
use crate::memory;

/// Buffers of at least this many bytes are regions. (Miri has no mremap: none there.)
pub(crate) const REGION_BYTES_MIN: usize = if cfg!(miri) { usize::MAX >> 1 } else { 1 << 20 };

/// Bytes of a dead region given back at once: 64 pages, some microseconds.
pub(crate) const RELEASE_SLICE_BYTES: usize = 256 << 10;

const OS_PAGE_BYTES: usize = 4096;

/// What one page table of the lowest level maps. Regions begin with one, so that they move by whole tables: growing to 512 MB took up to
/// 0.9 ms when the pages were moved one by one.
const PAGE_TABLE_SPAN: usize = 2 << 20;

/// A value's memory outside its entry. A capacity of 0 means no memory at all.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub(crate) struct Buffer {
    address: *mut u8,
    len: usize,
    capacity: usize,
    touched: usize,
}

/// Size of a [`Buffer`] inside an entry.
pub(crate) const BUFFER_BYTES: usize = size_of::<Buffer>();

impl Buffer {
    const EMPTY: Buffer = Buffer { address: ptr::dangling_mut(), len: 0, capacity: 0, touched: 0 };

    /// Bytes in use.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Start of the bytes; dangling but non-null when empty.
    pub(crate) fn address(&self) -> *mut u8 {
        self.address
    }

    /// Memory the buffer occupies.
    pub(crate) fn resident_bytes(&self) -> usize {
        if self.is_region() { self.touched.next_multiple_of(OS_PAGE_BYTES) } else { self.capacity }
    }

    fn is_region(&self) -> bool {
        self.capacity >= REGION_BYTES_MIN
    }

    /// Frees the memory, a region too.
    ///
    /// # Safety
    /// Nobody uses the buffer any more, or any copy of it.
    pub(crate) unsafe fn free_at_once(&self) {
        if self.is_region() {
            // SAFETY: the region was mapped with this capacity; the caller gives it up.
            unsafe { unmap(self.address, self.capacity) };
        } else if self.capacity > 0 {
            // SAFETY: a non-region buffer of this capacity came from `alloc`/`realloc` with exactly this layout; the caller gives
            // it up.
            unsafe { dealloc(self.address, byte_layout(self.capacity)) };
        }
    }
}

/// Owner of the accounting of all buffers of a shard, and of the regions waiting to be freed.
#[derive(Debug, Default)]
pub(crate) struct LargeSpace {
    /// What replies are sent from.
    pub(crate) loans: Loans,
    bytes: usize,
    doomed: Vec<Doomed>,
}

/// What is left of a dead region: `mapped` bytes, of which the first `resident` are resident.
#[derive(Debug)]
struct Doomed {
    address: *mut u8,
    mapped: usize,
    resident: usize,
}

impl LargeSpace {
    /// Resident bytes of live buffers and of regions not yet given back.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Counts memory of the same kind that was allocated elsewhere.
    pub(crate) fn count(&mut self, bytes: usize) {
        self.bytes += bytes;
    }

    /// What was counted as so many bytes is so many now.
    #[inline]
    pub(crate) fn recount(&mut self, before: usize, after: usize) {
        self.bytes = self.bytes - before + after;
    }

    /// Reverse of [`LargeSpace::count`].
    pub(crate) fn uncount(&mut self, bytes: usize) {
        self.bytes -= bytes;
    }

    /// Regions waiting to be given back.
    pub(crate) fn doomed_len(&self) -> usize {
        self.doomed.len()
    }

    /// A buffer holding `head`, then zeros, then `tail`, without slack.
    pub(crate) fn build(&mut self, head: &[u8], zeros: usize, tail: &[u8]) -> Buffer {
        let mut buffer = self.allocate(head.len() + zeros + tail.len());
        self.extend(&mut buffer, 0, head);
        self.extend(&mut buffer, head.len() + zeros, tail);
        buffer
    }

    /// Replaces the content by `value`, in place when that wastes little.
    pub(crate) fn set(&mut self, buffer: &mut Buffer, value: &[u8]) {
        let fits = value.len() <= buffer.capacity && value.len() >= buffer.capacity / 2;
        if fits && self.loans.reclaim(buffer) {
            buffer.len = 0;
            self.extend(buffer, 0, value);
        } else {
            self.free(std::mem::replace(buffer, Buffer::EMPTY));
            *buffer = self.build(value, 0, &[]);
        }
    }

    /// Writes `data` at `offset`, growing the buffer and filling a gap with zeros as needed.
    pub(crate) fn write(&mut self, buffer: &mut Buffer, offset: usize, data: &[u8]) {
        let end = offset.checked_add(data.len()).expect("lengths are limited far below usize::MAX");
        self.make_own(buffer);
        if end > buffer.capacity {
            self.grow(buffer, end);
        }
        self.extend(buffer, offset, data);
    }

    /// Replaces `removed` bytes from `at` on by `parts`; gives memory back when little of it is left in use.
    pub(crate) fn splice(&mut self, buffer: &mut Buffer, at: usize, removed: usize, parts: [&[u8]; 2]) {
        let rest = at + removed;
        self.make_own(buffer);
        assert!(rest <= buffer.len, "what is replaced lies inside the value");
        let added = parts[0].len() + parts[1].len();
        let len = buffer.len - removed + added;
        if len > buffer.capacity {
            self.grow(buffer, len);
        }
        let before = buffer.resident_bytes();
        // SAFETY: old and new length lie inside the capacity; `parts` are borrowed by the caller while the buffer is
        // ours, so that they don't overlap it.
        unsafe {
            let start = buffer.address;
            ptr::copy(start.add(rest), start.add(at + added), buffer.len - rest);
            ptr::copy_nonoverlapping(parts[0].as_ptr(), start.add(at), parts[0].len());
            ptr::copy_nonoverlapping(parts[1].as_ptr(), start.add(at + parts[0].len()), parts[1].len());
        }
        buffer.len = len;
        buffer.touched = buffer.touched.max(len);
        self.bytes = self.bytes - before + buffer.resident_bytes();
        if len < buffer.capacity / 3 && !buffer.is_region() {
            // SAFETY: the buffer holds `len` initialised bytes and isn't changed while the copy is made.
            let kept = unsafe { std::slice::from_raw_parts(buffer.address, len) };
            let smaller = self.build(kept, 0, &[]);
            self.free(*buffer);
            *buffer = smaller;
        }
    }

    /// Frees the memory; that of a region later, in slices.
    pub(crate) fn free(&mut self, buffer: Buffer) {
        if !self.loans.reclaim(&buffer) {
            self.bytes -= buffer.resident_bytes();
            return self.loans.leave(&buffer);
        }
        if buffer.is_region() {
            let resident = buffer.resident_bytes();
            let Buffer { address, capacity: mapped, .. } = buffer;
            self.doomed.push(Doomed { address, mapped, resident });
        } else if buffer.capacity > 0 {
            self.bytes -= buffer.resident_bytes();
            // SAFETY: the caller gives up the only copy, and nobody is sent from it.
            unsafe { buffer.free_at_once() };
        }
    }

    /// Makes sure that nobody else uses a buffer, so that it may be changed, or leave the keyspace: one that is lent is left to those
    /// who are sent from it, and replaced by a copy.
    #[inline]
    pub(crate) fn make_own(&mut self, buffer: &mut Buffer) {
        if !self.loans.reclaim(buffer) {
            self.replace_by_copy(buffer);
        }
    }

    #[cold]
    fn replace_by_copy(&mut self, buffer: &mut Buffer) {
        // SAFETY: the buffer holds `len` initialised bytes, which stay as they are while it is lent, and it is while we have it.
        let bytes = unsafe { std::slice::from_raw_parts(buffer.address, buffer.len) };
        let copy = self.build(bytes, 0, &[]);
        self.free(std::mem::replace(buffer, copy));
    }

    /// Frees one slice of a dead region. Returns whether that was the region's last one;
    /// `None` when no region is left.
    pub(crate) fn release_slice(&mut self) -> Option<bool> {
        let region = self.doomed.last_mut()?;
        let keep = region.resident.saturating_sub(RELEASE_SLICE_BYTES);
        // SAFETY: the region was mapped by `map`, nobody holds it any more, and [keep, mapped)
        // is page aligned and still mapped.
        unsafe { unmap(region.address.add(keep), region.mapped - keep) };
        self.bytes -= region.resident - keep;
        region.resident = keep;
        region.mapped = keep;
        if keep == 0 {
            self.doomed.pop();
        }
        Some(keep == 0)
    }

    fn allocate(&mut self, len: usize) -> Buffer {
        if len == 0 {
            return Buffer::EMPTY;
        }
        if len >= REGION_BYTES_MIN {
            let capacity = len.next_multiple_of(OS_PAGE_BYTES);
            return Buffer { address: map_aligned(capacity), len: 0, capacity, touched: 0 };
        }
        let layout = byte_layout(len);
        // SAFETY: `len` is not zero.
        let address = unsafe { alloc(layout) };
        if address.is_null() {
            handle_alloc_error(layout);
        }
        self.bytes += len;
        Buffer { address, len: 0, capacity: len, touched: len }
    }

    /// Raises the capacity to at least `needed`, with slack so that appending stays cheap.
    fn grow(&mut self, buffer: &mut Buffer, needed: usize) {
        let slack = if needed < 1 << 20 { needed } else { (needed / 4).max(1 << 20) };
        let mut capacity = needed.saturating_add(slack);
        if capacity >= REGION_BYTES_MIN {
            capacity = capacity.next_multiple_of(OS_PAGE_BYTES);
        }
        if buffer.is_region() {
            // SAFETY: the region is mapped with this capacity and the caller owns it.
            buffer.address = unsafe { remap(buffer.address, buffer.capacity, capacity) };
            buffer.capacity = capacity;
        } else if buffer.capacity == 0 || capacity >= REGION_BYTES_MIN {
            let mut larger = self.allocate(capacity);
            // SAFETY: the old buffer holds `len` initialised bytes and isn't changed meanwhile.
            let old = unsafe { std::slice::from_raw_parts(buffer.address, buffer.len) };
            self.extend(&mut larger, 0, old);
            self.free(*buffer);
            *buffer = larger;
        } else {
            let layout = byte_layout(buffer.capacity);
            // SAFETY: allocated with this layout, and `capacity` is larger and below 1 MiB.
            let address = unsafe { realloc(buffer.address, layout, capacity) };
            if address.is_null() {
                handle_alloc_error(byte_layout(capacity));
            }
            self.bytes += capacity - buffer.capacity;
            *buffer = Buffer { address, len: buffer.len, capacity, touched: capacity };
        }
    }

    /// Copies `data` to `offset`, zeroing the gap after the old end; the capacity suffices.
    fn extend(&mut self, buffer: &mut Buffer, offset: usize, data: &[u8]) {
        let end = offset + data.len();
        assert!(end <= buffer.capacity, "the caller has made room");
        let before = buffer.resident_bytes();
        let gap_end = offset.min(buffer.touched);
        if gap_end > buffer.len {
            // SAFETY: [len, gap_end) lies inside the buffer's capacity.
            unsafe { ptr::write_bytes(buffer.address.add(buffer.len), 0, gap_end - buffer.len) };
        }
        // SAFETY: [offset, end) lies inside the capacity, and `data` is borrowed by the caller
        // while the buffer is owned by us, so that they don't overlap.
        unsafe { ptr::copy_nonoverlapping(data.as_ptr(), buffer.address.add(offset), data.len()) };
        buffer.len = buffer.len.max(end);
        buffer.touched = buffer.touched.max(end);
        self.bytes = self.bytes - before + buffer.resident_bytes();
    }
}

impl Drop for LargeSpace {
    fn drop(&mut self) {
        while self.release_slice().is_some() {}
    }
}

fn byte_layout(len: usize) -> Layout {
    Layout::array::<u8>(len).expect("lengths are limited far below isize::MAX")
}

/// Maps `len` zeroed bytes.
pub(crate) fn map(len: usize) -> *mut u8 {
    let protection = libc::PROT_READ | libc::PROT_WRITE;
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
    // SAFETY: a fresh anonymous mapping touches no existing memory.
    let address = unsafe { libc::mmap(ptr::null_mut(), len, protection, flags, -1, 0) };
    if address == libc::MAP_FAILED {
        memory::give_up(len);
    }
    address.cast()
}

/// Gives `len` bytes of a mapping back.
///
/// # Safety
/// The range is page aligned, was mapped by [`map`], and nothing refers to it any more.
pub(crate) unsafe fn unmap(address: *mut u8, len: usize) {
    // SAFETY: as the caller promises.
    let result = unsafe { libc::munmap(address.cast(), len) };
    assert_eq!(result, 0, "unmapping a range of our own cannot fail");
}

/// Maps `len` zeroed bytes at an address that begins a page table.
fn map_aligned(len: usize) -> *mut u8 {
    let whole = map(len + PAGE_TABLE_SPAN);
    let lead = whole.align_offset(PAGE_TABLE_SPAN);
    // SAFETY: both ends are page aligned, inside the fresh mapping, and unused.
    unsafe {
        if lead > 0 {
            unmap(whole, lead);
        }
        if lead < PAGE_TABLE_SPAN {
            unmap(whole.add(lead + len), PAGE_TABLE_SPAN - lead);
        }
        whole.add(lead)
    }
}

/// Grows a mapping of [`map_aligned`], moving its pages when there is no room behind it: by whole page tables, as both places begin with one.
///
/// # Safety
/// The caller owns the mapping of `old_len` bytes and holds no references into it.
unsafe fn remap(address: *mut u8, old_len: usize, new_len: usize) -> *mut u8 {
    // SAFETY: as the caller promises.
    let grown = unsafe { libc::mremap(address.cast(), old_len, new_len, 0) };
    if grown != libc::MAP_FAILED {
        return grown.cast();
    }
    let place = map_aligned(new_len);
    let flags = libc::MREMAP_MAYMOVE | libc::MREMAP_FIXED;
    // SAFETY: as the caller promises; what is at `place` is ours too, and empty.
    let moved = unsafe { libc::mremap(address.cast(), old_len, new_len, flags, place.cast::<libc::c_void>()) };
    if moved == libc::MAP_FAILED {
        memory::give_up(new_len);
    }
    moved.cast()
}
