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
//! What is added later lies in cells that are saved already. At the end there must have been as many elements as at the cut: the file
//! has their number at the head of the value.

use std::collections::BTreeMap;
use std::ptr::NonNull;

use super::KeySink;
use super::cells::Cells;
use crate::UnixMillis;
use crate::change::Part;
use crate::database::is_expired;
use crate::entry::EntryPointer;
use crate::object::Object;
use crate::pack::Packed;
use crate::storage::Storage;
use crate::table::hash_of;
use crate::value::ValueRef;
use crate::workshop::Lens;

/// A piece of a value that is saved in pieces.
#[derive(Clone, Copy, Debug)]
pub enum Piece<'a> {
    /// A member of a set.
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
    cells: Cells,
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
        let elements = value.object().and_then(Object::elements).expect("only tables come in pieces");
        self.count += 1;
        self.sink.begin(self.count, db, value, elements.len());
        storage.keep(object);
        self.numbers.insert(object.addr().get(), self.count);
        let value = BigValue { object, left: elements.len(), cells: Cells::of(elements.table()) };
        self.bytes += value.bytes();
        self.begun.insert(self.count, value);
    }

    /// A part of an object is about to change.
    pub fn before(&mut self, lens: &Lens, object: NonNull<Object>, part: &Part<'_>) {
        let Some(number) = self.numbers.get(&object.addr().get()) else { return };
        let value = self.begun.get_mut(number).expect("a number is that of a value");
        match part {
            Part::Element(name) => value.save_before(lens, *number, name, &mut *self.sink),
            // No field expired at the cut, or at any later time: one that does has changed since.
            Part::Expired(_) => {}
            Part::Indexes(ranks) => {
                // SAFETY: the object is live, and nobody changes it meanwhile.
                let Object::SortedSet(set) = (unsafe { object.as_ref() }) else { unreachable!("it has an order") };
                for rank in ranks.clone() {
                    value.save_before(lens, *number, set.member_at(rank), &mut *self.sink);
                }
            }
            Part::Stream(_) => unreachable!("a table is no stream"),
        }
    }

    /// Saves a few elements of the value that began first. Whether there is one.
    pub fn step(&mut self, lens: &Lens, storage: &mut Storage) -> bool {
        let Some(mut first) = self.begun.first_entry() else { return false };
        let number = *first.key();
        if !first.get_mut().step(lens, number, &mut *self.sink) {
            self.end(storage, number);
        }
        true
    }

    /// Saves what is left of an object that leaves the shard, in one go.
    pub fn save_rest(&mut self, lens: &Lens, storage: &mut Storage, object: NonNull<Object>) {
        let Some(&number) = self.numbers.get(&object.addr().get()) else { return };
        let value = self.begun.get_mut(&number).expect("a number is that of a value");
        while value.step(lens, number, &mut *self.sink) {}
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
    /// Bytes of memory, at most.
    fn bytes(&self) -> usize {
        size_of::<BigValue>() + self.cells.bytes_max()
    }

    /// Saves the element with this name, and those of its cell, unless that is done.
    fn save_before(&mut self, lens: &Lens, number: u64, name: &[u8], sink: &mut dyn KeySink) {
        let BigValue { object, left, cells } = self;
        // SAFETY: the storage keeps it until it is told to let it go, and who changes it does not call the duty meanwhile.
        let object = unsafe { object.as_ref() };
        let table = object.elements().expect("it is a table").table();
        cells.save_before(lens, table, hash_of(&lens.hasher, name), |entry| {
            *left = left.checked_sub(1).expect("there are no more elements than at the cut");
            sink.add(number, piece_of(object, entry));
        });
    }

    /// Saves a few elements. False: that was all.
    fn step(&mut self, lens: &Lens, number: u64, sink: &mut dyn KeySink) -> bool {
        let BigValue { object, left, cells } = self;
        // SAFETY: as in `save_before`.
        let object = unsafe { object.as_ref() };
        let table = object.elements().expect("it is a table").table();
        *left > 0
            && cells.walk_on(lens, table, |entry| {
                *left = left.checked_sub(1).expect("there are no more elements than at the cut");
                sink.add(number, piece_of(object, entry));
            })
    }
}

/// Whether a value is saved in pieces: a big table, none of whose elements expires. One that has some may be saved with fewer elements than it
/// has, and their number must be known at the beginning.
fn comes_in_pieces(value: ValueRef<'_>) -> bool {
    let elements = value.object().and_then(Object::elements);
    elements.is_some_and(|elements| elements.is_big(value.lens) && elements.expires_len() == 0 && !elements.is_empty())
}

fn piece_of<'a>(object: &'a Object, entry: EntryPointer) -> Piece<'a> {
    match object {
        Object::Set(_) => Piece::Text(Packed::Bytes(entry.key())),
        Object::Hash(_) => Piece::Field(entry.key(), entry.value()),
        Object::SortedSet(_) => Piece::Scored(entry.key(), crate::sorted_set::score_of(entry)),
        Object::List(_) | Object::Stream(_) => unreachable!("only tables come in pieces"),
    }
}
