//! Requests that wait on this core for a key, in the order in which they came to it.

use std::collections::{BTreeSet, HashMap, VecDeque};

use torc_resp::Args;

use super::{ChangedKey, Footprint, lock_hash};
use crate::asker::{Asker, ConnectionId};
use crate::command::{Blocking, Command};
use crate::message::{Address, Batch};
use crate::route::CoreId;
use crate::task::Task;

/// What is written to a key locks the destinations of so many of those that wait to move something from it; others move later.
const MOVES_AT_ONCE_MAX: usize = 64;

/// Who waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WaiterId {
    /// The core that holds the connection.
    pub origin: CoreId,
    /// The connection.
    pub connection: ConnectionId,
    /// Which of its waits.
    pub wait: u32,
}

/// A request that waits.
pub struct Waiter {
    /// The request alone in a batch.
    batch: Box<Batch>,
    place: WaiterPlace,
    alarm_ms: Option<i64>,
}

/// Where a request waits on this core.
#[derive(Debug, Default)]
pub struct WaiterPlace {
    /// Its keys on this core, each once.
    pub keys: Vec<Box<[u8]>>,
    /// It waits on other cores too.
    pub spans_cores: bool,
    /// It moves what it gets to another key.
    pub moves: Option<Destination>,
}

/// Where a waiting request moves what it gets.
#[derive(Debug)]
pub enum Destination {
    /// To this key of this core.
    Here(Box<[u8]>),
    /// To another core.
    Elsewhere,
}

impl Waiter {
    /// The request.
    pub fn request(&self) -> (&'static Command, Asker, Args<'_>) {
        let (request, args) = self.batch.request(0);
        (request.command, request.asker(), args)
    }

    /// What makes it ready and serves it.
    pub fn blocking(&self) -> &'static Blocking {
        self.request().0.row.blocking.expect("only commands that block wait")
    }

    /// Whether other cores may serve it as well.
    pub fn spans_cores(&self) -> bool {
        self.place.spans_cores
    }

    /// Its keys on this core, each once.
    pub fn keys(&self) -> &[Box<[u8]>] {
        &self.place.keys
    }

    /// Whether time alone may bring it something.
    pub fn has_alarm(&self) -> bool {
        self.alarm_ms.is_some()
    }

    /// Where it moves what it gets, if it does.
    pub fn moves(&self) -> Option<&Destination> {
        self.place.moves.as_ref()
    }
}

/// See the head of the file.
#[derive(Default)]
pub struct Waiters {
    waiters: HashMap<WaiterId, Waiter>,
    by_key: HashMap<(u16, Box<[u8]>), VecDeque<WaiterId>>,
    /// The keys of `by_key`, by their lock hash.
    by_hash: HashMap<u64, Vec<ChangedKey>>,
    /// Number of those that move what they get to a key of this core.
    moves_here: usize,
    /// Number of keys for which somebody waits whose wait ends with the key.
    keys_on_nokey: usize,
    /// Who is to look again at its keys, and when, Unix milliseconds.
    alarms: BTreeSet<(i64, WaiterId)>,
}

impl Waiters {
    /// All keys for which somebody waits.
    pub fn awaited_keys(&self) -> impl Iterator<Item = &(u16, Box<[u8]>)> {
        self.by_key.keys()
    }

