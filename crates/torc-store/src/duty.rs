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
//! A database that is emptied as a whole becomes the duty's own until it is saved, and one that is exchanged takes its part of the duty
//! along. A key that expires before it is saved is not saved: at no later time could it be read.

use std::any::Any;
use std::fmt::Debug;

use crate::UnixMillis;
use crate::database::{Database, is_expired};
use crate::directory::{POSITION_BITS, hash_at, position_after};
use crate::entry::EntryPointer;
use crate::segment::Hash;
use crate::table::{Dismantled, Table, hash_of};
use crate::value::ValueRef;
use crate::workshop::Lens;

/// Keys of a cell at the cut, about.
const CELL_KEYS: usize = 8;
/// In tests cells are so many bits finer: finer than locations of keys, as they become when a large table shrinks.
const CELL_BITS_MORE: u32 = if cfg!(test) { 9 } else { 0 };
/// Most cells of a database: four million bytes of bits.
const CELL_BITS_MAX: u32 = 25;

/// Keys that the walk fetches into the cache before it saves the first of them, about.
const KEYS_AT_ONCE: usize = 48;
/// Cells that it looks at for them.
const CELLS_AT_ONCE: usize = 64;

/// Where saved keys go.
pub trait KeySink: Debug + Any {
    /// Takes a key, its value and its expiry as they are. `db`: the database in which it was at the cut.
    fn save(&mut self, db: u16, value: ValueRef<'_>);

    /// Bytes that were written and not taken yet.
    fn written(&self) -> usize;
}

/// What is still to be saved, and where it goes.
#[derive(Debug)]
pub(crate) struct Duty {
    sink: Box<dyn KeySink>,
    /// The part of each database that is not saved yet, by the number that it has now.
    parts: Vec<Option<Part>>,
    /// Databases that were emptied.
    emptied: Vec<(Part, Box<Database>)>,
    /// Keys that expired before are not saved.
    cut_at: UnixMillis,
}

/// What is still to be saved of one database.
#[derive(Debug)]
struct Part {
    /// The number that it had at the cut.
    db: u16,
    /// A position without so many low bits is the number of its cell.
    cell_shift: u32,
    /// The cell that the walk comes to next.
    walk: usize,
    /// Cells saved out of turn, a bit each. Empty until there is one.
    out_of_turn: Vec<u64>,
    /// Keys that are saved next; empty between two steps.
    found: Vec<Found>,
}

/// A key that was found where those of a cell are.
#[derive(Debug)]
struct Found {
    entry: EntryPointer,
    /// The place does not say whether the key is in this cell: its hash does.
    in_cell: Option<usize>,
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
        let part = |(db, slot): (usize, &Option<Box<Database>>)| Some(Part::new(db as u16, slot.as_ref()?.table()));
        Duty { sink, parts: databases.iter().enumerate().map(part).collect(), emptied: Vec::new(), cut_at: now }
    }

    /// Bytes that the sink holds.
    pub(crate) fn written(&self) -> usize {
        self.sink.written()
    }

    /// Where saved keys go.
    pub(crate) fn sink(&mut self) -> &mut dyn KeySink {
        &mut *self.sink
    }

    /// A key with this hash is about to change: its cell is saved, unless it was.
    pub(crate) fn before(&mut self, lens: &Lens, db: u16, table: &Table, hash: Hash) {
        let Some(part) = &mut self.parts[usize::from(db)] else { return };
        let cell = part.cell_of(hash);
        if cell >= part.walk && part.note_out_of_turn(cell) {
            part.save_cell(lens, table, cell, self.cut_at, &mut *self.sink);
        }
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

    /// Databases that the duty has taken over, to be freed when it is given up.
    pub(crate) fn into_emptied(self) -> impl Iterator<Item = Box<Database>> {
        self.emptied.into_iter().map(|(_, database)| database)
    }

    /// Saves the next cells of the walk. What only the duty holds comes first.
    pub(crate) fn step(&mut self, lens: &Lens, databases: &[Option<Box<Database>>]) -> Step {
        if let Some((part, database)) = self.emptied.last_mut() {
            if part.walk_on(lens, database.table(), self.cut_at, &mut *self.sink) {
                return Step::Saved;
            }
            let (_, database) = self.emptied.pop().expect("looked at just now");
            return Step::Emptied(database.dismantled());
        }
        for (slot, database) in self.parts.iter_mut().zip(databases) {
            let Some(part) = slot else { continue };
            // A table without keys is not kept.
            let table = database.as_deref().map(Database::table);
            if table.is_some_and(|table| part.walk_on(lens, table, self.cut_at, &mut *self.sink)) {
                return Step::Saved;
            }
            *slot = None;
        }
        Step::Done
    }
}

impl Part {
    fn new(db: u16, table: &Table) -> Part {
        let cell_bits = ((table.len() / CELL_KEYS).max(1).ilog2() + CELL_BITS_MORE).min(CELL_BITS_MAX);
        Part { db, cell_shift: POSITION_BITS - cell_bits, walk: 0, out_of_turn: Vec::new(), found: Vec::new() }
    }

