//! Big values, which are saved in pieces: a slice of the walk is a few of their elements, and so is what is saved before one of them
//! changes.
//!
//! ```text
//!   a cell of keys is saved: its small values whole, and its big ones begin: key, number of elements
//!        |
//!   begun values, oldest first    | 3: 700,000 of 1,000,000 to go | 5: 4,096 of 5,000 to go | 6: ... |
//!                                   ^ the walk is here until it is through
//!   HSET of a field of 5            its cell is saved, unless it was; the sink has a buffer for it until its turn comes
//! ```
//! So whatever changes in a value was announced when the value had begun. It is known by the address of its object, which stays what it
//! is under RENAME, MOVE and all changes of its elements. An object whose key gives it up meanwhile (DEL, SET, FLUSHALL, its time)
//! is kept by the storage until it is through ([`Storage::keep`]), so that the duty never has to look.
//!
//! Elements of a list have an order, so what changes of it is not saved at once but set aside until the walk comes to it ([`super::windows`]).
//!
//! What is added later lies in cells that are saved already, or in no window. At the end there must have been as many elements as at the cut: the file
//! has their number at the head of the value.

use std::collections::BTreeMap;
use std::ops::Range;
use std::ptr::NonNull;

use super::KeySink;
use super::cells::Cells;
use super::windows::Windows;
use crate::UnixMillis;
use crate::change::Part;
use crate::database::is_expired;
use crate::elements::Elements;
use crate::entry::EntryPointer;
use crate::list::List;
use crate::object::Object;
use crate::pack::Packed;
use crate::storage::Storage;
use crate::table::hash_of;
use crate::value::ValueRef;
use crate::workshop::Lens;

