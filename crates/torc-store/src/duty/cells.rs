//! A table that is saved cell by cell: what the walk has come by, and what was saved out of turn before.
//!
//! Keys of a database and elements of a big value lie in the same kind of table, so both are saved like this. A cell is what hashes begin
//! alike with, so that it has the same entries wherever they lie: tables may grow, split and merge between two steps.

use std::iter;
use std::ops::Range;

use crate::directory::{POSITION_BITS, hash_at, position_after};
use crate::entry::EntryPointer;
use crate::segment::Hash;
use crate::table::{Table, hash_of};
use crate::workshop::Lens;

/// Entries of a cell at the cut, about.
const CELL_ENTRIES: usize = 8;
/// In tests cells are so many bits finer: finer than locations of entries, as they become when a large table shrinks.
const CELL_BITS_MORE: u32 = if cfg!(test) { 9 } else { 0 };
/// Most cells of a table: four million bytes of bits.
const CELL_BITS_MAX: u32 = 25;

/// Entries that the walk fetches into the cache before it saves the first of them, about.
const ENTRIES_AT_ONCE: usize = 48;
/// Cells that it looks at for them.
const CELLS_AT_ONCE: usize = 64;

/// The cells of a table, and which of them are saved.
#[derive(Debug)]
pub(super) struct Cells {
    /// A position without so many low bits is the number of its cell.
    cell_shift: u32,
    /// The cell that the walk comes to next.
    walk: usize,
    /// Cells saved out of turn, a bit each. Empty until there is one.
    out_of_turn: Vec<u64>,
    /// Entries that are saved next; empty between two steps.
    found: Vec<Found>,
}

/// An entry that was found where those of a cell are.
#[derive(Debug)]
struct Found {
    entry: EntryPointer,
    /// The place does not say whether the entry is in this cell: its hash does.
    in_cell: Option<usize>,
}

impl Cells {
    /// Of a table as it is now, with nothing saved.
    pub fn of(table: &Table) -> Cells {
        let cell_bits = ((table.len() / CELL_ENTRIES).max(1).ilog2() + CELL_BITS_MORE).min(CELL_BITS_MAX);
        Cells { cell_shift: POSITION_BITS - cell_bits, walk: 0, out_of_turn: Vec::new(), found: Vec::new() }
    }

    /// The walk goes on by a few cells, unless it is at its end.
    pub fn walk_on(&mut self, lens: &Lens, table: &Table, save: impl FnMut(EntryPointer)) -> bool {
        if self.walk == self.len() || table.len() == 0 {
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
            if self.walk == self.len() || found.len() >= ENTRIES_AT_ONCE {
                break;
            }
        }
        self.save_found(lens, &mut found, save);
        self.found = found;
        true
    }

    /// Saves the entries of the cell of a hash, unless that is done.
    pub fn save_before(&mut self, lens: &Lens, table: &Table, hash: Hash, save: impl FnMut(EntryPointer)) {
        self.save_cells(lens, table, iter::once(self.cell_of(hash)), save);
    }

    /// Saves the entries of all cells that have a part in these positions, unless that is done.
    pub fn save_positions(
        &mut self,
        lens: &Lens,
        table: &Table,
        positions: Range<u64>,
        save: impl FnMut(EntryPointer),
    ) {
        let cells = positions.start >> self.cell_shift..=(positions.end - 1) >> self.cell_shift;
        self.save_cells(lens, table, cells.map(|cell| cell as usize), save);
    }

    fn save_cells(
        &mut self,
        lens: &Lens,
        table: &Table,
        cells: impl Iterator<Item = usize>,
        mut save: impl FnMut(EntryPointer),
    ) {
        let mut found = std::mem::take(&mut self.found);
        for cell in cells {
            if cell >= self.walk && self.note_out_of_turn(cell) {
                self.find_cell(table, cell, &mut found);
                self.save_found(lens, &mut found, &mut save);
            }
        }
        self.found = found;
    }

    /// Whether the entries of the cell of a hash are saved.
    pub fn is_saved(&self, hash: Hash) -> bool {
        let cell = self.cell_of(hash);
        cell < self.walk || self.is_out_of_turn(cell)
    }

    /// Bytes of the bits, if there are any.
    pub fn bytes_max(&self) -> usize {
        self.len().div_ceil(8)
    }

    /// Number of cells.
    fn len(&self) -> usize {
        1 << (POSITION_BITS - self.cell_shift)
    }

    fn cell_of(&self, hash: Hash) -> usize {
        (position_of(hash) >> self.cell_shift) as usize
    }

    /// Whether a cell is saved out of turn only now.
    fn note_out_of_turn(&mut self, cell: usize) -> bool {
        if self.out_of_turn.is_empty() {
            self.out_of_turn = vec![0; self.len().div_ceil(64)];
        }
        let bits = &mut self.out_of_turn[cell / 64];
        let is_new = *bits >> (cell % 64) & 1 == 0;
        *bits |= 1 << (cell % 64);
        is_new
    }

    fn is_out_of_turn(&self, cell: usize) -> bool {
        self.out_of_turn.get(cell / 64).is_some_and(|bits| bits >> (cell % 64) & 1 != 0)
    }

    /// Adds the entries of a cell to `found`, and asks the CPU to fetch them.
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

    /// Saves entries that were found.
    fn save_found(&self, lens: &Lens, found: &mut Vec<Found>, mut save: impl FnMut(EntryPointer)) {
        for Found { entry, in_cell } in found.drain(..) {
            if in_cell.is_none_or(|cell| self.cell_of(hash_of(&lens.hasher, entry.key())) == cell) {
                save(entry);
            }
        }
    }
}

/// Where a hash is in the order of hashes.
fn position_of(hash: Hash) -> u64 {
    hash.0 >> (64 - POSITION_BITS)
}
