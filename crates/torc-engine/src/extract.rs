//! What one core tells another of its keys for a relay: one value in RESP2, or several in an array, within `relay-max-bytes`.
//!
//! Whoever writes need not ask for room. What goes beyond the bound is not kept, nor what was written before it, and the end says so:
//! the command fails before it has changed anything.

use torc_resp::{OutputBuffer, Protocol, Reply};

use crate::error::CommandError;

/// The error of a command whose extracts together, or one of them, would be larger than `relay-max-bytes`.
pub const TOO_LARGE: CommandError =
    CommandError::fixed("ERR the command would carry more than relay-max-bytes from core to core");

/// More than the head of any value takes.
const HEAD_BYTES_MAX: usize = 64;

/// An extract while it is written.
#[derive(Debug)]
pub struct Extract {
    bytes: OutputBuffer,
    bytes_max: usize,
}

impl Extract {
    /// An empty one that may become so many bytes long.
    pub fn new(bytes_max: usize) -> Extract {
        let mut bytes = OutputBuffer::new();
        // The buffer counts the room for a head before it is written; what is there at the end is what counts.
        bytes.set_limit(bytes_max.saturating_add(HEAD_BYTES_MAX));
        Extract { bytes, bytes_max }
    }

    /// Begins an array of so many values, which follow.
    pub fn array(&mut self, len: usize) {
        self.reply().array(len);
    }

    /// A string.
    pub fn bulk(&mut self, bytes: &[u8]) {
        self.reply().bulk(bytes);
    }

    /// An integer.
    pub fn integer(&mut self, value: i64) {
        self.reply().integer(value);
    }

    /// Null.
    pub fn null(&mut self) {
        self.reply().null();
    }

    /// A value that is encoded already.
    pub fn raw(&mut self, encoded: &[u8]) {
        self.reply().raw(encoded);
    }

    /// All that was written.
    ///
    /// # Errors
    ///
    /// [`TOO_LARGE`].
    pub fn finish(self) -> Result<Vec<u8>, CommandError> {
        let is_over = self.bytes.is_cut() || self.bytes.len() > self.bytes_max;
        if is_over { Err(TOO_LARGE) } else { Ok(self.bytes.into_vec()) }
    }

    #[inline]
    fn reply(&mut self) -> Reply<'_> {
        Reply::new(&mut self.bytes, Protocol::Resp2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_beyond_the_bound_is_not_kept() {
        let mut extract = Extract::new(16);
        extract.array(2);
        extract.bulk(b"ab");
        extract.integer(7);
        assert_eq!(extract.finish(), Ok(b"*2\r\n$2\r\nab\r\n:7\r\n".to_vec()));
        for len in [3, 1 << 20] {
            let mut extract = Extract::new(8);
            extract.bulk(&vec![b'x'; len]);
            assert!(extract.bytes.memory_bytes() < 100, "a string of {len} bytes is not kept");
            extract.null();
            assert_eq!(extract.finish(), Err(TOO_LARGE));
        }
    }
}