    /// Whether nobody waits here.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.waiters.is_empty()
    }

    /// Number of keys for which somebody waits whose wait ends with the key.
    pub fn keys_on_nokey(&self) -> usize {
        self.keys_on_nokey
    }

    /// Whether somebody may wait for a key that is written under these locks.
    pub fn concern(&self, footprint: &Footprint) -> bool {
        !self.is_empty() && footprint.writes(|hash| self.by_hash.contains_key(&hash))
    }

    /// Adds a waiter behind all others. `words`: its request's arguments.
    pub fn add<'w>(
        &mut self,
        id: WaiterId,
        asker: Asker,
        command: &'static Command,
        words: impl Iterator<Item = &'w [u8]>,
        place: WaiterPlace,
    ) {
        assert!(!place.keys.is_empty(), "who waits on this core waits for a key of it");
        assert!(place.keys.is_sorted_by(|a, b| a < b), "each key is there once");
        for key in &place.keys {
            let queue = self.by_key.entry((asker.db, key.clone())).or_default();
            assert!(!queue.contains(&id), "a wait stands in a queue once");
            let is_first = ends_with_key(command) && !holds_one_on_nokey(&self.waiters, queue);
            self.keys_on_nokey += usize::from(is_first);
            if queue.is_empty() {
                self.by_hash.entry(lock_hash(key)).or_default().push((asker.db, key.clone()));
            }
            queue.push_back(id);
        }
        self.moves_here += usize::from(matches!(place.moves, Some(Destination::Here(_))));
        let mut batch = Box::<Batch>::default();
        batch.push_words(asker, Address::Part(0), Task::TakeOrWait, command, words);
        let before = self.waiters.insert(id, Waiter { batch, place, alarm_ms: None });
        assert!(before.is_none(), "a wait is added once");
    }

    /// Takes a waiter out, if it still waits here.
    pub fn remove(&mut self, id: WaiterId) -> Option<Waiter> {
        let waiter = self.waiters.remove(&id)?;
        let db = waiter.request().1.db;
        let moves = usize::from(matches!(waiter.place.moves, Some(Destination::Here(_))));
        self.moves_here = self.moves_here.checked_sub(moves).expect("whoever moves was counted");
        if let Some(alarm_ms) = waiter.alarm_ms {
            let was_set = self.alarms.remove(&(alarm_ms, id));
            assert!(was_set, "an alarm stands in the list of alarms");
        }
        for key in &waiter.place.keys {
            let place = (db, key.clone());
            let queue = self.by_key.get_mut(&place).expect("a waiter stands in the queue of its keys");
            let before = queue.len();
            queue.retain(|other| *other != id);
            assert_eq!(queue.len() + 1, before, "a waiter stands once in the queue of each of its keys");
            let was_last = ends_with_key(waiter.request().0) && !holds_one_on_nokey(&self.waiters, queue);
            self.keys_on_nokey -= usize::from(was_last);
            if queue.is_empty() {
                self.by_key.remove(&place);
                let hash = lock_hash(key);
                let same_hash = self.by_hash.get_mut(&hash).expect("its hash is known");
                same_hash.retain(|other| *other != place);
                if same_hash.is_empty() {
                    self.by_hash.remove(&hash);
                }
            }
        }
        Some(waiter)
    }

    /// Sets when a waiter is to look again at its keys, though they have not changed.
    pub fn set_alarm(&mut self, id: WaiterId, alarm_ms: Option<i64>) {
        let waiter = self.waiters.get_mut(&id).expect("it waits");
        if let Some(before) = std::mem::replace(&mut waiter.alarm_ms, alarm_ms) {
            let was_set = self.alarms.remove(&(before, id));
            assert!(was_set, "an alarm stands in the list of alarms");
        }
        self.alarms.extend(alarm_ms.map(|alarm_ms| (alarm_ms, id)));
    }

    /// When the next is to look again.
    pub fn next_alarm_ms(&self) -> Option<i64> {
        self.alarms.first().map(|&(alarm_ms, _)| alarm_ms)
    }

    /// The next who is to look again by now.
    pub fn overdue(&self, now_ms: i64) -> Option<WaiterId> {
        self.alarms.first().filter(|&&(alarm_ms, _)| alarm_ms <= now_ms).map(|&(_, id)| id)
    }

    /// The waiter with this id.
    pub fn get(&self, id: WaiterId) -> Option<&Waiter> {
        self.waiters.get(&id)
    }

    /// Those who wait for a key, the first to come first.
    pub fn of_key(&self, db: u16, key: &[u8]) -> Vec<WaiterId> {
        self.by_key.get(&(db, key.into())).map(|queue| queue.iter().copied().collect()).unwrap_or_default()
    }

    /// The keys that are reached from these when elements move on by those who wait for them, these included, each once.
    pub fn reached_from(&self, keys: &[ChangedKey]) -> Vec<ChangedKey> {
        let mut reached = keys.to_vec();
        let mut next = 0;
        while self.moves_here > 0 && next < reached.len() {
            let (db, key) = reached[next].clone();
            next += 1;
            let queue = self.by_key.get(&(db, key)).into_iter().flatten();
            for waiter in queue.filter_map(|id| self.waiters.get(id)) {
                if let Some(Destination::Here(key)) = waiter.moves()
                    && !reached.iter().any(|known| known.0 == db && known.1 == *key)
                {
                    reached.push((db, key.clone()));
                }
            }
        }
        reached
    }

    /// The same by lock hashes, in all databases: the keys to which elements may move on from those that are written under these
    /// locks. At most so many for each key as may well be served at once.
    pub fn reached_under(&self, footprint: &Footprint) -> Vec<u64> {
        if self.moves_here == 0 {
            return Vec::new();
        }
        assert!(!self.by_key.is_empty(), "whoever moves waits for a key");
        let mut reached = Vec::new();
        let written = footprint.written_keys().filter_map(|hash| self.by_hash.get(&hash));
        let mut keys: Vec<ChangedKey> = written.flatten().cloned().collect();
        let mut next = 0;
        while next < keys.len() {
            let queue = self.by_key.get(&keys[next]).into_iter().flatten();
            let moves = queue.filter_map(|id| self.waiters.get(id)).filter_map(|waiter| match waiter.moves() {
                Some(Destination::Here(key)) => Some(key),
                _ => None,
            });
            let db = keys[next].0;
            let fresh: Vec<ChangedKey> = moves.take(MOVES_AT_ONCE_MAX).map(|key| (db, key.clone())).collect();
            next += 1;
            for place in fresh {
                reached.push(lock_hash(&place.1));
                if !keys.contains(&place) {
                    keys.push(place);
                }
            }
        }
        reached
    }
}

/// Whether a wait ends when the key is gone.
fn ends_with_key(command: &Command) -> bool {
    command.row.blocking.is_some_and(|blocking| blocking.errors_end_wait)
}

/// Whether one of those in the queue of a key waits so.
fn holds_one_on_nokey(waiters: &HashMap<WaiterId, Waiter>, queue: &VecDeque<WaiterId>) -> bool {
    queue.iter().any(|id| ends_with_key(waiters[id].request().0))
}
