//! Protocol errors: mistakes of a client below the level of commands. Each ends its connection after the reply.

use std::fmt::{self, Display, Formatter};

/// A violation of the protocol. `Display` gives the reply's text without the leading `-`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProtocolError {
    /// An inline request opens a quote it does not close, or goes on right after a closing one.
    UnbalancedQuotes,
    /// An inline request of more than 64 KiB.
    InlineTooBig,
    /// A `*` line of more than 64 KiB.
    MultibulkCountTooBig,
    /// The `*` line is no number, or one above 2^31 - 1.
    MultibulkLengthInvalid,
    /// More than 10 arguments before authentication.
    MultibulkLengthUnauthenticated,
    /// A `$` line of more than 64 KiB.
    BulkCountTooBig,
    /// The `$` line is no number, a negative one, or one above the limit.
    BulkLengthInvalid,
    /// An argument of more than 16 KiB before authentication.
    BulkLengthUnauthenticated,
    /// An argument begins with something else than `$`.
    DollarExpected {
        /// The byte found instead.
        got: u8,
    },
}

impl ProtocolError {
    /// Appends the text without the leading `-`. Unlike `Display` this keeps an offending byte above 127 as it came.
    pub fn write_to(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"ERR Protocol error: ");
        out.extend_from_slice(self.reason().as_bytes());
        if let Self::DollarExpected { got } = self {
            out.extend_from_slice(&[printable(*got), b'\'']);
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::UnbalancedQuotes => "unbalanced quotes in request",
            Self::InlineTooBig => "too big inline request",
            Self::MultibulkCountTooBig => "too big mbulk count string",
            Self::MultibulkLengthInvalid => "invalid multibulk length",
            Self::MultibulkLengthUnauthenticated => "unauthenticated multibulk length",
            Self::BulkCountTooBig => "too big bulk count string",
            Self::BulkLengthInvalid => "invalid bulk length",
            Self::BulkLengthUnauthenticated => "unauthenticated bulk length",
            Self::DollarExpected { .. } => "expected '$', got '",
        }
    }
}

impl Display for ProtocolError {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        write!(formatter, "ERR Protocol error: {}", self.reason())?;
        if let Self::DollarExpected { got } = self {
            write!(formatter, "{}'", char::from(printable(*got)))?;
        }
        Ok(())
    }
}

impl std::error::Error for ProtocolError {}

/// A line end inside an error reply would end the reply, so Redis shows it as a space.
fn printable(byte: u8) -> u8 {
    if matches!(byte, b'\r' | b'\n') { b' ' } else { byte }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_renderings_agree_on_ascii() {
        for got in 0..128 {
            let error = ProtocolError::DollarExpected { got };
            let mut bytes = Vec::new();
            error.write_to(&mut bytes);
            assert_eq!(bytes, error.to_string().as_bytes());
        }
        assert_eq!(
            ProtocolError::DollarExpected { got: b'\r' }.to_string(),
            "ERR Protocol error: expected '$', got ' '"
        );
    }

    #[test]
    fn a_byte_above_127_stays_one_byte() {
        let mut bytes = Vec::new();
        ProtocolError::DollarExpected { got: 0xff }.write_to(&mut bytes);
        assert_eq!(bytes, b"ERR Protocol error: expected '$', got '\xff'");
    }
}
