//! A connection as the ring sees it: a descriptor, and which operations are in flight on it.
//!
//! ```text
//!   accepted -> open -> closing (cancelled, waiting for the last completion) -> closed
//! ```
//! A descriptor is closed only when no operation is in flight: closing does not cancel them, and the
//! number would be taken by a new connection while completions of the old one still come.

use std::os::fd::RawFd;

use torc_engine::ConnectionId;

/// The server's half of a session; the engine's half has the same index.
pub struct Connection {
    /// The socket.
    pub descriptor: RawFd,
    /// The engine's session.
    pub id: ConnectionId,
    /// A multishot receive is in flight.
    pub receiving: bool,
    /// The receive's cancellation has been submitted to the ring.
    pub cancelling: bool,
    /// The socket has taken all it could; a poll for room in it is in flight.
    pub is_full: bool,
    /// No more is received or sent.
    pub closing: bool,
}

impl Connection {
    /// A connection without any operation in flight.
    pub fn new(descriptor: RawFd, id: ConnectionId) -> Self {
        Connection { descriptor, id, receiving: false, cancelling: false, is_full: false, closing: false }
    }

    /// Whether the descriptor can be closed.
    pub fn is_quiet(&self) -> bool {
        !self.receiving && !self.is_full
    }
}
