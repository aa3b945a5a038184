//! Members that a command has collected, copied: its reply needs their number first, and a set is built of all of them.

use torc_resp::Reply;
use torc_store::pack::Packed;

/// Copied members, counted, in the order in which they were added.
#[derive(Debug, Default)]
pub struct Members {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Members {
    /// Adds one.
    pub fn push(&mut self, member: Packed<'_>) {
        member.with_bytes(|bytes| self.bytes.extend_from_slice(bytes));
        self.ends.push(self.bytes.len());
    }

    /// Number of members.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// All of them.
    pub fn slices(&self) -> Vec<&[u8]> {
        let starts = std::iter::once(&0).chain(&self.ends);
        starts.zip(&self.ends).map(|(&start, &end)| &self.bytes[start..end]).collect()
    }

    /// Writes them as the set that is the reply.
    pub fn write(&self, reply: &mut Reply<'_>) {
        reply.set(self.len());
        self.slices().into_iter().for_each(|member| reply.bulk(member));
    }
}
