//! What the system gives and refuses: asked before something big is made, noted when it ends the process.
//!
//! A value whose size a client chooses is made only if there [is headroom](has_headroom) for it; everything else
//! ends the process when there is none, and the note tells the last words what was asked for.

use std::alloc::{Layout, handle_alloc_error};
use std::ptr;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Less than this is not asked for beforehand: what it would cost is more than what a refusal is worth.
const ASKED_BYTES_MIN: usize = 1 << 20;

/// Bytes of the allocation that failed last; 0: none did.
static FAILED_BYTES: AtomicUsize = AtomicUsize::new(0);

/// Whether the system would give that many bytes now. Two system calls for a megabyte and more, nothing below.
///
/// Another thread may take them before the caller does; then the process ends as it does without asking.
pub fn has_headroom(bytes: usize) -> bool {
    if bytes < ASKED_BYTES_MIN {
        return true;
    }
    let protection = libc::PROT_READ | libc::PROT_WRITE;
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
    // SAFETY: a fresh anonymous mapping touches no existing memory, and it is gone before anybody knows of it.
    unsafe {
        let place = libc::mmap(ptr::null_mut(), bytes, protection, flags, -1, 0);
        place != libc::MAP_FAILED && libc::munmap(place, bytes) == 0
    }
}

/// Notes that an allocation failed; allocators call it. 0 takes the note back.
#[cold]
pub fn note_failure(bytes: usize) {
    FAILED_BYTES.store(bytes, Ordering::Relaxed);
}

/// Bytes of the allocation that failed last; 0: none did.
pub fn failed_bytes() -> usize {
    FAILED_BYTES.load(Ordering::Relaxed)
}

/// Ends the process since the system refused a mapping of that many bytes.
#[cold]
pub(crate) fn give_up(bytes: usize) -> ! {
    note_failure(bytes);
    handle_alloc_error(Layout::array::<u8>(bytes).expect("lengths are limited far below isize::MAX"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_room_for_something_and_not_for_everything() {
        assert!(has_headroom(0) && has_headroom(ASKED_BYTES_MIN - 1) && has_headroom(4 * ASKED_BYTES_MIN));
        assert!(!has_headroom(isize::MAX as usize / 2));
    }
}
