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
//! A stream sets aside by itself what is about to change of it, and is asked for its next pieces (`stream/rest`).
//!
//! A long string is lent, as to a reply: it stays what it was until its last piece is taken, and who changes it meanwhile gets a copy.
//!
//! What is added later lies in cells that are saved already, or in no window. At the end there must have been as many elements as at the cut: the file
//! has their number at the head of the value.

use std::collections::BTreeMap;
use std::ptr::NonNull;

use bytes::Bytes;

use super::KeySink;
use super::cells::Cells;
use super::windows::Windows;
use crate::UnixMillis;
use crate::change::Part;
use crate::database::is_expired;
use crate::entry::EntryPointer;
use crate::list::List;
use crate::object::Object;
use crate::pack::Packed;
use crate::storage::Storage;
use crate::stream::{Stream, StreamPiece};
use crate::table::{Table, hash_of};
use crate::value::ValueRef;
use crate::workshop::Lens;

/// Strings of so many bytes come in pieces. Those are not compressed.
const STRING_BYTES_MIN: usize = if cfg!(test) { 1 } else { 256 << 10 };
/// So many members of a sorted set must go at once to be kept; fewer are saved before.
const KEPT_MIN: usize = if cfg!(test) { 2 } else { 64 };
/// Members that had gone and are saved by a step.
const GONE_AT_ONCE: usize = 48;
const STRING_BYTES_AT_ONCE: usize = if cfg!(test) { 5_000 } else { 64 << 10 };

