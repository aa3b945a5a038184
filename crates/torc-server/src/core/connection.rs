//! A connection as the ring sees it: a descriptor, and which operations are in flight on it.
//!
//! ```text
//!   accepted -> open -> closing (cancelled, waiting for the last completion) -> closed
//! ```
//! A descriptor is closed only when no operation is in flight: closing does not cancel them, and the
//! number would be taken by a new connection while completions of the old one still come.

use std::collections::VecDeque;
use std::os::fd::RawFd;

use io_uring::cqueue;
use torc_engine::ConnectionId;

use super::ring::Completion;

/// So many receives in a row make a long burst: the kernel reads this often before it looks at the socket again.
const BEHIND_LONG: u8 = 32;

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
    /// Visits since something was last received (`silence.rs`).
    pub silent_visits: u8,
    /// Receives in a row that have left something in the socket; at its highest when one has found no buffer.
    pub behind: u8,
    /// Output that the socket would not take; a send of it is in flight while it is not empty.
    pub sending: Vec<u8>,
    /// How much of `sending` the socket has taken.
    pub sent: usize,
    /// Output behind `sending`, in chunks: one growing buffer would be copied whole each time it grows.
    pub waiting: VecDeque<Vec<u8>>,
    /// No more is received or sent.
    pub closing: bool,
}

impl Connection {
    /// A connection without any operation in flight.
    pub fn new(descriptor: RawFd, id: ConnectionId) -> Self {
        Connection {
            descriptor,
            id,
            receiving: false,
            cancelling: false,
            silent_visits: 0,
            behind: 0,
            sending: Vec::new(),
            sent: 0,
            waiting: VecDeque::new(),
            closing: false,
        }
    }

    /// Notes whether a receive has left something in the socket. True when one has caught up with what came in a long burst.
    pub fn note_left(&mut self, completion: &Completion) -> bool {
        if completion.result <= 0 {
            if completion.result == -libc::ENOBUFS {
                self.behind = BEHIND_LONG;
            }
        } else if cqueue::sock_nonempty(completion.flags) {
            self.behind = (self.behind + 1).min(BEHIND_LONG);
        } else {
            return std::mem::take(&mut self.behind) == BEHIND_LONG;
        }
        false
    }

    /// Whether a send is in flight.
    pub fn is_sending(&self) -> bool {
        !self.sending.is_empty()
    }

    /// Puts a chunk behind the output that is being sent.
    pub fn wait(&mut self, chunk: Vec<u8>) {
        self.waiting.push_back(chunk);
    }

    /// `sending` is sent: the next chunk takes its place. False when there is none.
    pub fn send_next(&mut self) -> bool {
        self.sent = 0;
        self.sending = self.waiting.pop_front().unwrap_or_default();
        self.is_sending()
    }

    /// Drops all output.
    pub fn drop_output(&mut self) {
        self.sending = Vec::new();
        self.sent = 0;
        self.waiting = VecDeque::new();
    }

    /// Whether the descriptor can be closed.
    pub fn is_quiet(&self) -> bool {
        !self.receiving && !self.is_sending()
    }
}
