//! The last words of a process that ends by itself: what the allocator could not give, and what is queued for the log.
//!
//! ```text
//!   allocation fails --> noted: how many bytes --> handle_alloc_error --> abort --+
//!   panic --> a line by the hook (logging.rs) -----------------------> abort --+--> SIGABRT: on_abort
//! ```
//! The handler waits a moment for the log's thread, and then writes with `write` alone: there may be no memory, and what
//! was running when the process aborted may hold any lock.

use std::alloc::{GlobalAlloc, Layout};
use std::fmt::{self, Write};
use std::os::fd::RawFd;
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Arc, OnceLock};

use torc_store::memory;

use crate::logging::writer::{DRAIN_MAX, drain, is_writable};
use crate::logging::{Counters, LocalTime};

/// mimalloc, chosen by measurement (docs/performance.md has the figures), with a note of what it could not give.
pub struct Allocator;

/// Calls on; costs one comparison.
const INNER: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[inline]
fn noted(place: *mut u8, bytes: usize) -> *mut u8 {
    if place.is_null() {
        memory::note_failure(bytes);
    }
    place
}

// SAFETY: each call is passed to mimalloc as it is, which keeps the contract; the note allocates nothing.
unsafe impl GlobalAlloc for Allocator {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise.
        noted(unsafe { INNER.alloc(layout) }, layout.size())
    }

    #[inline]
    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise.
        unsafe { INNER.dealloc(place, layout) }
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise.
        noted(unsafe { INNER.alloc_zeroed(layout) }, layout.size())
    }

    #[inline]
    unsafe fn realloc(&self, place: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: the caller's promise.
        noted(unsafe { INNER.realloc(place, layout, new_size) }, new_size)
    }
}

/// Where the log is written; -1 until it is set up. A handler can reach nothing but statics.
static LOG: AtomicI32 = AtomicI32::new(-1);
static COUNTERS: OnceLock<Arc<Counters>> = OnceLock::new();

/// Has the last words written into the log from now on.
pub fn log_to(descriptor: RawFd, counters: Arc<Counters>) {
    let _ = COUNTERS.set(counters);
    LOG.store(descriptor, Ordering::Release);
}

/// Runs on the thread that aborts. When it returns, the process ends by the signal.
pub extern "C" fn on_abort(_signal: libc::c_int) {
    if let Some(counters) = COUNTERS.get() {
        drain(counters, DRAIN_MAX);
    }
    let (descriptor, bytes) = (LOG.load(Ordering::Acquire), memory::failed_bytes());
    if descriptor < 0 || bytes == 0 || !is_writable(descriptor, DRAIN_MAX) {
        return;
    }
    let mut text = Words::default();
    // What does not fit is cut off.
    let _ = writeln!(
        text,
        "{}:M {} # Out of memory: an allocation of {bytes} bytes was refused, and Torc ends",
        std::process::id(),
        LocalTime::now()
    );
    // SAFETY: the pointer and the length describe the text.
    unsafe { libc::write(descriptor, text.bytes.as_ptr().cast(), text.len) };
}

/// A text on the stack.
struct Words {
    bytes: [u8; 256],
    len: usize,
}

impl Default for Words {
    fn default() -> Self {
        Words { bytes: [0; 256], len: 0 }
    }
}

impl Write for Words {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = &mut self.bytes[self.len..];
        let count = text.len().min(room.len());
        room[..count].copy_from_slice(&text.as_bytes()[..count]);
        self.len += count;
        if count == text.len() { Ok(()) } else { Err(fmt::Error) }
    }
}
