//! Figures of a keyspace: counters since its start, and memory.

use super::Keyspace;
use crate::database::Database;
use crate::table::Dismantled;

/// Counters of a keyspace since its start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KeyspaceStats {
    /// Keys removed because they had expired.
    pub expired_keys: u64,
    /// Fields of hashes removed because they had expired.
    pub expired_fields: u64,
    /// Keys and large values waiting to be freed by `background`.
    pub lazyfree_pending_objects: u64,
    /// Keys and large values freed by `background`.
    pub lazyfreed_objects: u64,
    /// Segments split in two.
    pub splits: u64,
    /// Segments whose keys were hashed again.
    pub rehashes: u64,
    /// Pairs of segments merged.
    pub merges: u64,
    /// Longest time by which `background` removed a key after its expiry, in milliseconds.
    pub expiry_lag_ms_max: u64,
    /// Most keys a single insertion has moved inside the table.
    pub keys_moved_max: usize,
    /// Most cells of the directory a single insertion has copied.
    pub cells_moved_max: usize,
}

/// Memory of a keyspace, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MemoryUse {
    /// Slots holding entries.
    pub entries_bytes: usize,
    /// Parts of the heap's pages that hold nothing.
    pub entries_wasted_bytes: usize,
    /// Segments and directories.
    pub table_bytes: usize,
    /// Values and keys outside the heap, including ones waiting to be freed.
    pub large_bytes: usize,
    /// Values that are gone from their keys, and are still being sent.
    pub lent_bytes: usize,
    /// What is taken to save keys: written and not taken yet, set aside, or known of big values.
    pub saving_bytes: usize,
    /// All of the above.
    pub total_bytes: usize,
    /// All of the above, without what the heap's pages waste.
    pub used_bytes: usize,
}

impl Keyspace {
    /// Counters.
    pub fn stats(&self) -> KeyspaceStats {
        let keys: usize = self.doomed.iter().map(Dismantled::len).sum();
        let pending = (keys + self.storage.large.doomed_len() + self.storage.doomed_len()) as u64;
        KeyspaceStats {
            lazyfree_pending_objects: pending,
            expired_keys: self.changes.expired_keys(),
            expired_fields: self.changes.expired_fields(),
            ..self.stats
        }
    }

    /// Bytes of entries, tables and values: what changes with each command. Reads three numbers.
    #[inline]
    pub fn quick_bytes(&self) -> usize {
        let heap = self.storage.heap.usage();
        heap.entries + heap.table + self.storage.large.bytes()
    }

    /// Gives pages that hold nothing back to the system.
    pub fn purge(&mut self) {
        self.storage.heap.purge();
    }

    /// Whether what was removed waits to be freed.
    pub fn has_doomed(&self) -> bool {
        self.storage.large.doomed_len() > 0 || self.storage.doomed_len() > 0 || !self.doomed.is_empty()
    }

    /// Memory use; counted, not estimated.
    pub fn memory(&self) -> MemoryUse {
        let heap = self.storage.heap.usage();
        let directories: usize = self
            .databases
            .iter()
            .flatten()
            .map(|database| database.table().directory_bytes() + size_of::<Database>())
            .chain(self.doomed.iter().map(Dismantled::directory_bytes))
            .sum();
        let large_bytes = self.storage.large.bytes() + self.storage.field_expiry.bytes();
        let lent_bytes = self.storage.large.loans.left_bytes();
        let saving_bytes = self.saving_bytes();
        MemoryUse {
            entries_bytes: heap.entries,
            entries_wasted_bytes: heap.pages - heap.entries - heap.table,
            table_bytes: heap.table + directories,
            large_bytes,
            lent_bytes,
            saving_bytes,
            used_bytes: heap.entries + heap.table + directories + large_bytes + lent_bytes + saving_bytes,
            total_bytes: heap.pages + directories + large_bytes + lent_bytes + saving_bytes,
        }
    }
}
