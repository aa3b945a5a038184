//! Output that may not leave before what it shows is durable (`appendfsync always`). See docs/durability.md, "What is acknowledged when".
//!
//! ```text
//!   output   | free         | held: until this number | newer: not looked at yet |
//!                             \--the disk fails--> an error in the place of each reply
//! ```

use std::ops::Range;

use torc_engine::{ConnectionId, Inseparable};

use super::Core;

/// What the storage plane has said of the disk.
#[derive(Debug, Clone, Copy)]
pub struct Disk {
    /// All is durable up to this number.
    pub durable: u64,
    /// What is not, up to this number, may be lost.
    pub failed: u64,
}

/// The gate of one connection.
#[derive(Debug, Default, Clone, Copy)]
pub struct OutputGate {
    free: usize,
    held: usize,
    number: u64,
    /// It is on the list of those that are looked at again when more is durable.
    pub is_listed: bool,
}

impl OutputGate {
    /// Looks at the output, which has so many bytes and `shows` what is durable up to that number: what is newer is free, or held.
    pub fn look(&mut self, len: usize, shows: u64, durable: u64) {
        if self.number <= durable {
            self.free += std::mem::take(&mut self.held);
        }
        let newer = len - self.free - self.held;
        if newer > 0 && self.held == 0 {
            if shows <= durable {
                self.free = len;
            } else {
                (self.held, self.number) = (newer, shows);
            }
        }
    }

    /// The bytes that are held and show what may be lost.
    pub fn failed(&self, disk: Disk) -> Option<Range<usize>> {
        let has_failed = self.held > 0 && disk.durable < self.number && self.number <= disk.failed;
        has_failed.then(|| self.free..self.free + self.held)
    }

    /// So many bytes are in the place of those that were held, and show nothing.
    pub fn replaced(&mut self, len: usize) {
        self.free += len;
        self.held = 0;
    }

    /// So many bytes have left.
    pub fn note_sent(&mut self, sent: usize) {
        // Without the gate being looked at all of it may leave.
        self.free = self.free.saturating_sub(sent);
    }
}

impl Core {
    /// How many bytes of a connection's output may leave now.
    ///
    /// # Errors
    /// Some of it may be lost, and what is to be an error instead cannot be told from what has left.
    #[inline]
    pub(super) fn free_output(&mut self, id: ConnectionId) -> Result<usize, Inseparable> {
        match self.storage.disk() {
            None => Ok(usize::MAX),
            Some(disk) => self.gated_output(id, disk),
        }
    }

    fn gated_output(&mut self, id: ConnectionId, disk: Disk) -> Result<usize, Inseparable> {
        let Core { connections, engine, mesh, storage, .. } = self;
        let connection = connections[id.index as usize].as_mut().expect("it has output");
        let shows = engine.shows(id, || mesh.stream.last());
        loop {
            let len = engine.output_len(id);
            connection.gate.look(len, shows, disk.durable);
            let Some(held) = connection.gate.failed(disk) else {
                if connection.gate.free < len {
                    storage.list_waiting(id, connection);
                }
                return Ok(connection.gate.free);
            };
            let errors = engine.fail_output(id, held)?;
            connection.gate.replaced(errors);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(gate: &mut OutputGate, len: usize, shows: u64, durable: u64) -> usize {
        gate.look(len, shows, durable);
        gate.free
    }

    #[test]
    fn output_leaves_when_what_it_shows_is_durable() {
        let mut gate = OutputGate::default();
        assert_eq!(look(&mut gate, 10, 5, 5), 10, "nothing is open");
        gate.note_sent(10);
        assert_eq!(look(&mut gate, 7, 6, 5), 0);
        assert_eq!(look(&mut gate, 9, 8, 5), 0, "two bytes are newer");
        assert_eq!(look(&mut gate, 9, 9, 6), 7, "they wait for what was shown meanwhile");
        gate.note_sent(4);
        assert_eq!(look(&mut gate, 5, 9, 6), 3, "the socket was full");
        gate.note_sent(3);
        assert_eq!(look(&mut gate, 2, 9, 8), 0);
        assert_eq!(look(&mut gate, 2, 12, 9), 2);
        gate.note_sent(2);
        assert_eq!(look(&mut gate, 3, 9, 9), 3, "it shows nothing that is open");
    }

    #[test]
    fn what_may_be_lost_is_what_is_held_for_it() {
        let mut gate = OutputGate::default();
        gate.look(4, 6, 6);
        gate.look(10, 8, 6);
        gate.look(15, 9, 6);
        assert_eq!(gate.failed(Disk { durable: 6, failed: 7 }), None, "it waits for more than has failed");
        assert_eq!(gate.failed(Disk { durable: 8, failed: 8 }), None, "it is durable");
        assert_eq!(gate.failed(Disk { durable: 6, failed: 8 }), Some(4..10));
        gate.replaced(20);
        gate.look(29, 9, 6);
        assert_eq!(gate.failed(Disk { durable: 6, failed: 9 }), Some(24..29));
    }
}