/// A piece of a value that is saved in pieces.
#[derive(Clone, Copy, Debug)]
pub enum Piece<'a> {
    /// A member of a set, or the next element of a list.
    Text(Packed<'a>),
    /// A member of a sorted set, and its score.
    Scored(&'a [u8], f64),
    /// A field of a hash, its value, and when it expires: only of a hash that has such fields when it begins.
    Field(&'a [u8], &'a [u8], Option<UnixMillis>),
    /// The next bytes of a string.
    Bytes(&'a [u8]),
    /// The next piece of a stream.
    Stream(StreamPiece<'a>),
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
    /// Live until the storage is told to let it go; a string has none.
    object: Option<NonNull<Object>>,
    /// Elements of the cut that are not saved yet, or bytes, or nodes of a stream.
    left: usize,
    rest: Rest,
    /// Members of a sorted set that have gone from it, not saved yet. They are in its heap.
    gone: Vec<EntryPointer>,
}

/// Which elements are left.
#[derive(Debug)]
enum Rest {
    /// Of a table, in any order.
    Cells(Cells),
    /// Of a list, in its order.
    Windows(Windows),
    /// Of a string, which is lent: who changes it has it copied.
    Bytes(Bytes),
    /// Of a stream, which knows it.
    Stream,
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
        let Some(begun) = BigValue::of(value) else { return self.sink.save(db, value) };
        self.count += 1;
        let order = self.sink.begin(self.count, db, value, begun.left);
        if let Some(object) = begun.object {
            storage.keep(object);
            edit_stream(storage, object, |stream| stream.begin_saving(order));
            self.numbers.insert(object.addr().get(), self.count);
        }
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
            (Part::Expired(now), object) => value.save_before_sweep(lens, *number, object, *now, &mut *self.sink),
            (Part::Indexes(indexes), Object::List(list)) => value.windows().set_aside(list, indexes.clone()),
            (Part::End { indexes, whole }, Object::List(list)) => {
                value.windows().set_aside_but(list, indexes.clone(), whole.clone());
            }
            (Part::Leaving(ranks), Object::SortedSet(set)) => {
                // What lies in the shard's heap may not be left in it: the set may get one of its own.
                let is_kept = ranks.len() >= KEPT_MIN && set.members().is_independent();
                for rank in ranks.clone().filter(|_| !is_kept) {
                    value.save_before(lens, *number, set.member_at(rank), &mut *self.sink);
                }
            }
            // It sees to that.
            (Part::Stream(_), Object::Stream(_)) => {}
            (part, _) => unreachable!("{part:?} of a value that does not come in pieces"),
        }
        self.bytes = self.bytes - before + value.bytes();
    }

    /// Members of a sorted set have gone. Gives those that are not needed, since they are saved.
    pub fn keep_gone_members(
        &mut self,
        lens: &Lens,
        object: NonNull<Object>,
        mut gone: Vec<EntryPointer>,
    ) -> Vec<EntryPointer> {
        let Some(number) = self.numbers.get(&object.addr().get()) else { return gone };
        let value = self.begun.get_mut(number).expect("a number is that of a value");
        let Rest::Cells(cells) = &value.rest else { unreachable!("it is a table") };
        let before = value.bytes();
        let is_left = |entry: &mut EntryPointer| !cells.is_saved(hash_of(&lens.hasher, entry.key()));
        let kept: Vec<EntryPointer> = gone.extract_if(.., is_left).collect();
        value.gone.extend(kept);
        self.bytes = self.bytes - before + value.bytes();
        gone
    }

    /// Elements of a list have gone, of which that was announced. Gives them back if they are not needed.
    pub fn take_gone(&mut self, object: NonNull<Object>, gone: List) -> Option<List> {
        let Some(number) = self.numbers.get(&object.addr().get()) else { return Some(gone) };
        let value = self.begun.get_mut(number).expect("a number is that of a value");
        let before = value.bytes();
        let unneeded = value.windows().take_gone(gone);
        self.bytes = self.bytes - before + value.bytes();
        unneeded
    }

    /// Saves a few elements of the value that began first. Whether there is one.
    pub fn step(&mut self, lens: &Lens, storage: &mut Storage) -> bool {
        let Some(mut first) = self.begun.first_entry() else { return false };
        let number = *first.key();
        let before = first.get().bytes();
        let has_more = first.get_mut().step(lens, storage, number, &mut *self.sink);
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
        while value.step(lens, storage, number, &mut *self.sink) {}
        self.bytes = self.bytes - before + value.bytes();
        self.end(storage, number);
    }

    fn end(&mut self, storage: &mut Storage, number: u64) {
        let value = self.begun.remove(&number).expect("it has begun");
        assert_eq!(value.left, 0, "elements of the cut are missing");
        self.sink.end(number);
        self.let_go(storage, value);
    }

    fn let_go(&mut self, storage: &mut Storage, mut value: BigValue) {
        self.bytes -= value.bytes();
        value.free_gone(storage, usize::MAX);
        if let Rest::Windows(windows) = &mut value.rest {
            std::iter::from_fn(|| windows.give_back(true)).for_each(|gone| storage.free_more(Object::List(gone)));
        }
        if let Some(object) = value.object {
            self.numbers.remove(&object.addr().get());
            edit_stream(storage, object, Stream::end_saving);
            storage.let_go(object);
        }
    }

    /// Nothing more is to be saved.
    pub fn give_up(mut self, storage: &mut Storage) {
        for value in std::mem::take(&mut self.begun).into_values() {
            self.let_go(storage, value);
        }
    }

    /// Bytes of memory that are taken to save.
    pub fn bytes(&self) -> usize {
        self.bytes + self.sink.held()
    }
}

impl BigValue {
    /// A value that is saved in pieces; `None`: it is not.
    fn of(value: ValueRef<'_>) -> Option<BigValue> {
        let Some(object) = value.object() else {
            let string = value.lend().filter(|string| string.len() >= STRING_BYTES_MIN)?;
            return Some(BigValue { object: None, left: string.len(), rest: Rest::Bytes(string), gone: Vec::new() });
        };
        let rest = match object {
            Object::List(list) => value.is_big().then(|| Rest::Windows(Windows::of(list))),
            Object::Stream(_) => value.is_big().then_some(Rest::Stream),
            _ => {
                let elements = object.elements().filter(|elements| elements.is_big(value.lens))?;
                Some(Rest::Cells(Cells::of(elements.table())))
            }
        };
        let left = match object {
            // One without entries may have groups.
            Object::Stream(stream) => stream.node_count(),
            _ if object.len() == 0 => return None,
            _ => object.len(),
        };
        Some(BigValue { object: value.entry.object(), left, rest: rest?, gone: Vec::new() })
    }

    /// Bytes of memory; of a table at most.
    fn bytes(&self) -> usize {
        let rest = match &self.rest {
            Rest::Cells(cells) => cells.bytes_max(),
            Rest::Windows(windows) => windows.bytes(),
            // That the string itself is there is counted where it is lent, and what a stream keeps with the stream.
            Rest::Bytes(_) | Rest::Stream => 0,
        };
        size_of::<BigValue>() + self.gone.capacity() * size_of::<EntryPointer>() + rest
    }

    /// Its object and its cells. Panics if it is no table.
    fn table(&mut self) -> (&Object, &Table, &mut Cells, &mut usize) {
        let BigValue { object: Some(object), left, rest: Rest::Cells(cells), .. } = self else {
            panic!("it is a table")
        };
        // SAFETY: the storage keeps it until it is told to let it go, and who changes it does not call the duty meanwhile.
        let object = unsafe { object.as_ref() };
        (object, object.elements().expect("it is a table").table(), cells, left)
    }

    /// Saves the element of a table with this name, and those of its cell, unless that is done.
    fn save_before(&mut self, lens: &Lens, number: u64, name: &[u8], sink: &mut dyn KeySink) {
        let (object, table, cells, left) = self.table();
        cells.save_before(lens, table, hash_of(&lens.hasher, name), |entry| {
            take_one(left);
            sink.add(number, piece_of(object, entry));
        });
    }

    /// Saves the fields of a hash that a step of the sweep may remove, and those of their cells.
    fn save_before_sweep(
        &mut self,
        lens: &Lens,
        number: u64,
        object: &Object,
        now: UnixMillis,
        sink: &mut dyn KeySink,
    ) {
        let Some(positions) = object.elements().and_then(|elements| elements.next_sweep(now)) else { return };
        let (object, table, cells, left) = self.table();
        cells.save_positions(lens, table, positions, |entry| {
            take_one(left);
            sink.add(number, piece_of(object, entry));
        });
    }

    /// Those of a list.
    fn windows(&mut self) -> &mut Windows {
        let Rest::Windows(windows) = &mut self.rest else { unreachable!("it is a list") };
        windows
    }

    /// Frees so many members that had gone, the last ones.
    fn free_gone(&mut self, storage: &mut Storage, most: usize) {
        let Some(mut object) = self.object.filter(|_| !self.gone.is_empty()) else { return };
        // SAFETY: as in `edit_stream`.
        let object = unsafe { object.as_mut() };
        let before = object.external_bytes();
        let Object::SortedSet(set) = object else { unreachable!("only those of a sorted set are kept") };
        set.free_all(storage, self.gone.drain(self.gone.len().saturating_sub(most)..));
        storage.large.recount(before, object.external_bytes());
    }

    /// Saves a few elements. False: that was all.
    fn step(&mut self, lens: &Lens, storage: &mut Storage, number: u64, sink: &mut dyn KeySink) -> bool {
        let has_more = match (&mut self.rest, self.object) {
            (Rest::Bytes(string), _) => {
                let piece = string.split_to(string.len().min(STRING_BYTES_AT_ONCE));
                self.left -= piece.len();
                sink.add(number, Piece::Bytes(&piece));
                true
            }
            (Rest::Windows(windows), Some(object)) => {
                // SAFETY: as in `table`.
                let Object::List(list) = (unsafe { object.as_ref() }) else {
                    unreachable!("an object stays what it is")
                };
                let left = &mut self.left;
                let written = windows.step(list, |element| {
                    take_one(left);
                    sink.add(number, Piece::Text(element));
                });
                if let Some(gone) = windows.give_back(false) {
                    storage.free_more(Object::List(gone));
                }
                written > 0
            }
            (Rest::Cells(_), Some(object)) if !self.gone.is_empty() => {
                // SAFETY: as in `table`.
                let object = unsafe { object.as_ref() };
                for &entry in self.gone.iter().rev().take(GONE_AT_ONCE) {
                    take_one(&mut self.left);
                    sink.add(number, piece_of(object, entry));
                }
                self.free_gone(storage, GONE_AT_ONCE);
                true
            }
            (Rest::Cells(_), _) => {
                let (object, table, cells, left) = self.table();
                cells.walk_on(lens, table, |entry| {
                    take_one(left);
                    sink.add(number, piece_of(object, entry));
                })
            }
            (Rest::Stream, Some(object)) => {
                let left = &mut self.left;
                let step = |stream: &mut Stream| {
                    stream.save_step(&mut |piece| {
                        if let StreamPiece::Node(_) = piece {
                            take_one(left);
                        }
                        sink.add(number, Piece::Stream(piece));
                    })
                };
                return edit_stream(storage, object, step).expect("an object stays what it is");
            }
            (Rest::Windows(_) | Rest::Stream, None) => unreachable!("it is an object"),
        };
        has_more && self.left > 0
    }
}

/// Works on a stream, but changes nothing that a client can see; `None`: it is another object.
fn edit_stream<R>(
    storage: &mut Storage,
    mut object: NonNull<Object>,
    edit: impl FnOnce(&mut Stream) -> R,
) -> Option<R> {
    // SAFETY: the storage keeps it until it is told to let it go, and nobody else has it in his hands while the duty works.
    let object = unsafe { object.as_mut() };
    let before = object.external_bytes();
    let Object::Stream(stream) = object else { return None };
    let result = edit(stream);
    let discarded = stream.take_discarded();
    storage.large.recount(before, object.external_bytes());
    if let Some(discarded) = discarded {
        storage.free_more(Object::Stream(*discarded));
    }
    Some(result)
}

/// One element less is left.
fn take_one(left: &mut usize) {
    *left = left.checked_sub(1).expect("there are no more elements than at the cut");
}

fn piece_of<'a>(object: &'a Object, entry: EntryPointer) -> Piece<'a> {
    match object {
        Object::Set(_) => Piece::Text(Packed::Bytes(entry.key())),
        Object::Hash(_) => Piece::Field(entry.key(), entry.value(), entry.expire_at()),
        Object::SortedSet(_) => Piece::Scored(entry.key(), crate::sorted_set::score_of(entry)),
        Object::List(_) | Object::Stream(_) => unreachable!("it is no table"),
    }
}
