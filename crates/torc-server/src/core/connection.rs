//! A connection as the ring sees it: a descriptor, and which operations are in flight on it.
//!
//! ```text
//!   accepted -> open -> closing (cancelled, waiting for the last completion) -> closed
//! ```
//! A descriptor is closed only when no operation is in flight: closing does not cancel them, and the
//! number would be taken by a new connection while completions of the old one still come.

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
    /// The socket has taken all it could; a poll for room in it is in flight.
    pub is_full: bool,
    /// No more is received or sent.
    pub closing: bool,
    /// What of its output waits for the disk.
    pub gate: OutputGate,
}

/// Output that may not leave before what it shows is durable (`appendfsync always`).
///
/// ```text
///   output   | free         | held: until this number | newer: not looked at yet |
/// ```
/// Everything is held until the last number that anybody had taken when it was first looked at, which is more than it shows and never less.
#[derive(Debug, Default, Clone, Copy)]
pub struct OutputGate {
    free: usize,
    held: usize,
    number: u64,
    /// It is on the list of those that are looked at again when more is durable.
    pub is_listed: bool,
}

impl OutputGate {
    /// How many bytes of the output, which has so many, may leave now. `last`: the last number; `durable`: up to which number all is.
    pub fn allowed(&mut self, len: usize, last: u64, durable: u64) -> usize {
        if self.number <= durable {
            self.free += std::mem::take(&mut self.held);
        }
        let newer = len - self.free - self.held;
        if newer > 0 && self.held == 0 {
            if last <= durable {
                self.free = len;
            } else {
                (self.held, self.number) = (newer, last);
            }
        }
        self.free
    }

    /// So many bytes have left.
    pub fn note_sent(&mut self, sent: usize) {
        // Without the gate being looked at all of it may leave.
        self.free = self.free.saturating_sub(sent);
    }

    /// Whether something waits for a number up to this one.
    pub fn waits_for(&self, up_to: u64) -> bool {
        self.held > 0 && self.number <= up_to
    }
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
            is_full: false,
            closing: false,
            gate: OutputGate::default(),
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

    /// Whether it has found no buffer, or had many of them, and has not caught up since.
    pub fn is_far_behind(&self) -> bool {
        self.behind == BEHIND_LONG
    }

    /// Whether the descriptor can be closed.
    pub fn is_quiet(&self) -> bool {
        !self.receiving && !self.is_full
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_leaves_when_what_it_shows_is_durable() {
        let mut gate = OutputGate::default();
        assert_eq!(gate.allowed(10, 5, 5), 10, "nothing is open");
        gate.note_sent(10);
        assert_eq!(gate.allowed(7, 6, 5), 0);
        assert!(gate.waits_for(6) && !gate.waits_for(5));
        assert_eq!(gate.allowed(9, 8, 5), 0, "two bytes are newer");
        assert_eq!(gate.allowed(9, 9, 6), 7, "they wait for what was taken meanwhile");
        gate.note_sent(4);
        assert_eq!(gate.allowed(5, 9, 6), 3, "the socket was full");
        gate.note_sent(3);
        assert_eq!(gate.allowed(2, 9, 8), 0);
        assert_eq!(gate.allowed(2, 12, 9), 2);
        gate.note_sent(2);
        assert!(!gate.waits_for(u64::MAX));
    }
}
