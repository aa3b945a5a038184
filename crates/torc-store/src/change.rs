//! The one seam through which every change of a key goes, and its listeners.
//!
//! ```text
//!            before_change                              after_change
//!   the old state, whole       the change       what happened: a Change
//!        |                  -------------->          |
//!        +--> Listener                               +--> counts (commands' changes, expired keys)
//!             (may still copy what goes)             +--> Observed   watched and awaited keys
//!                                                    +--> recorded   for the engine, while it asks for it
//!                                                    +--> Listener
//! ```
//! Code that changes a key calls `before_change` while the key is still untouched, and names by a [`Place`] what may differ
//! afterwards: the whole key, or one [`Part`] of a big value. Afterwards it calls `after_change`, once, with the change. An
//! announced change need not happen: a field may turn out to be missing. For bytes that are handed out to be edited in place,
//! `after_change` is called when they are handed out: no other code can read the key until they are back.
//!
//! A change is *quiet* if no client can notice it: a value gets another form, a group of a stream notes a delivery. It is
//! announced before, since memory changes, and not reported after. What is no part of a value is not even announced: access
//! times, and the location of a table.
//!
//! The caller names a part as it knows it, by name or index; the listener finds the segment or node. All elements outside of
//! the part keep their values, and those of a list keep their distance to the nearer end.
//!
//! Only a test listens to `before_change` yet, so it costs nothing; `after_change` costs one comparison while no key is
//! observed and nothing is recorded.

use std::ops::Range;

use crate::UnixMillis;
use crate::entry::EntryPointer;
use crate::group_counts::GroupCounts;
use crate::observed::Observed;
use crate::segment::Hash;
use crate::stream::StreamId;
use crate::table::hash_of;
#[cfg(test)]
use crate::tests::Witness;
use crate::value::Kind;
use crate::workshop::Lens;

/// What has happened to a key, or to a database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// A key that was not there has a value.
    Created {
        /// What it is now.
        after: Kind,
    },
    /// The value of a key gave way to another one, and its expiry with it.
    Replaced {
        /// What it was.
        before: Kind,
        /// What it is now.
        after: Kind,
    },
    /// A part of the value is another one: bytes, elements, entries.
    Modified {
        /// What it was and is.
        kind: Kind,
    },
    /// The key expires at another time, or does not any more.
    ExpiryChanged {
        /// What the value was and is.
        kind: Kind,
    },
    /// The key was taken away.
    Removed {
        /// What it was.
        before: Kind,
    },
    /// The key was removed because its time was over.
    Expired {
        /// What it was.
        before: Kind,
    },
    /// The key was removed because memory was short.
    Evicted {
        /// What it was.
        before: Kind,
    },
    /// Fields of a hash were removed because their time was over. If none is left, [`Change::Removed`] follows.
    FieldsExpired {
        /// Their names, in the order in which they went; empty while changes are not recorded.
        fields: Box<[Box<[u8]>]>,
    },
    /// The value has left the key, for another key, database or keyspace.
    MovedOut {
        /// What it was.
        before: Kind,
    },
    /// A value that has left another key has come here. What the key held has been removed before.
    MovedIn {
        /// What it is now.
        after: Kind,
    },
    /// All keys of the database are gone.
    Flushed,
    /// The database has exchanged its keys with another one.
    Swapped {
        /// The number of the other one.
        with: u16,
    },
}

impl Change {
    /// Whether a key or fields were removed by no command: their time was over, or memory was short.
    pub fn is_by_itself(&self) -> bool {
        matches!(self, Change::Expired { .. } | Change::Evicted { .. } | Change::FieldsExpired { .. })
    }

    /// Whether a key is gone, or fields are whose time was over.
    #[inline(always)]
    fn is_gone(&self) -> bool {
        matches!(
            self,
            Change::Expired { .. } | Change::Evicted { .. } | Change::FieldsExpired { .. } | Change::Removed { .. }
        )
    }

