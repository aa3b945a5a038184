//! Requests that wait on this core for a key, in the order in which they came to it.

use std::collections::{HashMap, VecDeque};

use torc_resp::Args;

use super::{Footprint, lock_hash};
use crate::command::{Blocking, Command};
use crate::message::{Asker, Batch, ReplyTo};
use crate::route::CoreId;
use crate::session::ConnectionId;

/// Who waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
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
    /// Its keys on this core.
    keys: Vec<Box<[u8]>>,
    /// It waits on other cores too.
    spans_cores: bool,
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
        self.spans_cores
    }

    /// Its keys on this core, each once.
    pub fn keys(&self) -> &[Box<[u8]>] {
        &self.keys
    }
}

/// See the head of the file.
#[derive(Default)]
pub struct Waiters {
    waiters: HashMap<WaiterId, Waiter>,
    by_key: HashMap<(u16, Box<[u8]>), VecDeque<WaiterId>>,
    /// Number of waiters by the lock hash of their keys.
    by_hash: HashMap<u64, usize>,
}

impl Waiters {
    /// Whether nobody waits here.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.waiters.is_empty()
    }

    /// Whether somebody may wait for a key that is written under these locks.
    pub fn concern(&self, footprint: &Footprint) -> bool {
        !self.is_empty() && footprint.writes(|hash| self.by_hash.contains_key(&hash))
    }

    /// Adds a waiter behind all others. `keys`: those on this core, each once.
    pub fn add(
        &mut self,
        id: WaiterId,
        asker: Asker,
        command: &'static Command,
        args: Args<'_>,
        keys: Vec<Box<[u8]>>,
        spans_cores: bool,
    ) {
        for key in &keys {
            self.by_key.entry((asker.db, key.clone())).or_default().push_back(id);
            *self.by_hash.entry(lock_hash(key)).or_default() += 1;
        }
        let mut batch = Box::<Batch>::default();
        batch.push(asker, ReplyTo::Part(0), command, args);
        let before = self.waiters.insert(id, Waiter { batch, keys, spans_cores });
        assert!(before.is_none(), "a wait is added once");
    }

    /// Takes a waiter out, if it still waits here.
    pub fn remove(&mut self, id: WaiterId) -> Option<Waiter> {
        let waiter = self.waiters.remove(&id)?;
        let db = waiter.request().1.db;
        for key in &waiter.keys {
            let place = (db, key.clone());
            let queue = self.by_key.get_mut(&place).expect("a waiter stands in the queue of its keys");
            queue.retain(|other| *other != id);
            if queue.is_empty() {
                self.by_key.remove(&place);
            }
            let hash = lock_hash(key);
            let count = self.by_hash.get_mut(&hash).expect("its hash is counted");
            *count -= 1;
            if *count == 0 {
                self.by_hash.remove(&hash);
            }
        }
        Some(waiter)
    }

    /// The waiter with this id.
    pub fn get(&self, id: WaiterId) -> Option<&Waiter> {
        self.waiters.get(&id)
    }

    /// Those who wait for a key, the first to come first.
    pub fn of_key(&self, db: u16, key: &[u8]) -> Vec<WaiterId> {
        self.by_key.get(&(db, key.into())).map(|queue| queue.iter().copied().collect()).unwrap_or_default()
    }
}
