//! What the storage plane has for a core: a queue, and a doorbell that the core's ring watches while it sleeps.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

use crossbeam::queue::SegQueue;

use super::ToCore;

/// The inbox of a core. What is in it is bounded by whoever sends: a few parts of a file or batches of keys, and answers to those who
/// wait.
#[derive(Debug)]
pub struct Inbox {
    queue: SegQueue<ToCore>,
    doorbell: OwnedFd,
}

impl Inbox {
    /// An empty one.
    pub fn new() -> io::Result<Inbox> {
        // SAFETY: eventfd takes no pointers.
        let fd = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the kernel just returned this descriptor, and nobody else owns it.
        Ok(Inbox { queue: SegQueue::new(), doorbell: unsafe { OwnedFd::from_raw_fd(fd) } })
    }

    /// Puts a message in.
    pub fn push(&self, message: ToCore) {
        self.queue.push(message);
    }

    /// Takes the next message.
    pub fn pop(&self) -> Option<ToCore> {
        self.queue.pop()
    }

    /// Whether there is none.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// The descriptor that becomes readable when the doorbell rings.
    pub fn doorbell(&self) -> RawFd {
        self.doorbell.as_raw_fd()
    }

    /// Rings: the core sleeps, or is about to.
    pub fn ring(&self) {
        let one = 1u64.to_ne_bytes();
        // SAFETY: the pointer is good for the length. A full counter is readable already, which is all that matters.
        unsafe { libc::write(self.doorbell.as_raw_fd(), one.as_ptr().cast(), one.len()) };
    }

    /// Silences the doorbell.
    pub fn silence(&self) {
        let mut count = [0u8; 8];
        // SAFETY: the pointer is good for the length. If it has not rung there is nothing to read.
        unsafe { libc::read(self.doorbell.as_raw_fd(), count.as_mut_ptr().cast(), count.len()) };
    }
}
