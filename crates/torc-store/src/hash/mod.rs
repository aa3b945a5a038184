//! Hashes: in a pack of fields and values, or in a table of fields.
//!
//! ```text
//! HashRef     reads a hash in any form, as it is at a time        HashMut   changes one
//! Limits      when the pack gives way to a table                  create, build   make one
//! ```
//! A pack holds field, value, field, value and so on, in the order in which the fields came. It becomes a table when it grows, and when a
//! field gets an expiry, since only a table has room for those; nothing turns back. A table that would be a pack but for its expiries
//! is *small*, which only OBJECT ENCODING shows.
//!
//! A field that has expired is hidden at once. It is removed by the next command that meets it, or by the background: each
//! hash that has expiring fields is registered with the time when the first of them is due ([`crate::field_expiry`]).

mod pairs;
mod read;
#[cfg(test)]
mod tests;
mod write;

pub use read::{HashField, HashRef};
pub use write::{HashMut, Ttl, build, create};

use crate::UnixMillis;
use crate::elements::Elements;
use crate::pack::PACK_LEN_MAX;
use crate::segment::NEVER;
use crate::storage::Storage;
use crate::workshop::Workshop;

/// When a pack gives way to a table (`hash-max-listpack-entries`, `hash-max-listpack-value`).
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Most fields of a pack.
    pub pack_len_max: usize,
    /// Longest field or value in a pack, in bytes.
    pub pack_text_len_max: usize,
}

impl Limits {
    /// Whether a pack may have so many fields.
    fn holds_len(&self, len: usize) -> bool {
        len <= self.pack_len_max.min(PACK_LEN_MAX / 2)
    }

    /// Whether a pack may have this field with this value.
    #[inline]
    fn holds_pair(&self, field: &[u8], value: &[u8]) -> bool {
        field.len().max(value.len()) <= self.pack_text_len_max
    }
}

/// A hash in a table.
#[derive(Debug)]
pub struct Hash {
    fields: Elements,
    /// It would be a pack but for its expiries.
    is_small: bool,
    /// Under which number and time it is registered for the expiry of its fields; time [`NEVER`]: it is not.
    pub(crate) id: u64,
    pub(crate) registered_due: UnixMillis,
}

impl Default for Hash {
    fn default() -> Self {
        Hash { fields: Elements::default(), is_small: false, id: 0, registered_due: NEVER }
    }
}

impl Hash {
    /// Number of fields, expired ones not yet removed included.
    pub fn len(&self) -> usize {
        self.fields.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether it would be a pack but for its expiries.
    pub fn is_small(&self) -> bool {
        self.is_small
    }

    /// Whether fields of it expire, or have expired and are not removed yet.
    pub fn has_expiries(&self) -> bool {
        self.fields.expires_len() > 0
    }

    /// No field expires before this time.
    pub(crate) fn due(&self) -> UnixMillis {
        self.fields.due()
    }

    /// Removes some expired fields, a segment's worth of work; returns their number and whether that was all of them.
    pub(crate) fn sweep_step(&mut self, workshop: &mut Workshop<'_>, now: UnixMillis) -> (usize, bool) {
        let (removed, finished) = self.fields.sweep_step(workshop, now);
        (removed, finished || self.fields.expires_len() == 0)
    }

    /// The table, for reading.
    pub(crate) fn fields(&self) -> &Elements {
        &self.fields
    }

    /// The table, to be moved to another heap or shard.
    pub(crate) fn fields_mut(&mut self) -> &mut Elements {
        &mut self.fields
    }

    /// Bytes of memory outside of the shard's heap, besides the struct itself.
    pub(crate) fn external_bytes(&self) -> usize {
        self.fields.external_bytes()
    }

    /// Bytes in the shard's heap.
    pub(crate) fn heap_bytes(&self) -> usize {
        self.fields.heap_bytes()
    }

    /// Frees a slice of it. True: nothing is left.
    pub(crate) fn dismantle(&mut self, storage: &mut Storage) -> bool {
        self.fields.dismantle(storage)
    }
}
