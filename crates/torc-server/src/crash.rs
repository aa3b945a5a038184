//! The last words of a process that ends by itself: what is queued for the log, by which signal it ends, and what the
//! allocator could not give.
//!
//! ```text
//!   allocation fails --> noted: how many bytes --> handle_alloc_error --> abort --+
//!   panic --> a line by the hook (logging.rs) -----------------------> abort -----+--> SIGABRT --+
//!   memory that is not ours, a stack that is full, DEBUG SEGFAULT --> SIGSEGV, SIGBUS -----------+--> on_crash --> the
//!                                                                                                   signal's own end
//! ```
//! The handler runs on the alternate stack that the standard library gives each thread, waits a moment for the log's
//! thread, and then writes with `write` alone: there may be no memory, and what was running may hold any lock. The signal is
//! sent once more, so that the process ends by it, with a core file where the system keeps those.

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
#[cfg(not(torc_sanitize))]
const INNER: mimalloc::MiMalloc = mimalloc::MiMalloc;
/// The address sanitizer sees only what goes through its own.
#[cfg(torc_sanitize)]
const INNER: std::alloc::System = std::alloc::System;

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

/// The signals by which a process ends because something is wrong with it.
#[cfg(not(torc_sanitize))]
pub const SIGNALS: &[libc::c_int] = &[libc::SIGABRT, libc::SIGSEGV, libc::SIGBUS, libc::SIGILL, libc::SIGFPE];
/// The sanitizer has its own handlers of the others.
#[cfg(torc_sanitize)]
pub const SIGNALS: &[libc::c_int] = &[libc::SIGABRT];

/// Ends the process as memory that is not its own does.
pub fn segfault() {
    // SAFETY: the handler, or the system, ends the process.
    unsafe { libc::raise(libc::SIGSEGV) };
}

/// Runs on the thread that crashes, with the signal's own action in force again ([`libc::SA_RESETHAND`]): when it returns, the
/// process ends by the signal.
pub extern "C" fn on_crash(signal: libc::c_int, info: *const libc::siginfo_t, _context: *const libc::c_void) {
    if let Some(counters) = COUNTERS.get() {
        drain(counters, DRAIN_MAX);
    }
    let descriptor = LOG.load(Ordering::Acquire);
    if descriptor >= 0 && is_writable(descriptor, DRAIN_MAX) {
        // SAFETY: the kernel hands in a pointer to what it knows of the signal.
        let info = unsafe { &*info };
        let mut text = Words::default();
        // What does not fit is cut off.
        let _ = say(&mut text, signal, info);
        // SAFETY: the pointer and the length describe the text.
        unsafe { libc::write(descriptor, text.bytes.as_ptr().cast(), text.len) };
    }
    // What somebody else has sent does not come again by itself.
    // SAFETY: it is blocked until the handler returns.
    unsafe { libc::raise(signal) };
}

fn say(text: &mut Words, signal: libc::c_int, info: &libc::siginfo_t) -> fmt::Result {
    let (process, bytes) = (std::process::id(), memory::failed_bytes());
    let line = LinePrefix { process, time: LocalTime::now() };
    write!(text, "{line} Torc {} crashed by signal: {signal}, si_code: {}", env!("CARGO_PKG_VERSION"), info.si_code)?;
    if info.si_code > 0 && signal != libc::SIGABRT {
        // SAFETY: the kernel made the signal itself, for an instruction or an address.
        write!(text, ", accessing address: {:p}", unsafe { info.si_addr() })?;
    }
    text.write_str("\n")?;
    if bytes > 0 {
        writeln!(text, "{line} Out of memory: an allocation of {bytes} bytes was refused, and Torc ends")?;
    }
    Ok(())
}

/// How a line of the log begins.
struct LinePrefix {
    process: u32,
    time: LocalTime,
}

impl fmt::Display for LinePrefix {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:M {} #", self.process, self.time)
    }
}

/// A text on the stack.
struct Words {
    bytes: [u8; 512],
    len: usize,
}

impl Default for Words {
    fn default() -> Self {
        Words { bytes: [0; 512], len: 0 }
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
