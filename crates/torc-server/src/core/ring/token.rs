//! The connection and operation of a completion, packed into the 64 bits that the kernel returns with it.
//!
//! ```text
//!   63      56 55            32 31             0
//!   [ kind   ] [ generation    ] [ index        ]
//! ```
//! By the generation the core distinguishes a late completion of a closed connection from one of its successor.

/// The kind of a completion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Operation {
    /// Multishot accept on the listener at `index`.
    Accept = 1,
    /// Multishot receive of a connection.
    Receive = 2,
    /// Room in the socket of a connection with output.
    Writable = 3,
    /// Cancellation; its own result does not matter.
    Cancel = 4,
    /// Another core has put something into our mailbox.
    Wake = 5,
    /// The stop signal's event descriptor is readable.
    Signal = 6,
    /// The doorbell of the inbox has rung.
    Doorbell = 7,
}

/// The identity of an operation in flight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Token {
    /// What it is for.
    pub operation: Operation,
    /// Index of the connection or listener.
    pub index: u32,
    /// Low 24 bits of the connection's generation.
    pub generation: u32,
}

/// Bits of a generation that a token keeps.
pub const GENERATION_MASK: u32 = 0x00ff_ffff;

impl Token {
    /// A token without a connection.
    pub const fn of(operation: Operation) -> Self {
        Token { operation, index: 0, generation: 0 }
    }

    /// As the kernel carries it.
    pub fn encode(self) -> u64 {
        u64::from(self.operation as u8) << 56
            | u64::from(self.generation & GENERATION_MASK) << 32
            | u64::from(self.index)
    }

    /// Back from the kernel.
    pub fn decode(bits: u64) -> Self {
        let operation = match bits >> 56 {
            1 => Operation::Accept,
            2 => Operation::Receive,
            3 => Operation::Writable,
            4 => Operation::Cancel,
            5 => Operation::Wake,
            6 => Operation::Signal,
            7 => Operation::Doorbell,
            other => panic!("the kernel returns only tokens it was given, not kind {other}"),
        };
        Token { operation, index: bits as u32, generation: (bits >> 32) as u32 & GENERATION_MASK }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_survive_the_kernel() {
        for operation in [Operation::Accept, Operation::Receive, Operation::Writable, Operation::Wake] {
            let token = Token { operation, index: u32::MAX - 5, generation: GENERATION_MASK - 1 };
            assert_eq!(Token::decode(token.encode()), token);
        }
    }
}
