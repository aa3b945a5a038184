//! What a core waits in and what it gets from there: finished operations, as plain values.
//!
//! ```text
//!                    asked for                          finished
//!   core ── accept, receive, when_writable, ... ─> Ring ── Completion ─> core
//!                                                   ├── uring.rs  one io_uring: the kernel does what is asked for
//!                                                   └── epoll.rs  where that is denied: done here, when epoll says that it can be
//! ```
//! Both give the same completions for the same questions, so that nothing outside of this folder asks which of them there is. What is
//! asked for stays asked for until its last completion; a descriptor is closed only after that ([`Ring::forget`] comes before).

mod buffers;
mod epoll;
mod token;
mod uring;

use std::io;
use std::os::fd::RawFd;
use std::time::Duration;

use epoll::Epoll;
use uring::Uring;

pub use buffers::BYTES as BUFFERS_BYTES;
pub use token::{GENERATION_MASK, Operation, Token};

/// A finished operation.
#[derive(Debug, Clone, Copy)]
pub struct Completion {
    /// What was asked.
    pub token: Token,
    /// The result: as the system call's, or a negative error number.
    pub result: i32,
    /// The buffer that was received into, which is to be given back.
    pub buffer: Option<u16>,
    /// Nothing more comes of what was asked for.
    pub is_last: bool,
    /// The socket holds more than was received.
    pub leaves_some: bool,
}

/// How long a receive goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Receive {
    /// For one buffer.
    Once,
    /// Until it fails or is cancelled.
    Always,
}

/// Which of the two a process uses: decided at its start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backend {
    /// io_uring.
    Uring,
    /// epoll.
    Epoll,
}

/// One core's ring. It belongs to the thread that has made it, and lives as long as the process.
pub enum Ring {
    /// On io_uring.
    Uring(Uring),
    /// On epoll.
    Epoll(Epoll),
}

/// Calls the method of the one that there is.
macro_rules! either {
    ($ring:expr, $method:ident($($argument:expr),*)) => {
        match $ring {
            Ring::Uring(ring) => ring.$method($($argument),*),
            Ring::Epoll(ring) => ring.$method($($argument),*),
        }
    };
}

/// What is known to it.
impl Ring {
    /// Creates the ring; must be called on the thread that uses it.
    ///
    /// # Errors
    /// The process has no descriptors or no memory for it.
    pub fn new(backend: Backend) -> io::Result<Self> {
        match backend {
            Backend::Uring => Uring::new().map(Ring::Uring),
            Backend::Epoll => Epoll::new().map(Ring::Epoll),
        }
    }

    /// By which other cores wake this one: to be given to [`Ring::wake`] of theirs.
    pub fn descriptor(&self) -> RawFd {
        either!(self, descriptor())
    }

    /// Makes a descriptor known before anything is asked of it. `token`: any operation of what it belongs to.
    ///
    /// # Errors
    /// The kernel keeps no more of them.
    pub fn register(&mut self, token: Token, descriptor: RawFd) -> io::Result<()> {
        match self {
            Ring::Uring(_) => Ok(()),
            Ring::Epoll(ring) => ring.register(token, descriptor),
        }
    }

    /// Before a descriptor is closed.
    pub fn forget(&mut self, token: Token) {
        if let Ring::Epoll(ring) = self {
            ring.forget(token);
        }
    }
}

/// What is asked for.
impl Ring {
    /// Connections of the listener that the token names, until one fails.
    pub fn accept(&mut self, token: Token, listener: RawFd) {
        either!(self, accept(token, listener));
    }

    /// Bytes of a connection, in buffers of the ring.
    #[inline]
    pub fn receive(&mut self, token: Token, socket: RawFd, how: Receive) {
        either!(self, receive(token, socket, how));
    }

    /// To be told once that a socket has room, or is broken.
    pub fn when_writable(&mut self, token: Token, socket: RawFd) {
        either!(self, when_writable(token, socket));
    }

    /// To be told once that an event descriptor is readable.
    pub fn when_readable(&mut self, token: Token, descriptor: RawFd) {
        either!(self, when_readable(token, descriptor));
    }

    /// Ends what was asked for by this token, if it has not ended: its last completion says ECANCELED then, or what was first.
    pub fn cancel(&mut self, token: Token) {
        either!(self, cancel(token));
    }

    /// Wakes the core whose ring has this descriptor; at the latest when this ring is next entered.
    pub fn wake(&mut self, descriptor: RawFd) {
        either!(self, wake(descriptor));
    }
}

/// What comes of it.
impl Ring {
    /// Whether something waits for this ring to be entered.
    #[inline]
    pub fn has_queued(&mut self) -> bool {
        either!(self, has_queued())
    }

    /// Enters the kernel; with `wait`, sleeps until there is a completion or the time is over.
    ///
    /// # Errors
    /// What a ring that works does not meet.
    #[inline]
    pub fn enter(&mut self, wait: Option<Duration>) -> io::Result<()> {
        either!(self, enter(wait))
    }

    /// Moves completions into `into`; true when there were some.
    #[inline]
    pub fn take_completions(&mut self, into: &mut Vec<Completion>) -> bool {
        either!(self, take_completions(into))
    }

    /// The first `len` bytes of a buffer that a completion has named.
    #[inline]
    pub fn received(&self, buffer: u16, len: usize) -> &[u8] {
        either!(self, received(buffer, len))
    }

    /// Gives a buffer back, with the next [`Ring::publish_buffers`] at the latest.
    #[inline]
    pub fn give_back(&mut self, buffer: u16) {
        either!(self, give_back(buffer));
    }

    /// Buffers that were given back can be received into.
    #[inline]
    pub fn publish_buffers(&mut self) {
        if let Ring::Uring(ring) = self {
            ring.publish_buffers();
        }
    }
}

#[cfg(test)]
mod tests;
