//! The receive buffers of one core, all of one size. An io_uring picks from a ring of them when data arrives.
//!
//! ```text
//!   entries (shared with the kernel):  [addr len id][addr len id]...   tail ->
//!   region:                            |buffer 0|buffer 1|...
//! ```
//! An idle connection holds none of them. A buffer belongs to the kernel from [`ProvidedBuffers::give_back`] until
//! a completion names it, and to us from there until it is given back.

use std::io;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU16, Ordering};

use io_uring::Submitter;
use io_uring::types::BufRingEntry;

/// Number of buffers; a power of two.
pub const BUFFERS: u16 = 256;
/// Size of a buffer in bytes.
pub const BUFFER_BYTES: usize = 16 * 1024;
/// Bytes of all receive buffers of a core.
pub const BYTES: usize = BUFFERS as usize * BUFFER_BYTES;
/// The group id that receive operations name.
pub const GROUP: u16 = 0;

/// The memory of all buffers. Never unmapped.
pub struct Region(NonNull<u8>);

impl Region {
    /// Maps it.
    pub fn new() -> io::Result<Self> {
        map(BYTES).map(Region)
    }

    /// Where a buffer begins.
    pub fn start(&self, id: u16) -> *mut u8 {
        assert!(id < BUFFERS, "a buffer of ours");
        // SAFETY: within the region.
        unsafe { self.0.as_ptr().add(usize::from(id) * BUFFER_BYTES) }
    }

    /// The first `len` bytes of a buffer that has been received into and was not given back.
    pub fn received(&self, id: u16, len: usize) -> &[u8] {
        assert!(len <= BUFFER_BYTES, "it was received into a buffer");
        // SAFETY: within the region. It is written again only after it was given back, for which whoever has the region needs
        // `&mut self`: that cannot happen while the slice lives.
        unsafe { std::slice::from_raw_parts(self.start(id), len) }
    }
}

/// Buffers that an io_uring picks from.
pub struct ProvidedBuffers {
    entries: NonNull<BufRingEntry>,
    region: Region,
    tail: u16,
}

impl ProvidedBuffers {
    /// Maps the buffers and registers them with the ring.
    pub fn new(submitter: &Submitter<'_>) -> io::Result<Self> {
        let entries = map(usize::from(BUFFERS) * size_of::<BufRingEntry>())?.cast::<BufRingEntry>();
        let region = Region::new()?;
        // SAFETY: both mappings are never unmapped, so the ring may refer to them for its whole life.
        unsafe { submitter.register_buf_ring_with_flags(entries.as_ptr() as u64, BUFFERS, GROUP, 0)? };
        let mut buffers = ProvidedBuffers { entries, region, tail: 0 };
        (0..BUFFERS).for_each(|id| buffers.give_back(id));
        buffers.publish();
        Ok(buffers)
    }

    /// The first `len` bytes of a buffer that a completion has just named.
    pub fn received(&self, id: u16, len: usize) -> &[u8] {
        self.region.received(id, len)
    }

    /// Gives a buffer back to the kernel with the next [`ProvidedBuffers::publish`].
    pub fn give_back(&mut self, id: u16) {
        assert!(id < BUFFERS, "a buffer of ours");
        let place = usize::from(self.tail & (BUFFERS - 1));
        // SAFETY: `place` is inside the entries, and the kernel does not read an entry beyond the published tail.
        unsafe {
            let entry = &mut *self.entries.as_ptr().add(place);
            entry.set_addr(self.region.start(id) as u64);
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