    fn cells(&self) -> usize {
        1 << (POSITION_BITS - self.cell_shift)
    }

    fn cell_of(&self, hash: Hash) -> usize {
        (position_of(hash) >> self.cell_shift) as usize
    }

    /// Whether a cell is saved out of turn only now.
    fn note_out_of_turn(&mut self, cell: usize) -> bool {
        if self.out_of_turn.is_empty() {
            self.out_of_turn = vec![0; self.cells().div_ceil(64)];
        }
        let bits = &mut self.out_of_turn[cell / 64];
        let is_new = *bits >> (cell % 64) & 1 == 0;
        *bits |= 1 << (cell % 64);
        is_new
    }

    fn is_out_of_turn(&self, cell: usize) -> bool {
        self.out_of_turn.get(cell / 64).is_some_and(|bits| bits >> (cell % 64) & 1 != 0)
    }

    /// The walk goes on by a few cells, unless it is at its end.
    fn walk_on(&mut self, lens: &Lens, table: &Table, cut_at: UnixMillis, sink: &mut dyn KeySink) -> bool {
        if self.walk == self.cells() || table.len() == 0 {
            return false;
        }
        let mut found = std::mem::take(&mut self.found);
        // An empty cell costs nearly nothing, and there may be many of them.
        for _ in 0..CELLS_AT_ONCE {
            let cell = self.walk;
            self.walk += 1;
            if !self.is_out_of_turn(cell) {
                self.find_cell(table, cell, &mut found);
            }
            if self.walk == self.cells() || found.len() >= KEYS_AT_ONCE {
                break;
            }
        }
        self.save_found(lens, &mut found, cut_at, sink);
        self.found = found;
        true
    }

    /// Saves the keys of a cell.
    fn save_cell(&mut self, lens: &Lens, table: &Table, cell: usize, cut_at: UnixMillis, sink: &mut dyn KeySink) {
        let mut found = std::mem::take(&mut self.found);
        self.find_cell(table, cell, &mut found);
        self.save_found(lens, &mut found, cut_at, sink);
        self.found = found;
    }

    /// Adds the keys of a cell to `found`, and asks the CPU to fetch them.
    fn find_cell(&self, table: &Table, cell: usize, found: &mut Vec<Found>) {
        let (mut position, end) = ((cell as u64) << self.cell_shift, ((cell as u64) + 1) << self.cell_shift);
        while position < end && !table.directory.is_empty() {
            let segment = table.directory.segment(hash_at(position));
            let next = position_after(position, segment.depth()).unwrap_or(1 << POSITION_BITS);
            let step = segment.precision().step() as u32;
            // What is known of a location, in positions.
            let is_exact = u64::from(step) << (POSITION_BITS - segment.depth() - 16) <= 1 << self.cell_shift;
            let from = u32::from(segment.location(hash_at(position)));
            let to = match segment.location(hash_at(end)) {
                _ if end >= next => 1 << 16,
                location if is_exact => u32::from(location),
                location => (u32::from(location) + step).min(1 << 16),
            };
            segment.for_each_in(from, to, |slot| {
                slot.entry().prefetch();
                found.push(Found { entry: slot.entry(), in_cell: (!is_exact).then_some(cell) });
            });
            position = next;
        }
    }

    /// Saves keys that were found.
    fn save_found(&self, lens: &Lens, found: &mut Vec<Found>, cut_at: UnixMillis, sink: &mut dyn KeySink) {
        for Found { entry, in_cell } in found.drain(..) {
            let is_in_cell = in_cell.is_none_or(|cell| self.cell_of(hash_of(&lens.hasher, entry.key())) == cell);
            if is_in_cell && !is_expired(entry.expire_at(), cut_at) {
                sink.save(self.db, ValueRef { entry, lens });
            }
        }
    }
}

/// Where a hash is in the order of hashes.
fn position_of(hash: Hash) -> u64 {
    hash.0 >> (64 - POSITION_BITS)
}
