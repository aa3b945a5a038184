//! The admin connections that are open, of which the oldest give way to new ones.
//!
//! Whoever keeps connections open without asking for anything could otherwise keep everybody else out. One that was never
//! answered gives way before one that was; among equals the one that has been so for longest.

use std::cell::RefCell;
use std::os::fd::RawFd;
use std::rc::Rc;

/// Maximum open admin connections.
pub(super) const CONNECTIONS_MAX: usize = 64;

/// The open connections of the executor.
#[derive(Debug, Default)]
pub(super) struct OpenConnections {
    open: Vec<OpenConnection>,
    /// Counts what happens to connections, so that one can tell what came first.
    clock: u64,
}

#[derive(Debug)]
struct OpenConnection {
    /// When it was accepted, by the clock: identifies it.
    accepted: u64,
    /// When it was answered last; 0: never.
    answered: u64,
    descriptor: RawFd,
}

impl OpenConnections {
    fn add(&mut self, descriptor: RawFd) -> u64 {
        if self.open.len() >= CONNECTIONS_MAX {
            let oldest = self.open.iter().enumerate().min_by_key(|(_, open)| (open.answered, open.accepted));
            let (index, _) = oldest.expect("there are some");
            let descriptor = self.open.swap_remove(index).descriptor;
            // Its task finds the connection ended and closes it. Nobody is to be told if it has ended already.
            // SAFETY: takes numbers only; the descriptor is open as long as its guard has not taken it from the list.
            unsafe { libc::shutdown(descriptor, libc::SHUT_RDWR) };
        }
        self.clock += 1;
        self.open.push(OpenConnection { accepted: self.clock, answered: 0, descriptor });
        self.clock
    }

    fn note_answer(&mut self, accepted: u64) {
        self.clock += 1;
        if let Some(open) = self.open.iter_mut().find(|open| open.accepted == accepted) {
            open.answered = self.clock;
        }
    }

    fn remove(&mut self, accepted: u64) {
        self.open.retain(|open| open.accepted != accepted);
    }
}

/// Keeps a connection in the list for as long as its task lives.
pub(super) struct OpenGuard {
    connections: Rc<RefCell<OpenConnections>>,
    accepted: u64,
}

impl OpenGuard {
    /// Adds a connection; if there are too many, another is ended.
    pub(super) fn new(connections: &Rc<RefCell<OpenConnections>>, descriptor: RawFd) -> OpenGuard {
        let accepted = connections.borrow_mut().add(descriptor);
        OpenGuard { connections: Rc::clone(connections), accepted }
    }

    /// The connection has been sent an answer.
    pub(super) fn note_answer(&self) {
        self.connections.borrow_mut().note_answer(self.accepted);
    }
}

impl Drop for OpenGuard {
    fn drop(&mut self) {
        self.connections.borrow_mut().remove(self.accepted);
    }
}
