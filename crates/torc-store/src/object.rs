//! Values with many elements, each an object of its own beside the entry.
//!
//! ```text
//! kind \ form   packed (bytes in the entry or its buffer)      integers          object
//! list          pack of the elements                           -                 List: deque of packed nodes
//! set           pack of the members                            sorted integers   Elements: a table of members
//! sorted set    pack of members and scores, by score           -                 SortedSet: table and ranked tree
//! hash          pack of fields and values                      -                 Hash: a table of fields
//! stream        -                                              -                 Stream: deque of packed nodes, groups
//! ```
//!
//! An entry in object form holds the address of its box. Elements of small tables are entries of the shard's heap; all other
//! memory of an object, the heap of a big table included, is its *external* memory, which the object counts and the shard's
//! accounting follows.

use crate::elements::Elements;
use crate::hash::Hash;
use crate::list::List;
use crate::set::Set;
use crate::sorted_set::SortedSet;
use crate::storage::Storage;
use crate::stream::Stream;
use crate::value::Kind;

/// How the elements of a collection are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum CollectionForm {
    /// In one run of bytes, see [`crate::pack`].
    Packed = 0,
    /// In an [`Object`].
    Object = 1,
    /// As sorted integers of one width.
    Integers = 2,
}

/// A collection in object form.
#[derive(Debug)]
pub enum Object {
    /// A list.
    List(List),
    /// A set.
    Set(Set),
    /// A sorted set.
    SortedSet(SortedSet),
    /// A hash.
    Hash(Hash),
    /// A stream.
    Stream(Stream),
}

impl Object {
    /// What it is.
    pub fn kind(&self) -> Kind {
        match self {
            Object::List(_) => Kind::List,
            Object::Set(_) => Kind::Set,
            Object::SortedSet(_) => Kind::SortedSet,
            Object::Hash(_) => Kind::Hash,
            Object::Stream(_) => Kind::Stream,
        }
    }

    /// The table of its elements, if it has one.
    #[inline]
    pub(crate) fn elements(&self) -> Option<&Elements> {
        match self {
            Object::Set(set) => Some(set.members()),
            Object::SortedSet(set) => Some(set.members()),
            Object::Hash(hash) => Some(hash.fields()),
            Object::List(_) | Object::Stream(_) => None,
        }
    }

    /// Leaves the shard's heap, if it is a table that lies in it.
    pub(crate) fn become_independent(&mut self, storage: &mut Storage) {
        if self.elements().is_none_or(Elements::is_independent) {
            return;
        }
        match self {
            Object::Set(set) => set.members_mut().move_out(storage),
            Object::SortedSet(set) => set.move_out(storage),
            Object::Hash(hash) => hash.fields_mut().move_out(storage),
            Object::List(_) | Object::Stream(_) => {}
        }
    }

    /// Number of elements (of a stream, also of references to them); how much work it is to free it.
    pub(crate) fn len(&self) -> usize {
        match self {
            Object::List(list) => list.len(),
            Object::Set(set) => set.len(),
            Object::SortedSet(set) => set.len(),
            Object::Hash(hash) => hash.len(),
            Object::Stream(stream) => stream.weight(),
        }
    }

    /// Bytes outside of the shard's heap, the object's own box included.
    pub(crate) fn external_bytes(&self) -> usize {
        let own = match self {
            Object::List(list) => list.external_bytes(),
            Object::Set(set) => set.external_bytes(),
            Object::SortedSet(set) => set.external_bytes(),
            Object::Hash(hash) => hash.external_bytes(),
            Object::Stream(stream) => stream.external_bytes(),
        };
        own + size_of::<Object>()
    }

    /// All bytes that the value holds, for MEMORY USAGE.
    pub(crate) fn memory_bytes(&self) -> usize {
        let in_heap = match self {
            Object::List(_) | Object::Stream(_) => 0,
            Object::Set(set) => set.heap_bytes(),
            Object::SortedSet(set) => set.heap_bytes(),
            Object::Hash(hash) => hash.heap_bytes(),
        };
        in_heap + self.external_bytes()
    }

    /// Frees a slice of it, some tens of microseconds of work. True: nothing is left, and all of its external bytes are
    /// uncounted.
    pub(crate) fn dismantle(&mut self, storage: &mut Storage) -> bool {
        let before = self.external_bytes();
        let done = match self {
            Object::List(list) => list.dismantle(),
            Object::Set(set) => set.dismantle(storage),
            Object::SortedSet(set) => set.dismantle(storage),
            Object::Hash(hash) => hash.dismantle(storage),
            Object::Stream(stream) => stream.dismantle(),
        };
        let after = if done { 0 } else { self.external_bytes() };
        storage.large.uncount(before - after);
        done
    }
}
