//! Key names found by a walk over a shard, encoded as they are found and counted for the array's head.

use torc_resp::{OutputBuffer, Protocol, Reply};

use crate::glob::{self, Case};

/// The elements of an array of key names whose length is known only at the end.
#[derive(Default)]
pub struct KeyList {
    encoded: OutputBuffer,
    len: usize,
}

impl KeyList {
    /// Appends a key name.
    pub fn push(&mut self, key: &[u8]) {
        // A bulk string is the same in both protocols.
        Reply::new(&mut self.encoded, Protocol::Resp2).bulk(key);
        self.len += 1;
    }

    /// Number of key names.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Writes the array.
    pub fn write(&self, reply: &mut Reply<'_>) {
        reply.array(self.len);
        reply.buffer().append_copy(&self.encoded);
    }
}

/// Which key names are wanted.
pub struct KeyPattern<'a>(Option<&'a [u8]>);

impl<'a> KeyPattern<'a> {
    /// All key names.
    pub const ALL: KeyPattern<'static> = KeyPattern(None);

    /// Those that match a glob pattern. The pattern `*` alone means all, even the empty name, which it
    /// would not match as a pattern.
    pub fn new(pattern: &'a [u8]) -> Self {
        KeyPattern((pattern != b"*").then_some(pattern))
    }

    /// Whether this key name is wanted.
    pub fn matches(&self, key: &[u8]) -> bool {
        self.0.is_none_or(|pattern| glob::matches(pattern, key, Case::Sensitive))
    }
}
