//! What a shard still has to save of its keys as they were at a cut.
//!
//! ```text
//!   a database at the cut, by the hashes of its keys, in cells of about eight keys
//!
//!   | saved by the walk          | not saved yet                                   |
//!   +------+------+------+------+------+------+======+------+------+======+------+
//!                                ^ walk              ^ saved out of turn, since a key of it was about to change
//! ```
//! A key is saved with all others of its cell, once: when the walk comes to the cell, or before the first of them changes. A key that
//! is made later changes its cell too, so it is never saved. The hash says what has been saved, and not where a key lies: tables may
//! grow, split and merge meanwhile. There is a bit for each cell, and nothing in the keys.
//!
//! A big value is not saved whole but begun: the walk goes on with its elements, which lie in cells of their own ([`values`]).
//!
//! A database that is emptied as a whole becomes the duty's own until it is saved, and one that is exchanged takes its part of the duty
//! along. A key that expires before it is saved is not saved: at no later time could it be read.

mod cells;
mod values;
mod windows;

use std::any::Any;
use std::fmt::Debug;
use std::ptr::NonNull;

use self::cells::Cells;
use self::values::Carrier;
pub use self::values::Piece;
use crate::UnixMillis;
use crate::change::Part as ObjectPart;
use crate::database::Database;
use crate::entry::EntryPointer;
use crate::list::List;
use crate::object::Object;
use crate::segment::Hash;
use crate::storage::Storage;
use crate::stream::StreamOrder;
use crate::table::{Dismantled, Table};
use crate::value::ValueRef;
use crate::workshop::Lens;