    /// What the key was before; `None` if it was not there, or the change is one of a database.
    pub fn kind_before(&self) -> Option<Kind> {
        match *self {
            Change::Replaced { before, .. }
            | Change::Removed { before }
            | Change::Expired { before }
            | Change::Evicted { before }
            | Change::MovedOut { before } => Some(before),
            Change::Modified { kind } | Change::ExpiryChanged { kind } => Some(kind),
            Change::FieldsExpired { .. } => Some(Kind::Hash),
            Change::Created { .. } | Change::MovedIn { .. } | Change::Flushed | Change::Swapped { .. } => None,
        }
    }

    /// What the key is afterwards; `None` if it is gone, or the change is one of a database.
    pub fn kind_after(&self) -> Option<Kind> {
        match *self {
            Change::Created { after } | Change::Replaced { after, .. } | Change::MovedIn { after } => Some(after),
            Change::Modified { kind } | Change::ExpiryChanged { kind } => Some(kind),
            Change::FieldsExpired { .. } => Some(Kind::Hash),
            Change::Removed { .. }
            | Change::Expired { .. }
            | Change::Evicted { .. }
            | Change::MovedOut { .. }
            | Change::Flushed
            | Change::Swapped { .. } => None,
        }
    }
}

/// A change that was kept for the engine ([`crate::Keyspace::recorded_changes`]).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordedChange {
    /// The database in which it happened.
    pub db: u16,
    /// The key; empty for a change of a whole database.
    pub key: Box<[u8]>,
    /// What happened.
    pub what: Change,
}

/// The same, borrowed.
#[derive(Clone, Copy, Debug)]
pub struct RecordedRef<'a> {
    /// The database in which it happened.
    pub db: u16,
    /// The key; empty for a change of a whole database.
    pub key: &'a [u8],
    /// What happened; `None`: something that [`Recording::Keys`] does not tell.
    pub what: Option<&'a Change>,
}

impl RecordedRef<'_> {
    /// A copy that lasts. Panics if it is not known what has happened.
    pub fn to_owned(self) -> RecordedChange {
        let what = self.what.expect("all of each change is recorded").clone();
        RecordedChange { db: self.db, key: self.key.into(), what }
    }
}

/// What is recorded of changes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Recording {
    /// Nothing.
    #[default]
    Off,
    /// Only keys that have gone, and fields that have expired; of all else, that there was something.
    Gone,
    /// The same, and which other keys have changed.
    Keys,
    /// All of each change.
    All,
}

/// Changes in the order in which they happened. Their keys lie in one buffer, which is kept when they are forgotten: recording allocates
/// nothing.
#[derive(Debug, Default)]
pub struct RecordedChanges {
    changes: Vec<Recorded>,
    keys: Vec<u8>,
    /// There was a change that is not among them.
    has_unnamed: bool,
}

#[derive(Debug)]
struct Recorded {
    db: u16,
    /// Where its key ends in the buffer; it begins where the one before ends.
    key_end: usize,
    what: Option<Change>,
}

/// Bytes of buffers that are kept for the next changes.
const KEPT_BYTES_MAX: usize = 64 << 10;

impl RecordedChanges {
    /// How many there are.
    #[inline]
    pub fn len(&self) -> usize {
        self.changes.len()
    }

    /// Whether there is none.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// Whether something has changed that is not among them ([`Recording::Gone`]).
    #[inline]
    pub fn has_unnamed(&self) -> bool {
        self.has_unnamed
    }

    /// Those from this one on, counted from 0.
    pub fn from(&self, first: usize) -> impl Iterator<Item = RecordedRef<'_>> {
        let mut start = if first == 0 { 0 } else { self.changes[first - 1].key_end };
        self.changes[first..].iter().map(move |Recorded { db, key_end, what }| {
            let key = &self.keys[std::mem::replace(&mut start, *key_end)..*key_end];
            RecordedRef { db: *db, key, what: what.as_ref() }
        })
    }

    #[inline]
    fn push(&mut self, db: u16, key: &[u8], what: Option<Change>) {
        self.keys.extend_from_slice(key);
        self.changes.push(Recorded { db, key_end: self.keys.len(), what });
    }

    #[inline]
    fn forget(&mut self) {
        self.has_unnamed = false;
        if !self.changes.is_empty() {
            self.clear();
        }
    }

    #[inline(never)]
    fn clear(&mut self) {
        self.changes.clear();
        self.keys.clear();
        if self.keys.capacity() > KEPT_BYTES_MAX || self.changes.capacity() * size_of::<Recorded>() > KEPT_BYTES_MAX {
            *self = RecordedChanges::default();
        }
    }
}

