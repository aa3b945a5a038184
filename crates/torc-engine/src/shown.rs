//! What a reply shows: up to which number the stream must be durable before the reply may leave (`appendfsync always`).
//!
//! ```text
//!   write   key --lock hash--> slot: [of this turn | tag]      reply: of this turn
//!   turn    ends, its group has a number                       slot: [number | tag]
//!   read    key --lock hash--> slot's number, if it is above what is durable
//!   claim   of a transaction ends behind its record            its keys: as a write
//! ```
//! The table has a fixed size and is never emptied: what is durable shows nothing. Two keys that share a slot are told apart by a tag,
//! unless both were written lately; then whoever reads one of them may wait for the other. A reply never waits for less than it shows:
//!
//! - What has changed something, and what comes from another core as of its turn, waits for the number that the end of this turn finds,
//!   which is the highest there is.
//! - What does not say which keys it reads waits for the last change of this shard.
//!
//! While replies wait for nothing the table is not there, and a command pays no more than it does for a stream.

use torc_resp::{Args, reader::reply_len};

use crate::command::Route;
use crate::error::CommandError;
use crate::run::{Call, Task};
use crate::state::CoreState;
use crate::transaction::{Footprint, lock_hash};

/// Stands for the number that this turn ends with, which is not known yet.
pub const THIS_TURN: u64 = u64::MAX;

/// Slots of a core; a power of two. With the tag it is rare that a read waits for a write of another key, while fewer than some
/// thousand keys were written since the last fsync.
const SLOTS: usize = 32 * 1024;

/// Bits of a number in a slot: for more than a hundred years of a million groups a second. The tag is above them.
const NUMBER_BITS: u32 = 52;

/// All bits of a number: this turn's, in a slot.
const NUMBER_OF_THIS_TURN: u64 = (1 << NUMBER_BITS) - 1;

/// The tag of a slot that stands for several keys.
const SEVERAL: u64 = 0;

/// What a client gets in the place of a reply that shows what may be lost.
pub const MAY_BE_LOST: CommandError =
    CommandError::fixed("MISCONF Errors writing to the AOF file: what this reply would show may be lost");

/// Bytes are no whole replies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Inseparable;

/// How many replies these bytes are.
///
/// # Errors
/// They do not end with one.
pub fn count_replies(mut bytes: &[u8]) -> Result<usize, Inseparable> {
    let mut count = 0;
    while !bytes.is_empty() {
        let Some(Ok(len)) = reply_len(bytes) else { return Err(Inseparable) };
        (bytes, count) = (&bytes[len..], count + 1);
    }
    Ok(count)
}

/// The last writes of a core, by key, and what the commands that run now show of them.
#[derive(Debug, Default)]
pub struct Shown {
    /// By the lock hashes of keys; empty while nothing waits.
    slots: Box<[u64]>,
    /// Slots that were written in this turn.
    of_this_turn: Vec<u32>,
    /// The last change of any key.
    of_shard: u64,
    /// The last change that names no keys.
    of_all: u64,
    /// Up to which number all is durable.
    durable: u64,
    /// What commands have shown whose replies nobody has claimed yet.
    by_commands: u64,
}

/// What a command shows of the keys that it names, or more.
enum Reads<'a> {
    /// Nothing: it is about the server, or its parts have told.
    Nothing,
    /// The keys with these indexes.
    Keys(Call<'a>),
    /// Any key of the shard.
    Shard,
}

impl Shown {
    /// Whether replies wait for numbers.
    #[inline]
    pub fn is_on(&self) -> bool {
        !self.slots.is_empty()
    }

    /// All is durable up to this number; [`u64::MAX`]: replies wait for nothing. What was written before replies began to wait may be
    /// anywhere.
    pub fn note_durable(&mut self, number: u64) {
        if number == u64::MAX {
            *self = Shown::default();
            return;
        }
        if !self.is_on() {
            self.slots = vec![0; SLOTS].into_boxed_slice();
            (self.of_shard, self.of_all) = (THIS_TURN, THIS_TURN);
        }
        self.durable = number;
    }

