//! A connection as the ring sees it: a descriptor, and which operations are in flight on it.
//!
//! ```text
//!   accepted -> open -> closing (cancelled, waiting for the last completion) -> closed
//! ```
//! A descriptor is closed only when no operation is in flight: closing does not cancel them, and the
//! number would be taken by a new connection while completions of the old one still come.

use std::os::fd::RawFd;

use torc_engine::ConnectionId;

use super::gate::OutputGate;
use super::ring::{Completion, GENERATION_MASK, Operation, Token};
use super::secure::Secure;

/// So many receives in a row make a long burst: the kernel reads this often before it looks at the socket again.
const BEHIND_LONG: u8 = 32;

/// The server's half of a session; the engine's half has the same index.
pub struct Connection {
    /// The socket.
    pub descriptor: RawFd,
    /// The engine's session.
    pub id: ConnectionId,
    /// A receive is in flight.
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
    /// How it is encrypted, if it is.
    pub secure: Option<Secure>,
    /// What of its output waits for the disk.
    pub gate: OutputGate,
}

impl Connection {
    /// A connection without any operation in flight.
    pub fn new(descriptor: RawFd, id: ConnectionId, secure: Option<Secure>) -> Self {
        Connection {
            descriptor,
            id,
            receiving: false,
            cancelling: false,
            silent_visits: 0,
            behind: 0,
            is_full: false,
            closing: false,
            secure,
            gate: OutputGate::default(),
        }
    }

    /// By which an operation on it is known to the ring.
    pub fn token(&self, operation: Operation) -> Token {
        Token { operation, index: self.id.index, generation: self.id.generation & GENERATION_MASK }
    }

    /// Notes whether a receive has left something in the socket. True when one has caught up with what came in a long burst.
    pub fn note_left(&mut self, completion: &Completion) -> bool {
        if completion.result <= 0 {
            if completion.result == -libc::ENOBUFS {
                self.behind = BEHIND_LONG;
            }
        } else if completion.leaves_some {
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

    /// Whether something was encrypted that the socket has not taken.
    pub fn is_pending(&self) -> bool {
        self.secure.as_ref().is_some_and(Secure::is_pending)
    }

    /// Whether the descriptor can be closed.
    pub fn is_quiet(&self) -> bool {
        !self.receiving && !self.is_full
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A ring may compare tokens as they are: also in the place of which the generations have begun anew they are what comes back.
    #[test]
    fn tokens_are_those_that_come_back() {
        for generation in [1, GENERATION_MASK, GENERATION_MASK + 8, u32::MAX] {
            let connection = Connection::new(-1, ConnectionId { index: 3, generation }, None);
            let token = connection.token(Operation::Receive);
            assert_eq!(Token::decode(token.encode()), token);
        }
    }
}