/// What is about to change of a key.
#[derive(Clone, Debug)]
#[cfg_attr(not(test), allow(dead_code, reason = "only a test looks at the parts yet"))]
pub(crate) enum Place<'a> {
    /// The key is not there: this is the entry that is added.
    Absent,
    /// All of it: the value if it is no object, the expiry, whether it is there.
    Key,
    /// A part of an object.
    Part(Part<'a>),
}

/// What is about to change of a value in object form.
#[derive(Clone, Debug)]
#[cfg_attr(not(test), allow(dead_code, reason = "only a test looks at the parts yet"))]
pub(crate) enum Part<'a> {
    /// Of a table: the element with this name, whether it is there or is added.
    Element(&'a [u8]),
    /// Of a table: elements that have expired at this time.
    Expired(UnixMillis),
    /// Of a list: elements with these indexes, counted before the change. An empty range: where something is put in.
    Indexes(Range<usize>),
    /// Of a sorted set: members with these ranks go. While keys are saved their entries are given to [`Keyspace::keep_gone_members`] afterwards.
    ///
    /// [`Keyspace::keep_gone_members`]: crate::Keyspace::keep_gone_members
    Leaving(Range<usize>),
    /// Of a list: elements at an end go. Those with the indexes `whole`, at the same end, are given to [`Keyspace::keep_gone`] afterwards.
    ///
    /// [`Keyspace::keep_gone`]: crate::Keyspace::keep_gone
    End { indexes: Range<usize>, whole: Range<usize> },
    /// A part of a stream.
    Stream(StreamPart),
}

/// What is about to change of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamPart {
    /// Its counters and ids and what it knows of producers; no entry and no group. It may change with every other part, too.
    Head,
    /// What groups know: their consumers, positions and references.
    Groups,
    /// The oldest entries may go, and entries may be added behind the last; what groups know of those that go may change.
    Ends,
    /// The entry with this id may go, and what groups know of it.
    Entry(StreamId),
    /// Any of it.
    All,
}

/// Who is told before a change. A closed set: what listens is known when the crate is compiled.
#[derive(Debug)]
pub(crate) enum Listener {
    /// Checks that everybody keeps what the head of the file says.
    #[cfg(test)]
    Witness(Box<Witness>),
}

/// The changes that commands have made, as Redis counts them.
#[derive(Debug, Default)]
struct Tally {
    /// Since the last command was settled: whether it has changed a key,
    has_change: bool,
    /// and how many changes it says it has made.
    counted: Option<u64>,
    /// Since the start.
    total: u64,
}

/// The keyspace's side of the seam: the counts, the observed keys, and the changes recorded for the engine.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    tally: Tally,
    /// Somebody observes a key or listens, changes are recorded, or keys are counted by group.
    is_heard: bool,
    /// The same but for the counting, which needs no more than the change itself.
    is_awaited: bool,
    /// Nobody hears of what is not gone, but that there was something.
    hears_gone_alone: bool,
    counts: Option<Box<GroupCounts>>,
    recording: Recording,
    listener: Option<Listener>,
    observed: Observed,
    recorded: RecordedChanges,
    expired_keys: u64,
    expired_fields: u64,
    /// Expired fields of the current hash that were not reported yet, and their names if they are wanted.
    fields_gone: usize,
    names_gone: Vec<Box<[u8]>>,
}

impl Changes {
    /// A key is about to change, and is still what it was.
    #[inline]
    pub(crate) fn before_change(&mut self, lens: &Lens, db: u16, entry: EntryPointer, place: Place<'_>) {
        if let Some(listener) = &mut self.listener {
            listener.before(lens, db, Some(entry), place);
        }
    }

    /// All keys of a database are about to go from it.
    #[inline]
    pub(crate) fn before_database_change(&mut self, lens: &Lens, db: u16) {
        if let Some(listener) = &mut self.listener {
            listener.before(lens, db, None, Place::Key);
        }
    }