    /// The turn ends with this number: no lower one than of any group that this core has made or heard of.
    pub fn settle(&mut self, number: u64) {
        assert_eq!(self.by_commands, 0, "who is answered knows what the reply shows");
        assert!(number < NUMBER_OF_THIS_TURN, "numbers are not that many");
        for slot in self.of_this_turn.drain(..) {
            let slot = &mut self.slots[slot as usize];
            *slot = (*slot & !NUMBER_OF_THIS_TURN) | number;
        }
        for last in [&mut self.of_shard, &mut self.of_all] {
            if *last == THIS_TURN {
                *last = number;
            }
        }
    }

    /// Whether something was written in this turn.
    pub fn is_unsettled(&self) -> bool {
        self.of_shard == THIS_TURN
    }

    /// A key has changed; the empty one stands for a whole database as well.
    pub fn note_written(&mut self, key: &[u8]) {
        match key {
            [] => self.note_all_written(),
            key => self.note_lock_written(lock_hash(key)),
        }
    }

    /// A claim ends under which another core has written what it says, and has made its record of it.
    pub fn note_claim_written(&mut self, footprint: &Footprint) {
        if footprint.writes_all() {
            self.note_all_written();
        }
        footprint.written_keys().for_each(|hash| self.note_lock_written(hash));
    }

    /// A unit ends that has run in several turns: what it wrote in those before leaves only now.
    pub fn note_late(&mut self) {
        self.note_all_written();
        self.by_commands = THIS_TURN;
    }

    fn note_all_written(&mut self) {
        (self.of_shard, self.of_all) = (THIS_TURN, THIS_TURN);
    }

    fn note_lock_written(&mut self, hash: u64) {
        self.of_shard = THIS_TURN;
        let (index, tag) = place(hash);
        let slot = &mut self.slots[index];
        let (number, tag_before) = (*slot & NUMBER_OF_THIS_TURN, *slot >> NUMBER_BITS);
        let tag = if number <= self.durable || tag == tag_before { tag } else { SEVERAL };
        if number != NUMBER_OF_THIS_TURN {
            self.of_this_turn.push(index as u32);
        }
        *slot = tag << NUMBER_BITS | NUMBER_OF_THIS_TURN;
    }

    /// The last change of a key that is not durable; 0: there is none.
    fn of_key(&self, key: &[u8]) -> u64 {
        let (index, tag) = place(lock_hash(key));
        let (number, tag_of_slot) = (self.slots[index] & NUMBER_OF_THIS_TURN, self.slots[index] >> NUMBER_BITS);
        match number {
            _ if tag_of_slot != tag && tag_of_slot != SEVERAL => self.of_all,
            NUMBER_OF_THIS_TURN => THIS_TURN,
            number => number.max(self.of_all),
        }
    }

    /// Takes what the commands have shown that have run since it was last taken.
    #[inline]
    pub fn take(&mut self) -> u64 {
        std::mem::take(&mut self.by_commands)
    }
}

/// Where the lock hash of a key lies, and by which tag it is known there.
fn place(hash: u64) -> (usize, u64) {
    let index = hash as usize % SLOTS;
    let tag = hash >> NUMBER_BITS;
    (index, if tag == SEVERAL { 1 } else { tag })
}

/// A command has run: notes what its reply shows.
pub fn note(state: &mut CoreState, call: Call<'_>) {
    let reads = reads_of(call);
    let CoreState { shown, effects, .. } = state;
    let number = if effects.is_empty() {
        match reads {
            Reads::Nothing => 0,
            Reads::Keys(call) => keys(call).map(|key| shown.of_key(key)).max().unwrap_or(0),
            Reads::Shard => shown.of_shard,
        }
    } else {
        // Some changes are propagated, and no change of a key to the store: who has seen an entry of a stream.
        if let Reads::Keys(call) = reads {
            keys(call).for_each(|key| shown.note_written(key));
        }
        THIS_TURN
    };
    shown.by_commands = shown.by_commands.max(number);
}

