//! The table of the elements of one big collection: fields of a hash, members of a set or a sorted set.
//!
//! It is the table that a database has, too ([`crate::table`]): each element is an entry (name, value, optional expiry) in a heap, found through
//! segments that grow one at a time, so that a collection of millions never rehashes as a whole and SCAN keeps its guarantee.
//!
//! ```text
//! small table   entries and segments in the shard's heap, among those of all keys
//! big table     entries and segments in a heap of its own, which can go to another shard as a whole
//! ```
//! A table that becomes big ([`BigFrom`]) moves out of the shard's heap at once, some thousand elements at most; it stays in its own
//! heap from then on, however small it becomes. While it is worked on, its heap takes the place of the shard's in the storage.

use crate::database::Expiries;
use crate::entry::{EntryPointer, Traits};
use crate::keyspace::Prefetched;
use crate::segment::{Hash, NEVER, Position};
use crate::storage::{Storage, large_bytes, shell_bytes};
use crate::table::{Dismantled, Table, Vacated, hash_of};
use crate::text::StringForm;
use crate::workshop::{Lens, Workshop};
use crate::{Heap, UnixMillis};

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

    /// The field of a hash, or the member of a set or sorted set.
    pub fn name(&self) -> &'a [u8] {
        self.entry.key()
    }

    /// The value of a hash's field; empty for a member of a set.
    pub fn value(&self) -> &'a [u8] {
        self.entry.value()
    }

    /// When it expires; it is gone after that millisecond.
    pub fn expire_at(&self) -> Option<UnixMillis> {
        self.entry.expire_at()
    }
}

/// The elements of one collection, by name; each name is there once.
#[derive(Debug)]
pub struct Elements {
    form: Form,
    /// Of its elements, if one ever had an expiry.
    expiries: Option<Box<Expiries>>,
    /// Its own heap, if it is or was big.
    own: Option<Box<Heap>>,
    /// Bytes of the elements' entries in the heap and of values outside of it.
    element_bytes: usize,
    /// Those outside of it.
    element_large_bytes: usize,
}

/// From when on a table is big.
#[derive(Clone, Copy, Debug)]
pub struct BigFrom {
    /// Number of elements.
    pub len: usize,
    /// Bytes of elements.
    pub bytes: usize,
}

impl BigFrom {
    /// To move so many elements out of the shard's heap takes a good part of a millisecond. A heap of its own wastes a few kibibytes.
    pub(crate) const DEFAULT: BigFrom = BigFrom { len: 4096, bytes: 256 << 10 };

    /// Whether so much is big.
    fn reached(self, len: usize, bytes: usize) -> bool {
        len >= self.len || bytes >= self.bytes
    }
}

#[derive(Debug)]
enum Form {
    Live(Table),
    Dismantled(Dismantled),
}

impl Default for Elements {
    fn default() -> Self {
        Elements {
            form: Form::Live(Table::default()),
            expiries: None,
            own: None,
            element_bytes: 0,
            element_large_bytes: 0,
        }
    }
}

impl Elements {
    /// A table that is to get so many elements, with names and values of so many bytes.
    pub(crate) fn expecting(lens: &Lens, len: usize, bytes: usize) -> Elements {
        let own = lens.big_from.reached(len, bytes).then(|| Box::new(Heap::of_table()));
        Elements { own, ..Elements::default() }
    }

    /// Whether it is big and still lies in the shard's heap. So it does until it gets the next element.
    #[inline]
    pub(crate) fn must_move_out(&self, lens: &Lens) -> bool {
        self.own.is_none() && lens.big_from.reached(self.len(), self.heap_bytes())
    }

    /// Moves into a heap of its own.
    #[cold]
    pub(crate) fn move_out(&mut self, storage: &mut Storage) {
        self.move_out_by(storage, |_, _| ()).free(storage);
    }

    /// [`Elements::move_out`] for elements whose values are eight bytes and whose entries are referred to from elsewhere: `follow` updates
    /// those references while each old entry still holds the address of its replacement.
    #[cold]
    pub(crate) fn move_out_followed(&mut self, storage: &mut Storage, follow: impl FnOnce()) {
        let vacated = self.move_out_by(storage, EntryPointer::set_replacement);
        follow();
        vacated.free(storage);
    }