    /// This has happened to a key: of one that is gone, `entry` is not freed yet. `hash` may be left to be found out.
    // A call would cost each write more than all that is done while nobody hears.
    #[inline(always)]
    pub(crate) fn after_change(
        &mut self,
        lens: &Lens,
        db: u16,
        hash: Option<Hash>,
        entry: EntryPointer,
        change: Change,
    ) {
        match change {
            // No command has done that.
            Change::Expired { .. } => self.expired_keys += 1,
            Change::Evicted { .. } => {}
            _ => self.tally.has_change = true,
        }
        if self.is_heard {
            if self.hears_gone_alone && !change.is_gone() {
                self.recorded.has_unnamed = true;
            } else {
                self.tell(lens, db, hash, entry.key(), change);
            }
        }
    }

    /// The same for a key that was made and of which those who watch it hear with its first change.
    #[inline]
    pub(crate) fn after_quiet_change(&mut self, db: u16, entry: EntryPointer, change: Change) {
        if self.is_heard {
            self.spread(db, entry.key(), change);
        }
    }

    /// This has happened to a database, and so to those of its keys that are observed.
    pub(crate) fn after_database_change(&mut self, db: u16, observed: Vec<(u16, Hash)>, change: Change) {
        for (db, hash) in observed {
            self.tally.has_change = true;
            self.observed.tell(db, hash);
        }
        self.spread(db, &[], change);
    }

    #[inline(never)]
    fn tell(&mut self, lens: &Lens, db: u16, hash: Option<Hash>, key: &[u8], change: Change) {
        if !self.observed.is_empty() {
            self.observed.tell(db, hash.unwrap_or_else(|| hash_of(&lens.hasher, key)));
        }
        self.spread(db, key, change);
    }

    /// Tells who hears of all keys.
    fn spread(&mut self, db: u16, key: &[u8], change: Change) {
        if let Some(listener) = &mut self.listener {
            listener.after(db, key, &change);
        }
        if let Some(counts) = &mut self.counts {
            counts.follow(db, key, &change);
        }
        match (self.recording, &change) {
            (Recording::Off, _) => {}
            (Recording::All, _) => self.recorded.push(db, key, Some(change)),
            (Recording::Gone | Recording::Keys, gone) if gone.is_gone() => self.recorded.push(db, key, Some(change)),
            (Recording::Gone, _) => self.recorded.has_unnamed = true,
            // Two words less to write for each change of a command.
            (Recording::Keys, _) => self.recorded.push(db, key, None),
        }
    }

    /// A field of the hash that is worked on has expired and goes; [`Changes::take_fields_expired`] is asked when the work is done.
    #[inline]
    pub(crate) fn note_expired_field(&mut self, name: &[u8]) {
        self.expired_fields += 1;
        self.fields_gone += 1;
        if self.recording != Recording::Off || self.listener.is_some() {
            self.names_gone.push(name.into());
        }
    }

    /// What is to be told of fields that have expired during the work on a hash.
    #[inline]
    pub(crate) fn take_fields_expired(&mut self) -> Option<Change> {
        if self.fields_gone == 0 {
            return None;
        }
        let names = self.names_gone.len();
        assert!(names == 0 || names == self.fields_gone, "each field that has expired is named, or none");
        self.fields_gone = 0;
        Some(Change::FieldsExpired { fields: std::mem::take(&mut self.names_gone).into() })
    }

    /// Lets those who wait for a key look at it again, though it has not changed.
    pub(crate) fn wake(&mut self, db: u16, hash: Hash) {
        self.observed.wake(db, hash);
    }

    /// Who observes keys.
    #[inline]
    pub(crate) fn observed(&self) -> &Observed {
        &self.observed
    }

    /// Changes who observes keys, or takes what they are to hear.
    pub(crate) fn observe<T>(&mut self, work: impl FnOnce(&mut Observed) -> T) -> T {
        let result = work(&mut self.observed);
        self.follow_hearers();
        result
    }

    /// Begins or ends recording; what was recorded and not taken is forgotten at the end.
    pub(crate) fn record(&mut self, recording: Recording) {
        self.recording = recording;
        if recording == Recording::Off {
            self.recorded = RecordedChanges::default();
        }
        self.follow_hearers();
    }

