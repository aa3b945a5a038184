//! The table of the elements of one big collection: fields of a hash, members of a set or a sorted set.
//!
//! It is the table of a database in small: each element is an entry (name, value, optional expiry) in the shard's heap,
//! found through segments that grow one at a time, so that a collection of millions never rehashes as a whole and SCAN
//! keeps its guarantee.

use crate::UnixMillis;
use crate::database::{Database, Dismantled, hash_of};
use crate::entry::{EntryPointer, Traits};
use crate::keyspace::Prefetched;
use crate::storage::{Storage, shell_bytes};
use crate::text::StringForm;
use crate::workshop::{Lens, Workshop};

/// What every element starts from: a string.
const ELEMENT: Traits = Traits { kind: 0, form: StringForm::Auto as u8, access: 0 };

/// An element, to be read.
#[derive(Clone, Copy, Debug)]
pub struct Element<'a> {
    pub(crate) entry: EntryPointer,
    lifetime: std::marker::PhantomData<&'a [u8]>,
}

impl<'a> Element<'a> {
    fn of(entry: EntryPointer) -> Element<'a> {
        Element { entry, lifetime: std::marker::PhantomData }
    }

    /// Its name: the field or member.
    pub fn name(&self) -> &'a [u8] {
        self.entry.key()
    }

    /// Its value; empty for a member of a set.
    pub fn value(&self) -> &'a [u8] {
        self.entry.value()
    }

    /// When it expires; it is gone after that millisecond.
    pub fn expire_at(&self) -> Option<UnixMillis> {
        self.entry.expire_at()
    }
}

/// See the head of the file.
#[derive(Debug)]
pub struct Elements {
    table: Table,
    /// Bytes of the elements' entries in the shard's heap and of values outside of it.
    element_bytes: usize,
}

#[derive(Debug)]
enum Table {
    Live(Database),
    Dismantled(Dismantled),
}

impl Default for Elements {
    fn default() -> Self {
        Elements { table: Table::Live(Database::new()), element_bytes: 0 }
    }
}

impl Elements {
    /// Number of elements, expired ones not yet removed included.
    pub fn len(&self) -> usize {
        match &self.table {
            Table::Live(table) => table.len(),
            Table::Dismantled(parts) => parts.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Number of elements with an expiry.
    pub fn expires_len(&self) -> usize {
        self.table().expires_len()
    }

    /// Finds an element, expired or not.
    #[inline]
    pub fn find<'a>(&'a self, lens: &Lens, name: &[u8]) -> Option<Element<'a>> {
        self.table().find(hash_of(&lens.hasher, name), name).map(|(_, slot)| Element::of(slot.entry()))
    }

