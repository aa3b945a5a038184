//! What one core tells another of its keys for a relay: one value in RESP2, or several in an array, within `relay-max-bytes`.
//!
//! Whoever writes need not ask for room. What goes beyond the bound is not kept, nor what was written before it, and the end says so:
//! the command fails before it has changed anything.

use torc_resp::{Protocol, Reply};

use crate::error::CommandError;

/// The error of a command whose extracts together, or one of them, would be larger than `relay-max-bytes`.
pub const TOO_LARGE: CommandError =
    CommandError::fixed("ERR the command would carry more than relay-max-bytes from core to core");

/// An extract while it is written.
#[derive(Debug)]
pub struct Extract {
    bytes: Vec<u8>,
    bytes_max: usize,
    is_over: bool,
}

impl Extract {
    /// An empty one that may become so many bytes long.
    pub fn new(bytes_max: usize) -> Extract {
        Extract { bytes: Vec::new(), bytes_max, is_over: false }
    }

    /// Begins an array of so many values, which follow.
    pub fn array(&mut self, len: usize) {
        self.write(0, |reply| reply.array(len));
    }

    /// A string.
    pub fn bulk(&mut self, bytes: &[u8]) {
        self.write(bytes.len(), |reply| reply.bulk(bytes));
    }

    /// An integer.
    pub fn integer(&mut self, value: i64) {
        self.write(0, |reply| reply.integer(value));
    }

    /// Null.
    pub fn null(&mut self) {
        self.write(0, |reply| reply.null());
    }

    /// A value that is encoded already.
    pub fn raw(&mut self, encoded: &[u8]) {
        self.write(encoded.len(), |reply| reply.raw(encoded));
    }

    /// All that was written.
    ///
    /// # Errors
    ///
    /// [`TOO_LARGE`].
    pub fn finish(self) -> Result<Vec<u8>, CommandError> {
        if self.is_over { Err(TOO_LARGE) } else { Ok(self.bytes) }
    }

    /// Writes a value with a payload of `len` bytes.
    #[inline]
    fn write(&mut self, len: usize, write: impl FnOnce(&mut Reply<'_>)) {
        if self.is_over {
            return;
        }
        let fits = self.bytes.len() + len <= self.bytes_max;
        if fits {
            write(&mut Reply::new(&mut self.bytes, Protocol::Resp2));
        }
        if !fits || self.bytes.len() > self.bytes_max {
            self.is_over = true;
            self.bytes = Vec::new();
        }
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
            assert!(extract.bytes.capacity() == 0, "a string of {len} bytes is not kept");
            extract.null();
            assert_eq!(extract.finish(), Err(TOO_LARGE));
        }
    }
}