    /// What was recorded and is not forgotten yet.
    #[inline]
    pub(crate) fn recorded(&self) -> &RecordedChanges {
        &self.recorded
    }

    /// Whoever reads what was recorded has done so.
    #[inline]
    pub(crate) fn forget_recorded(&mut self) {
        self.recorded.forget();
    }

    /// Adds to the number of changes that the running command has made.
    #[inline]
    pub(crate) fn count(&mut self, changes: u64) {
        self.tally.counted = Some(self.tally.counted.unwrap_or(0) + changes);
    }

    /// A command is over: its changes are those it counted, or one if it changed something; if it failed, it made none. Returns
    /// whether it has made any.
    #[inline]
    pub(crate) fn settle(&mut self, has_failed: bool) -> bool {
        let tally = &mut self.tally;
        // Reads pay no more than this.
        if !tally.has_change && tally.counted.is_none() {
            return false;
        }
        assert!(self.fields_gone == 0, "whoever works on a hash tells which of its fields have expired");
        let changes = tally.counted.take().unwrap_or(u64::from(tally.has_change));
        tally.has_change = false;
        if has_failed {
            return false;
        }
        tally.total += changes;
        changes > 0
    }

    /// Whether somebody waits for changes to be taken, or may do so: observers of keys, or whoever has them recorded.
    #[inline]
    pub(crate) fn is_awaited(&self) -> bool {
        self.is_awaited
    }

    /// Counts keys by group from now on; there are none yet.
    pub(crate) fn count_groups(&mut self, counts: GroupCounts) {
        self.counts = Some(Box::new(counts));
        self.follow_hearers();
    }

    /// The counts of keys by group, if somebody has asked for them.
    pub(crate) fn counts(&self) -> Option<&GroupCounts> {
        self.counts.as_deref()
    }

    /// Changes by all commands that were settled.
    pub(crate) fn total(&self) -> u64 {
        self.tally.total
    }

    /// Keys that were removed because they had expired.
    pub(crate) fn expired_keys(&self) -> u64 {
        self.expired_keys
    }

    /// Fields that were removed because they had expired.
    pub(crate) fn expired_fields(&self) -> u64 {
        self.expired_fields
    }

    fn follow_hearers(&mut self) {
        self.is_awaited = self.recording != Recording::Off || self.listener.is_some() || !self.observed.is_empty();
        self.is_heard = self.is_awaited || self.counts.is_some();
        let is_observed = self.listener.is_some() || self.counts.is_some() || !self.observed.is_empty();
        self.hears_gone_alone = self.recording == Recording::Gone && !is_observed;
    }
}

impl Listener {
    /// `entry`: `None` for all keys of the database.
    #[cold]
    #[cfg_attr(not(test), allow(unused_variables, reason = "there is no listener"))]
    fn before(&mut self, lens: &Lens, db: u16, entry: Option<EntryPointer>, place: Place<'_>) {
        match *self {
            #[cfg(test)]
            Listener::Witness(ref mut witness) => witness.before(lens, db, entry, place),
        }
    }

    #[cfg_attr(not(test), allow(unused_variables, reason = "there is no listener"))]
    fn after(&mut self, db: u16, key: &[u8], change: &Change) {
        match *self {
            #[cfg(test)]
            Listener::Witness(ref mut witness) => witness.after(db, key, change),
        }
    }
}

#[cfg(test)]
impl Changes {
    /// Has a witness told of everything from now on.
    pub(crate) fn listen(&mut self, witness: Witness) {
        self.listener = Some(Listener::Witness(Box::new(witness)));
        self.follow_hearers();
    }

    /// The witness that listens.
    pub(crate) fn witness(&mut self) -> &mut Witness {
        match &mut self.listener {
            Some(Listener::Witness(witness)) => witness,
            None => panic!("a witness listens"),
        }
    }

    /// Whether all that has expired in the hash that was worked on has been told of.
    pub(crate) fn is_settled(&self) -> bool {
        self.fields_gone == 0 && self.names_gone.is_empty()
    }
}
