//! A hash in object form.

use crate::elements::Elements;
use crate::storage::Storage;

/// See the head of the file.
#[derive(Debug, Default)]
pub struct Hash {
    elements: Elements,
}

impl Hash {
    /// Number of elements.
    pub fn len(&self) -> usize {
        self.elements.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of memory outside of the shard's heap, besides the struct itself.
    pub(crate) fn external_bytes(&self) -> usize {
        self.elements.external_bytes()
    }

    /// Bytes in the shard's heap.
    pub(crate) fn heap_bytes(&self) -> usize {
        self.elements.heap_bytes()
    }

    /// Frees a slice of it. True: nothing is left.
    pub(crate) fn dismantle(&mut self, storage: &mut Storage) -> bool {
        self.elements.dismantle(storage)
    }
}
