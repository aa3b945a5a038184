//! Saving the keys as they were at a cut, in slices, while commands go on ([`crate::duty`]).
//!
//! ```text
//!   begin_saving --> save_slice ... save_slice --> false: all is saved --> end_saving
//!                    before_change: saves first what is about to change
//! ```

use super::Keyspace;
use crate::UnixMillis;
use crate::change::Place;
use crate::database::Database;
use crate::duty::{Duty, KeySink, Step};
use crate::entry::EntryPointer;
use crate::list::List;
use crate::object::Object;
use crate::segment::Hash;

/// Steps of a slice, at most: some write nothing, and empty cells may be many.
const STEPS_MAX: usize = 16;

impl Keyspace {
    /// The keys as they are now are to be saved: [`Keyspace::save_slice`] does, a slice at a time, and whatever changes before is saved
    /// first. Keys that have expired are left out.
    pub fn begin_saving(&mut self, sink: Box<dyn KeySink>, now: UnixMillis) {
        assert!(self.duty.is_none(), "one thing is saved at a time");
        self.duty = Some(Box::new(Duty::new(sink, &self.databases, now)));
    }

    /// Whether [`Keyspace::begin_saving`] was called and [`Keyspace::end_saving`] was not.
    #[inline]
    pub fn is_saving(&self) -> bool {
        self.duty.is_some()
    }

    /// Where saved keys go.
    pub fn saving(&mut self) -> Option<&mut dyn KeySink> {
        Some(self.duty.as_mut()?.sink())
    }

    /// Bytes that were written and not taken yet.
    pub fn written_bytes(&self) -> usize {
        self.duty.as_ref().map_or(0, |duty| duty.written())
    }

    /// Goes on saving until `bytes` are written that were not taken, or for so many steps that write nothing yet. Whether there is more to be saved.
    pub fn save_slice(&mut self, bytes: usize) -> bool {
        let Some(duty) = &mut self.duty else { return false };
        for _ in 0..STEPS_MAX {
            if duty.written() >= bytes {
                break;
            }
            match duty.step(&self.lens, &mut self.storage, &self.databases) {
                Step::Saved => {}
                Step::Emptied(parts) => self.doomed.push(parts),
                Step::Done => return false,
            }
        }
        true
    }

    /// All is saved, or is not to be saved any more.
    pub fn end_saving(&mut self) {
        let Some(duty) = self.duty.take() else { return };
        self.doomed.extend(duty.give_up(&mut self.storage).map(|database| database.dismantled()));
    }

    /// A key, or a part of it, is about to change, or is added.
    #[inline]
    pub(crate) fn before_change(&mut self, db: u16, hash: Hash, entry: EntryPointer, place: Place<'_>) {
        if self.duty.is_some() {
            self.save_before(db, hash, entry, &place);
        }
        self.changes.before_change(&self.lens, db, entry, place);
    }

    #[cold]
    fn save_before(&mut self, db: u16, hash: Hash, entry: EntryPointer, place: &Place<'_>) {
        let (Some(duty), Some(database)) = (&mut self.duty, self.databases[usize::from(db)].as_deref()) else { return };
        duty.before(&self.lens, &mut self.storage, db, database.table(), hash);
        if let (Place::Part(part), Some(object)) = (place, entry.object()) {
            duty.before_part(&self.lens, object, part);
        }
    }

    /// Elements have gone from a list of many, and are to be freed when they are saved.
    pub(crate) fn keep_gone(&mut self, entry: EntryPointer, gone: List) {
        let gone = match (&mut self.duty, entry.object()) {
            (Some(duty), Some(object)) => duty.take_gone(object, gone),
            _ => Some(gone),
        };
        if let Some(gone) = gone.filter(|gone| !gone.is_empty()) {
            self.storage.free_more(Object::List(gone));
        }
    }

    /// Members have gone from a sorted set, and those that are not saved are kept until they are. Gives the others.
    pub(crate) fn keep_gone_members(&mut self, entry: EntryPointer, gone: Vec<EntryPointer>) -> Vec<EntryPointer> {
        match (&mut self.duty, entry.object()) {
            (Some(duty), Some(object)) => duty.keep_gone_members(&self.lens, object, gone),
            _ => gone,
        }
    }

    /// A value that was taken from its key leaves the shard: what is not saved of it is saved now.
    pub(crate) fn save_rest(&mut self, entry: EntryPointer) {
        if let (Some(duty), Some(object)) = (&mut self.duty, entry.object()) {
            duty.save_rest(&self.lens, &mut self.storage, object);
        }
    }

    /// Bytes of memory that are taken to save.
    pub(super) fn saving_bytes(&self) -> usize {
        self.duty.as_ref().map_or(0, |duty| duty.bytes())
    }

    /// A database is emptied: gives it back unless it is to be saved before.
    pub(super) fn keep_unsaved(&mut self, db: u16, database: Box<Database>) -> Option<Box<Database>> {
        match &mut self.duty {
            Some(duty) => duty.take_over(db, database).err(),
            None => Some(database),
        }
    }
}
