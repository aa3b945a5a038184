//! The one handshake between threads that is written by hand: a core goes to sleep, another wakes it or does its work.
//!
//! ```text
//!   sleeper                          sender
//!   state = PARKED                   push into the mailbox
//!   fence                            fence
//!   mailbox empty? -> sleep          PARKED? -> AWAKE, send the wake            (needs_wake)
//!   PARKED -> AWAKE                          or LENT, do the sleeper's work     (borrow)
//!                                            then PARKED again, or AWAKE        (give_back)
//! ```
//! Whatever the interleaving, the sleeper sees the message before it sleeps or the sender sees it parked:
//! no wake is lost. Of several senders one wakes.
//!
//! What a sleeper owns is lent to one thread at a time, and the sleeper is not awake while it is lent. Whoever sends something
//! meanwhile leaves word (WANTED), and so does a sleeper that wakes (AWAITED); the borrower finds it when it gives back.
//! Checked by loom in `crates/loom/tests/parker.rs`.

#[cfg(torc_loom)]
use loom::sync::atomic::{AtomicU32, Ordering, fence};
#[cfg(not(torc_loom))]
use std::sync::atomic::{AtomicU32, Ordering, fence};

const AWAKE: u32 = 0;
const PARKED: u32 = 1;
/// It sleeps, and another thread does its work.
const LENT: u32 = 2;
/// The same, and it is to be woken when that has ended.
const WANTED: u32 = 3;
/// It has woken, and waits until that has ended.
const AWAITED: u32 = 4;

/// How often a sleeper that has woken looks whether it is still lent before it leaves the CPU to others.
#[cfg(not(torc_loom))]
const LOOKS: u32 = 200;

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

/// The sleeper.
impl Parker {
    /// The core wants to sleep: true when it may, because `idle` still holds after others can see it parked.
    pub fn park(&self, idle: impl FnOnce() -> bool) -> bool {
        // What it owns may be lent from here on.
        self.state.store(PARKED, Ordering::Release);
        fence(Ordering::SeqCst);
        if idle() {
            return true;
        }
        self.unpark();
        false
    }

    /// The core is awake again: what it has lent is its own again.
    #[inline]
    pub fn unpark(&self) {
        // A borrower that has given back, or whoever has woken it, has left AWAKE.
        match self.state.compare_exchange(PARKED, AWAKE, Ordering::Acquire, Ordering::Acquire) {
            Ok(_) | Err(AWAKE) => {}
            Err(_) => self.await_return(),
        }
    }

    #[cold]
    fn await_return(&self) {
        let mut looks = 0;
        loop {
            match self.state.load(Ordering::Acquire) {
                AWAKE => return,
                PARKED => {
                    if self.state.compare_exchange(PARKED, AWAKE, Ordering::Acquire, Ordering::Relaxed).is_ok() {
                        return;
                    }
                }
                AWAITED => wait(&self.state, &mut looks),
                lent => {
                    let _ = self.state.compare_exchange(lent, AWAITED, Ordering::Relaxed, Ordering::Relaxed);
                }
            }
        }
    }
}

/// Those who have something for it.
impl Parker {
    /// After a message was pushed: true when the caller must send the wake.
    #[inline]
    pub fn needs_wake(&self) -> bool {
        fence(Ordering::SeqCst);
        match self.state.load(Ordering::Relaxed) {
            AWAKE | WANTED | AWAITED => false,
            seen => self.wake_or_leave_word(seen),
        }
    }

    fn wake_or_leave_word(&self, mut seen: u32) -> bool {
        loop {
            let next = match seen {
                PARKED => AWAKE,
                LENT => WANTED,
                _ => return false,
            };
            // Release: the word that is left stands for the message that was pushed.
            match self.state.compare_exchange(seen, next, Ordering::Release, Ordering::Relaxed) {
                Ok(_) => return seen == PARKED,
                Err(now) => seen = now,
            }
        }
    }

    /// Whether the core seems to sleep, and to have lent nothing.
    #[inline]
    pub fn is_parked(&self) -> bool {
        self.state.load(Ordering::Relaxed) == PARKED
    }

    /// After a message was pushed: true when the core sleeps and the caller may do its work, until [`give_back`](Self::give_back).
    pub fn borrow(&self) -> bool {
        fence(Ordering::SeqCst);
        self.state.load(Ordering::Relaxed) == PARKED
            && self.state.compare_exchange(PARKED, LENT, Ordering::Acquire, Ordering::Relaxed).is_ok()
    }

    /// The work of the core is done as far as the caller can. `is_wanted`: the rest needs the core itself. True when the caller must
    /// send the wake.
    pub fn give_back(&self, is_wanted: bool) -> bool {
        let next = if is_wanted { AWAKE } else { PARKED };
        match self.state.compare_exchange(LENT, next, Ordering::Release, Ordering::Relaxed) {
            Ok(_) => is_wanted,
            Err(_) => match self.state.swap(AWAKE, Ordering::AcqRel) {
                // It is in the kernel.
                WANTED => true,
                AWAITED => {
                    wake_waiting(&self.state);
                    false
                }
                state => unreachable!("state {state} of a core that was lent"),
            },
        }
    }
}

/// Waits while it is AWAITED; may return before.
#[cfg(not(torc_loom))]
fn wait(state: &AtomicU32, looks: &mut u32) {
    *looks += 1;
    if *looks < LOOKS {
        return std::hint::spin_loop();
    }
    // SAFETY: the address is that of a living atomic; the call changes nothing.
    unsafe {
        libc::syscall(
            libc::SYS_futex,
            state.as_ptr(),
            libc::FUTEX_WAIT | libc::FUTEX_PRIVATE_FLAG,
            AWAITED,
            std::ptr::null::<libc::timespec>(),
        );
    }
}

#[cfg(not(torc_loom))]
fn wake_waiting(state: &AtomicU32) {
    // SAFETY: the address is that of a living atomic; the call changes nothing.
    unsafe { libc::syscall(libc::SYS_futex, state.as_ptr(), libc::FUTEX_WAKE | libc::FUTEX_PRIVATE_FLAG, 1) };
}

#[cfg(torc_loom)]
fn wait(_: &AtomicU32, _: &mut u32) {
    loom::thread::yield_now();
}

#[cfg(torc_loom)]
fn wake_waiting(_: &AtomicU32) {}
