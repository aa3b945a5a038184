//! Output buffers that were used before. A session has one only while it has output, so that thousands of idle connections hold none; one that
//! was used before is in the cache and need not grow again.

use crate::session::Session;

/// A larger one is given back to the allocator.
const BYTES_OF_ONE_MAX: usize = 64 * 1024;

/// Bytes of all of them. A message to a thousand subscribers takes a thousand buffers, as a rule small ones.
const BYTES_MAX: usize = 8 * 1024 * 1024;

/// Buffers for sessions that have none: used last, lent first.
#[derive(Default)]
pub(super) struct SpareOutputs {
    buffers: Vec<Vec<u8>>,
    /// What all of them take.
    bytes: usize,
}

impl SpareOutputs {
    /// Gives a session without an output buffer one.
    #[inline]
    pub(super) fn lend(&mut self, session: &mut Session) {
        if session.out.tail_capacity() == 0
            && session.out.is_empty()
            && let Some(buffer) = self.buffers.pop()
        {
            self.bytes -= buffer.capacity();
            session.out.lend_memory(buffer);
        }
    }

    /// Takes the empty or sent output buffer of a session, for the next one that has some.
    #[inline]
    pub(super) fn take(&mut self, session: &mut Session) {
        let capacity = session.out.tail_capacity();
        if capacity == 0 {
            return;
        }
        let buffer = session.out.take_memory();
        if capacity <= BYTES_OF_ONE_MAX && self.bytes + capacity <= BYTES_MAX {
            self.bytes += capacity;
            self.buffers.push(buffer);
        }
    }
}