fn reads_of(call: Call<'_>) -> Reads<'_> {
    let row = call.command.row;
    match (call.task, row.route) {
        (Task::Merge { .. }, _) => Reads::Nothing,
        (Task::Check | Task::Follow { .. }, _) => Reads::Shard,
        (_, Route::Owner | Route::Split { .. } | Route::Relay(_)) if !row.follows(call.own_args()) => Reads::Keys(call),
        (_, Route::Session) => Reads::Nothing,
        (_, Route::Every(_)) if !row.concerns_keys() => Reads::Nothing,
        _ => Reads::Shard,
    }
}

fn keys(call: Call<'_>) -> impl Iterator<Item = &[u8]> {
    let args: Args<'_> = call.own_args();
    call.command.row.key_indexes(args).map(move |index| args.get(index))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn on(durable: u64) -> Shown {
        let mut shown = Shown::default();
        shown.note_durable(durable);
        shown.settle(durable);
        shown
    }

    /// Another key in the same slot, with another tag.
    fn neighbour(key: &[u8]) -> Vec<u8> {
        let (index, tag) = place(lock_hash(key));
        let keys = (0u64..).map(|number| number.to_string().into_bytes());
        keys.into_iter()
            .find(|other| place(lock_hash(other)).0 == index && place(lock_hash(other)).1 != tag)
            .expect("there are many")
    }

    #[test]
    fn a_key_shows_its_last_write_until_that_is_durable() {
        let mut shown = on(5);
        assert_eq!((shown.of_key(b"a"), shown.of_shard), (5, 5));
        shown.note_written(b"a");
        assert!(shown.is_unsettled());
        assert_eq!((shown.of_key(b"a"), shown.of_key(b"b")), (THIS_TURN, 5));
        shown.settle(9);
        assert!(!shown.is_unsettled());
        assert_eq!((shown.of_key(b"a"), shown.of_key(b"b"), shown.of_shard), (9, 5, 9));
        shown.note_written(b"");
        shown.settle(11);
        assert_eq!((shown.of_key(b"a"), shown.of_key(b"b")), (11, 11), "a whole database");
        shown.note_durable(u64::MAX);
        assert!(!shown.is_on());
    }

    #[test]
    fn keys_that_share_a_slot_wait_for_each_other_only_while_both_are_open() {
        let (mut shown, other) = (on(5), neighbour(b"a"));
        shown.note_written(b"a");
        assert_eq!(shown.of_key(&other), 5, "it was not written");
        shown.settle(6);
        shown.note_written(&other);
        shown.settle(7);
        assert_eq!((shown.of_key(b"a"), shown.of_key(&other)), (7, 7), "the slot has one number");
        shown.note_durable(7);
        shown.note_written(b"a");
        shown.settle(8);
        assert_eq!((shown.of_key(b"a"), shown.of_key(&other)), (8, 5));
    }

    #[test]
    fn only_whole_replies_are_counted() {
        assert_eq!(count_replies(b"+OK\r\n*2\r\n$1\r\na\r\n:1\r\n-ERR x\r\n"), Ok(3));
        assert_eq!(count_replies(b""), Ok(0));
        for bytes in [&b"+OK\r\n$5\r\nab"[..], b"+OK", b"no reply\r\n"] {
            assert_eq!(count_replies(bytes), Err(Inseparable));
        }
    }

    #[test]
    fn what_was_written_before_replies_wait_may_be_any_key() {
        let mut shown = Shown::default();
        shown.note_durable(5);
        assert_eq!(shown.of_key(b"a"), THIS_TURN);
        shown.settle(7);
        assert_eq!(shown.of_key(b"a"), 7);
    }
}
