//! The receive buffers of one core: a ring of equal buffers that the kernel picks from when data arrives.
//!
//! ```text
//!   entries (shared with the kernel):  [addr len id][addr len id]...   tail ->
//!   region:                            |buffer 0|buffer 1|...
//! ```
//! An idle connection holds none of them. A buffer belongs to the kernel from [`Buffers::give_back`] until
//! a completion names it, and to us from there until it is given back.

use std::io;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU16, Ordering};

use io_uring::Submitter;
use io_uring::types::BufRingEntry;

/// Number of buffers; a power of two.
const BUFFERS: u16 = 256;
/// Size of a buffer in bytes.
const BUFFER_BYTES: usize = 16 * 1024;
/// The group id that receive operations name.
pub const GROUP: u16 = 0;

/// All receive buffers of one core.
pub struct Buffers {
    entries: NonNull<BufRingEntry>,
    region: NonNull<u8>,
    tail: u16,
}

impl Buffers {
    /// Bytes of all receive buffers of a core.
    pub const BYTES: usize = BUFFERS as usize * BUFFER_BYTES;

    /// Bytes of one of them.
    pub const LEN: u32 = BUFFER_BYTES as u32;

    /// Maps the buffers and registers them with the ring.
    pub fn new(submitter: &Submitter<'_>) -> io::Result<Self> {
        let entries = map(usize::from(BUFFERS) * size_of::<BufRingEntry>())?.cast::<BufRingEntry>();
        let region = map(usize::from(BUFFERS) * BUFFER_BYTES)?;
        // SAFETY: both mappings are never unmapped, so the ring may refer to them for its whole life.
        unsafe { submitter.register_buf_ring_with_flags(entries.as_ptr() as u64, BUFFERS, GROUP, 0)? };
        let mut buffers = Buffers { entries, region, tail: 0 };
        (0..BUFFERS).for_each(|id| buffers.give_back(id));
        buffers.publish();
        Ok(buffers)
    }

    /// The first `len` bytes of a buffer that a completion has just named.
    pub fn received(&self, id: u16, len: usize) -> &[u8] {
        assert!(id < BUFFERS && len <= BUFFER_BYTES, "the kernel names a buffer of ours");
        // SAFETY: within the region; the kernel wrote it and leaves it alone until it is given back, which
        // needs `&mut self` and so cannot happen while the slice lives.
        unsafe { std::slice::from_raw_parts(self.region.as_ptr().add(usize::from(id) * BUFFER_BYTES), len) }
    }

    /// Gives a buffer back to the kernel with the next [`Buffers::publish`].
    pub fn give_back(&mut self, id: u16) {
        assert!(id < BUFFERS, "a buffer of ours");
        let place = usize::from(self.tail & (BUFFERS - 1));
        // SAFETY: `place` is inside the entries, and the kernel does not read an entry beyond the published tail.
        unsafe {
            let entry = &mut *self.entries.as_ptr().add(place);
            entry.set_addr(self.region.as_ptr().add(usize::from(id) * BUFFER_BYTES) as u64);
            entry.set_len(BUFFER_BYTES as u32);
            entry.set_bid(id);
        }
        self.tail = self.tail.wrapping_add(1);
    }

    /// Makes the buffers given back visible to the kernel.
    pub fn publish(&mut self) {
        // SAFETY: the tail lies in the first entry's unused field; kernel and we access it as one 16-bit word.
        unsafe {
            let tail = BufRingEntry::tail(self.entries.as_ptr()).cast::<AtomicU16>();
            (*tail).store(self.tail, Ordering::Release);
        }
    }
}

/// Fresh pages, all zero, only charged when touched.
fn map(bytes: usize) -> io::Result<NonNull<u8>> {
    // SAFETY: an anonymous mapping at an address of the kernel's choice touches nothing of ours.
    let address = unsafe {
        libc::mmap(
            std::ptr::null_mut(),
            bytes,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
            -1,
            0,
        )
    };
    if address == libc::MAP_FAILED {
        return Err(io::Error::last_os_error());
    }
    Ok(NonNull::new(address.cast()).expect("a mapping that succeeded is not at address zero"))
}