/// A piece of a value that is saved in pieces.
#[derive(Clone, Copy, Debug)]
pub enum Piece<'a> {
    /// A member of a set, or the next element of a list.
    Text(Packed<'a>),
    /// A member of a sorted set, and its score.
    Scored(&'a [u8], f64),
    /// A field of a hash, and its value.
    Field(&'a [u8], &'a [u8]),
}

/// What brings keys and values to the sink.
#[derive(Debug)]
pub(super) struct Carrier {
    pub sink: Box<dyn KeySink>,
    /// Keys that expired before are not saved.
    cut_at: UnixMillis,
    /// Values that have begun and are not through, by their numbers.
    begun: BTreeMap<u64, BigValue>,
    /// Their numbers by the addresses of their objects.
    numbers: BTreeMap<usize, u64>,
    /// Values that ever began.
    count: u64,
    /// Memory that they take, apart from what the sink holds.
    bytes: usize,
}

/// A value that has begun.
#[derive(Debug)]
struct BigValue {
    /// Live until the storage is told to let it go.
    object: NonNull<Object>,
    /// Elements of the cut that are not saved yet.
    left: usize,
    rest: Rest,
}

/// Which elements are left.
#[derive(Debug)]
enum Rest {
    /// Of a table, in any order.
    Cells(Cells),
    /// Of a list, in its order.
    Windows(Windows),
}

impl Carrier {
    pub fn new(sink: Box<dyn KeySink>, cut_at: UnixMillis) -> Carrier {
        Carrier { sink, cut_at, begun: BTreeMap::new(), numbers: BTreeMap::new(), count: 0, bytes: 0 }
    }

    /// Saves a key, or begins its value. `db`: the database in which it was at the cut.
    pub fn save(&mut self, lens: &Lens, storage: &mut Storage, db: u16, entry: EntryPointer) {
        if is_expired(entry.expire_at(), self.cut_at) {
            return;
        }
        let value = ValueRef { entry, lens };
        let Some(object) = entry.object().filter(|_| comes_in_pieces(value)) else {
            return self.sink.save(db, value);
        };
        self.count += 1;
        let value_object = value.object().expect("it has just been seen");
        let rest = match value_object {
            Object::List(list) => Rest::Windows(Windows::of(list)),
            _ => Rest::Cells(Cells::of(value_object.elements().expect("it is a table").table())),
        };
        let begun = BigValue { object, left: value_object.len(), rest };
        self.sink.begin(self.count, db, value, begun.left);
        storage.keep(object);
        self.numbers.insert(object.addr().get(), self.count);
        self.bytes += begun.bytes();
        self.begun.insert(self.count, begun);
    }

    /// A part of an object is about to change.
    pub fn before(&mut self, lens: &Lens, object: NonNull<Object>, part: &Part<'_>) {
        let Some(number) = self.numbers.get(&object.addr().get()) else { return };
        let value = self.begun.get_mut(number).expect("a number is that of a value");
        let before = value.bytes();
        // SAFETY: the object is live, and nobody changes it meanwhile.
        match (part, unsafe { object.as_ref() }) {
            (Part::Element(name), _) => value.save_before(lens, *number, name, &mut *self.sink),
            // No field expired at the cut, or at any later time: one that does has changed since.
            (Part::Expired(_), _) => {}
            (Part::Indexes(indexes), Object::List(list)) => value.set_aside(list, indexes.clone()),
            (Part::Indexes(ranks), Object::SortedSet(set)) => {
                for rank in ranks.clone() {
                    value.save_before(lens, *number, set.member_at(rank), &mut *self.sink);
                }
            }
            (part, _) => unreachable!("{part:?} of a value that does not come in pieces"),
        }
        self.bytes = self.bytes - before + value.bytes();
    }

    /// Saves a few elements of the value that began first. Whether there is one.
    pub fn step(&mut self, lens: &Lens, storage: &mut Storage) -> bool {
        let Some(mut first) = self.begun.first_entry() else { return false };
        let number = *first.key();
        let before = first.get().bytes();
        let has_more = first.get_mut().step(lens, number, &mut *self.sink);
        self.bytes = self.bytes - before + first.get().bytes();
        if !has_more {
            self.end(storage, number);
        }
        true
    }

    /// Saves what is left of an object that leaves the shard, in one go.
    pub fn save_rest(&mut self, lens: &Lens, storage: &mut Storage, object: NonNull<Object>) {
        let Some(&number) = self.numbers.get(&object.addr().get()) else { return };
        let value = self.begun.get_mut(&number).expect("a number is that of a value");
        let before = value.bytes();
        while value.step(lens, number, &mut *self.sink) {}
        self.bytes = self.bytes - before + value.bytes();
        self.end(storage, number);
    }

    fn end(&mut self, storage: &mut Storage, number: u64) {
        let value = self.begun.remove(&number).expect("it has begun");
        assert_eq!(value.left, 0, "elements of the cut are missing");
        self.sink.end(number);
        self.let_go(storage, &value);
    }

    fn let_go(&mut self, storage: &mut Storage, value: &BigValue) {
        self.numbers.remove(&value.object.addr().get());
        self.bytes -= value.bytes();
        storage.let_go(value.object);
    }

    /// Nothing more is to be saved.
    pub fn give_up(mut self, storage: &mut Storage) {
        for value in std::mem::take(&mut self.begun).into_values() {
            self.let_go(storage, &value);
        }
    }

    /// Bytes of memory that are taken to save.
    pub fn bytes(&self) -> usize {
        self.bytes + self.sink.held()
    }
}

impl BigValue {
    /// Bytes of memory; of a table at most.
    fn bytes(&self) -> usize {
        let rest = match &self.rest {
            Rest::Cells(cells) => cells.bytes_max(),
            Rest::Windows(windows) => windows.bytes(),
        };
        size_of::<BigValue>() + rest
    }

    /// Saves the element of a table with this name, and those of its cell, unless that is done.
    fn save_before(&mut self, lens: &Lens, number: u64, name: &[u8], sink: &mut dyn KeySink) {
        let BigValue { object, left, rest: Rest::Cells(cells) } = self else { unreachable!("a list has no names") };
        // SAFETY: the storage keeps it until it is told to let it go, and who changes it does not call the duty meanwhile.
        let object = unsafe { object.as_ref() };
        let table = object.elements().expect("it is a table").table();
        cells.save_before(lens, table, hash_of(&lens.hasher, name), |entry| {
            *left = left.checked_sub(1).expect("there are no more elements than at the cut");
            sink.add(number, piece_of(object, entry));
        });
    }

    /// Elements of a list are about to change.
    fn set_aside(&mut self, list: &List, indexes: Range<usize>) {
        let Rest::Windows(windows) = &mut self.rest else { unreachable!("it is a list") };
        windows.set_aside(list, indexes);
    }

    /// Saves a few elements. False: that was all.
    fn step(&mut self, lens: &Lens, number: u64, sink: &mut dyn KeySink) -> bool {
        let BigValue { object, left, rest } = self;
        // SAFETY: as in `save_before`.
        let object = unsafe { object.as_ref() };
        let mut add = |piece: Piece<'_>| {
            *left = left.checked_sub(1).expect("there are no more elements than at the cut");
            sink.add(number, piece);
        };
        match (rest, object) {
            (Rest::Windows(windows), Object::List(list)) => {
                windows.step(list, |element| add(Piece::Text(element))) > 0 && *left > 0
            }
            (Rest::Cells(cells), _) => {
                let table = object.elements().expect("it is a table").table();
                cells.walk_on(lens, table, |entry| add(piece_of(object, entry))) && *left > 0
            }
            (Rest::Windows(_), _) => unreachable!("an object stays what it is"),
        }
    }
}

/// Whether a value is saved in pieces: one that is big, unless fields of it expire. Then it may be saved with fewer elements than it has, and
/// their number must be known at the beginning.
fn comes_in_pieces(value: ValueRef<'_>) -> bool {
    match value.object() {
        Some(Object::List(list)) => value.is_big() && !list.is_empty(),
        Some(object) => {
            let is_big = |elements: &Elements| elements.is_big(value.lens) && elements.expires_len() == 0;
            object.elements().is_some_and(|elements| is_big(elements) && !elements.is_empty())
        }
        None => false,
    }
}

fn piece_of<'a>(object: &'a Object, entry: EntryPointer) -> Piece<'a> {
    match object {
        Object::Set(_) => Piece::Text(Packed::Bytes(entry.key())),
        Object::Hash(_) => Piece::Field(entry.key(), entry.value()),
        Object::SortedSet(_) => Piece::Scored(entry.key(), crate::sorted_set::score_of(entry)),
        Object::List(_) | Object::Stream(_) => unreachable!("it is no table"),
    }
}