    /// Asks the CPU to fetch the part of the table that a lookup of the name will need.
    #[inline]
    pub fn prefetch(&self, lens: &Lens, name: &[u8]) -> Prefetched<'_> {
        Prefetched::of(self.table(), hash_of(&lens.hasher, name))
    }

    /// Sets the value and the expiry of an element. True: it is new.
    pub fn set(
        &mut self,
        workshop: &mut Workshop<'_>,
        name: &[u8],
        value: &[u8],
        expire_at: Option<UnixMillis>,
    ) -> bool {
        self.put(workshop, name, value, expire_at).1
    }

    /// The same; gives the entry, which stays where it is until the element is set again or removed.
    pub(crate) fn put(
        &mut self,
        workshop: &mut Workshop<'_>,
        name: &[u8],
        value: &[u8],
        expire_at: Option<UnixMillis>,
    ) -> (EntryPointer, bool) {
        let hash = hash_of(&workshop.lens.hasher, name);
        let Some((position, slot)) = self.table().find(hash, name) else {
            let entry = workshop.storage.create(name, value, expire_at, ELEMENT);
            self.element_bytes += entry_memory(entry);
            self.live().insert(&mut workshop.tools(), hash, entry);
            return (entry, true);
        };
        let (old, old_expire_at) = (slot.entry(), slot.entry().expire_at());
        self.element_bytes -= entry_memory(old);
        let new = workshop.storage.replace(old, value, expire_at, ELEMENT);
        self.element_bytes += entry_memory(new);
        self.live().replace(hash, position, old_expire_at, new);
        (new, false)
    }

    /// Adds an element that is known not to be there.
    pub(crate) fn add(
        &mut self,
        workshop: &mut Workshop<'_>,
        name: &[u8],
        value: &[u8],
        expire_at: Option<UnixMillis>,
    ) -> EntryPointer {
        let entry = workshop.storage.create(name, value, expire_at, ELEMENT);
        self.element_bytes += entry_memory(entry);
        let hash = hash_of(&workshop.lens.hasher, name);
        self.live().insert(&mut workshop.tools(), hash, entry);
        entry
    }

    /// Adds an element with an empty value and no expiry unless it is there. True: it is new.
    #[inline]
    pub fn insert(&mut self, workshop: &mut Workshop<'_>, name: &[u8]) -> bool {
        let hash = hash_of(&workshop.lens.hasher, name);
        let is_new = self.table().find(hash, name).is_none();
        if is_new {
            let entry = workshop.storage.create(name, &[], None, ELEMENT);
            self.element_bytes += entry_memory(entry);
            self.live().insert(&mut workshop.tools(), hash, entry);
        }
        is_new
    }

    /// Changes or removes the expiry of an element that is there.
    pub(crate) fn set_expire_at(&mut self, workshop: &mut Workshop<'_>, name: &[u8], expire_at: Option<UnixMillis>) {
        let hash = hash_of(&workshop.lens.hasher, name);
        let (position, slot) = self.table().find(hash, name).expect("the caller has found the element");
        let (old, old_expire_at) = (slot.entry(), slot.entry().expire_at());
        self.element_bytes -= entry_memory(old);
        let new = workshop.storage.set_expire_at(old, expire_at);
        self.element_bytes += entry_memory(new);
        self.live().replace(hash, position, old_expire_at, new);
    }

    /// Removes an element. Whether it was there.
    pub fn remove(&mut self, workshop: &mut Workshop<'_>, name: &[u8]) -> bool {
        match self.take(workshop, name) {
            Some(entry) => {
                workshop.storage.free(entry);
                true
            }
            None => false,
        }
    }

    /// Takes an element out of the table; its entry is the caller's from now on, to be freed.
    pub(crate) fn take(&mut self, workshop: &mut Workshop<'_>, name: &[u8]) -> Option<EntryPointer> {
        let hash = hash_of(&workshop.lens.hasher, name);
        let (position, slot) = self.table().find(hash, name)?;
        self.element_bytes -= entry_memory(slot.entry());
        Some(self.live().remove(&mut workshop.tools(), hash, position))
    }

    /// Visits about `count` elements from `cursor` on, with the guarantee of [`crate::Keyspace::scan`], and returns the
    /// cursor to go on with, 0 at the end. Nothing is removed.
    pub fn scan(
        &mut self,
        workshop: &mut Workshop<'_>,
        cursor: u64,
        count: usize,
        visit: &mut dyn FnMut(Element<'_>),
    ) -> u64 {
        let mut tools = workshop.tools();
        self.live().scan(&mut tools, cursor, count.max(1), |slot| {
            visit(Element::of(slot.entry()));
            false
        })
    }

    /// Visits all elements, in no particular order.
    pub fn for_each<'a>(&'a self, mut visit: impl FnMut(Element<'a>)) {
        self.table().for_each(|slot| visit(Element::of(slot.entry())));
    }

    /// All elements, in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = Element<'_>> {
        self.table().slots().map(|slot| Element::of(slot.entry()))
    }

    /// An element chosen by the number `random`, each about equally likely.
    pub fn random<'a>(&'a self, random: u64) -> Option<Element<'a>> {
        self.table().random(random).map(|(_, slot)| Element::of(slot.entry()))
    }

    /// Removes up to one segment's worth of expired elements, walking on from call to call; gives the number removed and
    /// whether the walk came to its end.
    pub fn sweep_step(&mut self, workshop: &mut Workshop<'_>, now: UnixMillis) -> (usize, bool) {
        let mut expired = Vec::new();
        let swept = self.live().sweep_step(&mut workshop.tools(), now, |entry| expired.push(entry));
        for &entry in &expired {
            self.element_bytes -= entry_memory(entry);
            workshop.storage.free(entry);
        }
        (expired.len(), swept.finished)
    }

    /// Whether [`Elements::sweep_step`] has something to do at `now`.
    pub fn is_due(&self, now: UnixMillis) -> bool {
        self.table().is_due(now)
    }

    /// No element expires before this time (by estimate, never too late).
    pub fn due(&self) -> UnixMillis {
        self.table().due()
    }

    /// Bytes outside of the shard's heap: the directory.
    pub(crate) fn external_bytes(&self) -> usize {
        match &self.table {
            Table::Live(table) => table.directory_bytes(),
            Table::Dismantled(parts) => parts.directory_bytes(),
        }
    }

    /// Bytes of the elements, and their share of the table.
    pub(crate) fn heap_bytes(&self) -> usize {
        self.element_bytes + self.len() * crate::value::TABLE_SHARE_BYTES
    }

    /// Frees one segment with its elements. True: nothing is left.
    pub(crate) fn dismantle(&mut self, storage: &mut Storage) -> bool {
        if let Table::Live(table) = &mut self.table {
            let table = std::mem::replace(table, Database::new());
            self.table = Table::Dismantled(Dismantled::of(table));
        }
        let Table::Dismantled(parts) = &mut self.table else { unreachable!("just made so") };
        parts.step(storage);
        parts.is_done()
    }

    #[inline]
    fn table(&self) -> &Database {
        match &self.table {
            Table::Live(table) => table,
            Table::Dismantled(_) => unreachable!("what is being freed is not used"),
        }
    }

    #[inline]
    fn live(&mut self) -> &mut Database {
        match &mut self.table {
            Table::Live(table) => table,
            Table::Dismantled(_) => unreachable!("what is being freed is not used"),
        }
    }
}

/// Memory of an element's entry and of a value outside of it.
fn entry_memory(entry: EntryPointer) -> usize {
    shell_bytes(entry) + entry.buffer().map_or(0, |buffer| buffer.resident_bytes())
}
