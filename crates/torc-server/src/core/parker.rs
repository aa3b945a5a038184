//! The one handshake between threads that is written by hand: a core goes to sleep, another wakes it.
//!
//! ```text
//!   sleeper                          sender
//!   state = PARKED                   push into the mailbox
//!   fence                            fence
//!   mailbox empty? -> sleep          state == PARKED? -> state = AWAKE, send the wake
//!   state = AWAKE
//! ```
//! Whatever the interleaving, the sleeper sees the message before it sleeps or the sender sees it parked:
//! no wake is lost. Of several senders one wakes. Checked by loom in `tests/parker_loom.rs`.

#[cfg(torc_loom)]
use loom::sync::atomic::{AtomicU32, Ordering, fence};
#[cfg(not(torc_loom))]
use std::sync::atomic::{AtomicU32, Ordering, fence};

const AWAKE: u32 = 0;
const PARKED: u32 = 1;

/// Whether a core sleeps, as other cores see it.
#[repr(align(128))]
pub struct Parker {
    state: AtomicU32,
}

impl Default for Parker {
    fn default() -> Self {
        Parker { state: AtomicU32::new(AWAKE) }
    }
}

impl Parker {
    /// The core wants to sleep: true when it may, because `idle` still holds after others can see it parked.
    pub fn park(&self, idle: impl FnOnce() -> bool) -> bool {
        self.state.store(PARKED, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        if idle() {
            return true;
        }
        self.unpark();
        false
    }

    /// The core is awake again.
    pub fn unpark(&self) {
        self.state.store(AWAKE, Ordering::Relaxed);
    }

    /// After a message was pushed: true when the caller must send the wake.
    pub fn needs_wake(&self) -> bool {
        fence(Ordering::SeqCst);
        self.state.load(Ordering::Relaxed) == PARKED
            && self.state.compare_exchange(PARKED, AWAKE, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }
}