    fn move_out_by(&mut self, storage: &mut Storage, renewed: impl FnMut(EntryPointer, EntryPointer)) -> Vacated {
        assert!(self.own.is_none(), "a table moves out once");
        self.own = Some(Box::new(Heap::of_table()));
        let shard = self.enter(storage);
        let vacated = self.live().renew(storage, renewed);
        self.leave(storage, shard);
        vacated
    }

    /// Whether it is big, wherever it lies.
    pub(crate) fn is_big(&self, lens: &Lens) -> bool {
        self.is_independent() || self.must_move_out(lens)
    }

    /// Whether it has a heap of its own.
    pub(crate) fn is_independent(&self) -> bool {
        self.own.is_some()
    }

    /// Bytes of memory that neither lies in a heap nor is counted by [`Elements::external_bytes`].
    pub(crate) fn large_bytes(&self) -> usize {
        self.element_large_bytes
    }

    /// Number of elements, expired ones not yet removed included.
    pub fn len(&self) -> usize {
        match &self.form {
            Form::Live(table) => table.len(),
            Form::Dismantled(parts) => parts.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Number of elements with an expiry.
    pub fn expires_len(&self) -> usize {
        self.expiries.as_ref().map_or(0, |expiries| expiries.len())
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
        self.make_room(workshop);
        self.at_home(workshop, |elements, workshop| {
            let hash = hash_of(&workshop.lens.hasher, name);
            let Some((position, slot)) = elements.table().find(hash, name) else {
                let entry = workshop.storage.create(name, value, expire_at, ELEMENT);
                elements.count(entry);
                elements.put(workshop, hash, entry);
                return true;
            };
            let (old, old_expire_at) = (slot.entry(), slot.entry().expire_at());
            elements.uncount(old);
            let new = workshop.storage.replace(old, value, expire_at, ELEMENT);
            elements.count(new);
            elements.put_in_place(hash, position, old_expire_at, new);
            false
        })
    }

    /// Adds an element that is known not to be there, wherever the table is; returns its entry, which stays where it is until the element is set
    /// again or removed, or the table moves out.
    pub(crate) fn add(
        &mut self,
        workshop: &mut Workshop<'_>,
        name: &[u8],
        value: &[u8],
        expire_at: Option<UnixMillis>,
    ) -> EntryPointer {
        self.at_home(workshop, |elements, workshop| {
            let entry = workshop.storage.create(name, value, expire_at, ELEMENT);
            elements.count(entry);
            let hash = hash_of(&workshop.lens.hasher, name);
            elements.put(workshop, hash, entry);
            entry
        })
    }

    /// Adds an element with an empty value and no expiry unless it is there. True: it is new.
    #[inline]
    pub fn insert(&mut self, workshop: &mut Workshop<'_>, name: &[u8]) -> bool {
        let hash = hash_of(&workshop.lens.hasher, name);
        let is_new = self.table().find(hash, name).is_none();
        if is_new {
            self.make_room(workshop);
            self.at_home(workshop, |elements, workshop| {
                let entry = workshop.storage.create(name, &[], None, ELEMENT);
                elements.count(entry);
                elements.put(workshop, hash, entry);
            });
        }
        is_new
    }

    /// Changes or removes the expiry of an element that is there.
    pub(crate) fn set_expire_at(&mut self, workshop: &mut Workshop<'_>, name: &[u8], expire_at: Option<UnixMillis>) {
        let hash = hash_of(&workshop.lens.hasher, name);
        let (position, slot) = self.table().find(hash, name).expect("the caller has found the element");
        let (old, old_expire_at) = (slot.entry(), slot.entry().expire_at());
        self.at_home(workshop, |elements, workshop| {
            elements.uncount(old);
            let new = workshop.storage.set_expire_at(old, expire_at);
            elements.count(new);
            elements.put_in_place(hash, position, old_expire_at, new);
        });
    }

    /// Removes an element. Whether it was there.
    pub fn remove(&mut self, workshop: &mut Workshop<'_>, name: &[u8]) -> bool {
        match self.take(workshop, name) {
            Some(entry) => {
                self.free(workshop, entry);
                true
            }
            None => false,
        }
    }

    /// Frees an entry that was taken out.
    pub(crate) fn free(&mut self, workshop: &mut Workshop<'_>, entry: EntryPointer) {
        self.at_home(workshop, |_, workshop| workshop.storage.free(entry));
    }

    /// The same for many.
    pub(crate) fn free_all(&mut self, storage: &mut Storage, entries: impl Iterator<Item = EntryPointer>) {
        let shard = self.enter(storage);
        entries.for_each(|entry| storage.free(entry));
        self.leave(storage, shard);
    }

    /// Takes an element out of the table; its entry is the caller's from now on, for [`Elements::free`].
    pub(crate) fn take(&mut self, workshop: &mut Workshop<'_>, name: &[u8]) -> Option<EntryPointer> {
        let hash = hash_of(&workshop.lens.hasher, name);
        let (position, slot) = self.table().find(hash, name)?;
        self.uncount(slot.entry());
        Some(self.at_home(workshop, |elements, workshop| {
            let entry = elements.live().remove(&mut workshop.tools(), hash, position);
            if let (Form::Live(table), Some(expiries)) = (&elements.form, &mut elements.expiries) {
                expiries.remove(table, entry.expire_at());
            }
            entry
        }))
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
        self.at_home(workshop, |elements, workshop| {
            elements.live().scan(&mut workshop.tools(), cursor, count.max(1), |slot| {
                visit(Element::of(slot.entry()));
                false
            })
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

    /// Removes up to one segment's worth of expired elements, walking on from call to call; returns the number removed and
    /// whether the walk came to its end.
    pub fn sweep_step(&mut self, workshop: &mut Workshop<'_>, now: UnixMillis) -> (usize, bool) {
        self.at_home(workshop, |elements, workshop| {
            let Elements { form: Form::Live(table), expiries: Some(expiries), .. } = elements else { return (0, true) };
            let mut expired = Vec::new();
            let swept = expiries.sweep_step(table, &mut workshop.tools(), now, |entry| expired.push(entry));
            for &entry in &expired {
                workshop.changes.note_expired_field(entry.key());
                elements.uncount(entry);
                workshop.storage.free(entry);
            }
            (expired.len(), swept.finished)
        })
    }

    /// Which positions the next [`Elements::sweep_step`] looks at, if it may remove elements there.
    pub(crate) fn next_sweep(&self, now: UnixMillis) -> Option<std::ops::Range<u64>> {
        let (Form::Live(table), Some(expiries)) = (&self.form, &self.expiries) else { return None };
        expiries.next_sweep(table, now)
    }

    /// Whether [`Elements::sweep_step`] has something to do at `now`.
    pub fn is_due(&self, now: UnixMillis) -> bool {
        self.expiries.as_ref().is_some_and(|expiries| expiries.is_due(now))
    }

    /// No element expires before this time (by estimate, never too late).
    pub fn due(&self) -> UnixMillis {
        self.expiries.as_ref().map_or(NEVER, |expiries| expiries.due())
    }

    /// Bytes outside of the shard's heap: the directory, and the pages of its own heap.
    pub(crate) fn external_bytes(&self) -> usize {
        let directory = match &self.form {
            Form::Live(table) => table.directory_bytes(),
            Form::Dismantled(parts) => parts.directory_bytes(),
        };
        let expiries = self.expiries.as_ref().map_or(0, |_| size_of::<Expiries>());
        directory + expiries + self.own.as_ref().map_or(0, |own| own.usage().pages)
    }

    /// Bytes of the elements, and their share of the table, besides what [`Elements::external_bytes`] counts.
    pub(crate) fn heap_bytes(&self) -> usize {
        match self.own {
            Some(_) => self.element_large_bytes,
            None => self.element_bytes + self.len() * crate::value::TABLE_SHARE_BYTES,
        }
    }

    /// Frees one segment with its elements, or a few pages of its own heap. True: nothing is left.
    pub(crate) fn dismantle(&mut self, storage: &mut Storage) -> bool {
        if self.own.as_mut().is_some_and(|own| own.return_some()) {
            return false;
        }
        let shard = self.enter(storage);
        let done = self.dismantle_table(storage);
        self.leave(storage, shard);
        if done && !self.own.as_ref().is_some_and(|own| own.has_excess()) {
            self.own = None;
            return true;
        }
        false
    }

    fn dismantle_table(&mut self, storage: &mut Storage) -> bool {
        if let Form::Live(table) = &mut self.form {
            let table = std::mem::take(table);
            self.form = Form::Dismantled(Dismantled::of(table));
        }
        let Form::Dismantled(parts) = &mut self.form else { unreachable!("just made so") };
        parts.step(storage);
        parts.is_done()
    }

    /// Adds the entry of an element that is not there.
    #[inline]
    fn put(&mut self, workshop: &mut Workshop<'_>, hash: Hash, entry: EntryPointer) {
        self.live().insert(&mut workshop.tools(), hash, entry);
        self.follow_expiry(hash, None, entry.expire_at());
    }

    /// Stores the entry that replaces one whose expiry was `old_expire_at`.
    #[inline]
    fn put_in_place(&mut self, hash: Hash, position: Position, old_expire_at: Option<UnixMillis>, entry: EntryPointer) {
        self.live().replace(hash, position, entry);
        self.follow_expiry(hash, old_expire_at, entry.expire_at());
    }

    #[inline]
    fn follow_expiry(&mut self, hash: Hash, old: Option<UnixMillis>, new: Option<UnixMillis>) {
        if old != new
            && let Form::Live(table) = &mut self.form
        {
            self.expiries.get_or_insert_default().replace(table, hash, old, new);
        }
    }

    /// Moves out if it is big by now, before it grows on.
    #[inline]
    fn make_room(&mut self, workshop: &mut Workshop<'_>) {
        if self.must_move_out(workshop.lens) {
            self.move_out(workshop.storage);
        }
    }

    /// Works with the heap in the storage in which the table lies.
    #[inline]
    fn at_home<T>(
        &mut self,
        workshop: &mut Workshop<'_>,
        work: impl FnOnce(&mut Elements, &mut Workshop<'_>) -> T,
    ) -> T {
        let shard = self.enter(workshop.storage);
        let result = work(self, workshop);
        self.leave(workshop.storage, shard);
        if let Some(own) = &mut self.own
            && own.has_excess()
        {
            own.return_some();
        }
        result
    }

    /// Puts its own heap into the storage, if it has one, and gives the shard's, for [`Elements::leave`].
    #[inline]
    fn enter(&mut self, storage: &mut Storage) -> Option<Box<Heap>> {
        self.own.take().map(|own| std::mem::replace(&mut storage.heap, own))
    }

    #[inline]
    fn leave(&mut self, storage: &mut Storage, shard: Option<Box<Heap>>) {
        self.own = shard.map(|shard| std::mem::replace(&mut storage.heap, shard));
    }

    #[inline]
    fn count(&mut self, entry: EntryPointer) {
        let large = large_bytes(entry);
        self.element_bytes += entry_memory(entry);
        self.element_large_bytes += large;
    }

    #[inline]
    fn uncount(&mut self, entry: EntryPointer) {
        self.element_bytes -= entry_memory(entry);
        self.element_large_bytes -= large_bytes(entry);
    }

    #[inline]
    pub(crate) fn table(&self) -> &Table {
        match &self.form {
            Form::Live(table) => table,
            Form::Dismantled(_) => unreachable!("what is being freed is not used"),
        }
    }

    #[inline]
    fn live(&mut self) -> &mut Table {
        match &mut self.form {
            Form::Live(table) => table,
            Form::Dismantled(_) => unreachable!("what is being freed is not used"),
        }
    }
}

/// Memory of an element's entry and of a value outside of it.
fn entry_memory(entry: EntryPointer) -> usize {
    shell_bytes(entry) + entry.buffer().map_or(0, |buffer| buffer.resident_bytes())
}