/// Where saved keys go.
///
/// Of the values that have begun and not ended, the one that began first is in progress: nothing may come between its pieces. What comes
/// for others meanwhile, whole keys and pieces, the sink sets aside until it has ended.
pub trait KeySink: Debug + Any {
    /// Takes a key, its value and its expiry as they are. `db`: the database in which it was at the cut.
    fn save(&mut self, db: u16, value: ValueRef<'_>);

    /// Takes a key and its expiry, and of its value that so many elements will come, bytes of a string, or nodes of a stream. Numbers of
    /// values ascend. Gives in which order it wants a stream; what that knows of itself is to be noted now.
    fn begin(&mut self, number: u64, db: u16, value: ValueRef<'_>, len: usize) -> StreamOrder;

    /// Takes a piece of the value with this number, in no particular order unless it is a list, a string or a stream. Fields that have expired are not left out.
    fn add(&mut self, number: u64, piece: Piece<'_>);

    /// The value has all its pieces.
    fn end(&mut self, number: u64);

    /// Bytes that were written and can be taken.
    fn written(&self) -> usize;

    /// Bytes that it holds: written, and set aside.
    fn held(&self) -> usize;
}

/// What is still to be saved, and where it goes.
#[derive(Debug)]
pub(crate) struct Duty {
    carrier: Carrier,
    /// The part of each database that is not saved yet, by the number that it has now.
    parts: Vec<Option<Part>>,
    /// Databases that were emptied.
    emptied: Vec<(Part, Box<Database>)>,
}

/// What is still to be saved of one database.
#[derive(Debug)]
struct Part {
    /// The number that it had at the cut.
    db: u16,
    cells: Cells,
}

/// What [`Duty::step`] has done.
#[derive(Debug)]
pub(crate) enum Step {
    /// It has saved a few cells.
    Saved,
    /// It has saved the last of these keys, which are to be freed.
    Emptied(Dismantled),
    /// There is nothing left.
    Done,
}

impl Duty {
    /// All keys as they are now.
    pub(crate) fn new(sink: Box<dyn KeySink>, databases: &[Option<Box<Database>>], now: UnixMillis) -> Duty {
        let part = |(db, slot): (usize, &Option<Box<Database>>)| {
            Some(Part { db: db as u16, cells: Cells::of(slot.as_ref()?.table()) })
        };
        let parts = databases.iter().enumerate().map(part).collect();
        Duty { carrier: Carrier::new(sink, now), parts, emptied: Vec::new() }
    }

    /// Bytes that the sink has written.
    pub(crate) fn written(&self) -> usize {
        self.carrier.sink.written()
    }

    /// Bytes of memory that are taken to save.
    pub(crate) fn bytes(&self) -> usize {
        self.carrier.bytes()
    }

    /// Where saved keys go.
    pub(crate) fn sink(&mut self) -> &mut dyn KeySink {
        &mut *self.carrier.sink
    }

    /// A key with this hash is about to change: its cell is saved, unless it was.
    pub(crate) fn before(&mut self, lens: &Lens, storage: &mut Storage, db: u16, table: &Table, hash: Hash) {
        let Duty { carrier, parts, .. } = self;
        let Some(part) = &mut parts[usize::from(db)] else { return };
        part.cells.save_before(lens, table, hash, |entry| carrier.save(lens, storage, part.db, entry));
    }

    /// A part of an object is about to change, of whose key the same was told before.
    pub(crate) fn before_part(&mut self, lens: &Lens, object: NonNull<Object>, part: &ObjectPart<'_>) {
        self.carrier.before(lens, object, part);
    }

    /// Elements of a list have gone; gives them back if they are not needed.
    pub(crate) fn take_gone(&mut self, object: NonNull<Object>, gone: List) -> Option<List> {
        self.carrier.take_gone(object, gone)
    }

    /// Members of a sorted set have gone; gives those that are not needed.
    pub(crate) fn keep_gone_members(
        &mut self,
        lens: &Lens,
        object: NonNull<Object>,
        gone: Vec<EntryPointer>,
    ) -> Vec<EntryPointer> {
        self.carrier.keep_gone_members(lens, object, gone)
    }

    /// An object leaves the shard.
    pub(crate) fn save_rest(&mut self, lens: &Lens, storage: &mut Storage, object: NonNull<Object>) {
        self.carrier.save_rest(lens, storage, object);
    }

    /// A database is emptied: what of it is not saved stays until it is. `Err`: all of it is.
    pub(crate) fn take_over(&mut self, db: u16, database: Box<Database>) -> Result<(), Box<Database>> {
        match self.parts[usize::from(db)].take() {
            Some(part) => {
                self.emptied.push((part, database));
                Ok(())
            }
            None => Err(database),
        }
    }

    /// Two databases have been exchanged.
    pub(crate) fn swap(&mut self, db_a: u16, db_b: u16) {
        self.parts.swap(db_a.into(), db_b.into());
    }

    /// Gives all up; gives the databases that the duty has taken over, to be freed.
    pub(crate) fn give_up(self, storage: &mut Storage) -> impl Iterator<Item = Box<Database>> {
        self.carrier.give_up(storage);
        self.emptied.into_iter().map(|(_, database)| database)
    }

    /// Saves the next cells of the walk. A value that has begun comes first, then what only the duty holds.
    pub(crate) fn step(&mut self, lens: &Lens, storage: &mut Storage, databases: &[Option<Box<Database>>]) -> Step {
        let Duty { carrier, parts, emptied } = self;
        if carrier.step(lens, storage) {
            return Step::Saved;
        }
        if let Some((part, database)) = emptied.last_mut() {
            if part.walk_on(lens, storage, database.table(), carrier) {
                return Step::Saved;
            }
            let (_, database) = emptied.pop().expect("looked at just now");
            return Step::Emptied(database.dismantled());
        }
        for (slot, database) in parts.iter_mut().zip(databases) {
            let Some(part) = slot else { continue };
            // A table without keys is not kept.
            let table = database.as_deref().map(Database::table);
            if table.is_some_and(|table| part.walk_on(lens, storage, table, carrier)) {
                return Step::Saved;
            }
            *slot = None;
        }
        Step::Done
    }
}

impl Part {
    fn walk_on(&mut self, lens: &Lens, storage: &mut Storage, table: &Table, carrier: &mut Carrier) -> bool {
        self.cells.walk_on(lens, table, |entry| carrier.save(lens, storage, self.db, entry))
    }
}
