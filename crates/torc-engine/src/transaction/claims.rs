//! What holds or awaits locks of this core, and the gate that keeps the oldest transaction from being refused for ever.

use std::collections::{HashMap, VecDeque};

use super::{ChangedKey, Footprint, Hop, LockTable, Refused, Schedule, TransactionId};
use crate::asker::{Asker, ConnectionId};
use crate::message::Batch;
use crate::route::CoreId;

/// A transaction that was refused so often closes the gate.
const REFUSALS_BEFORE_GATE: u32 = 4;

/// Who claims.
pub enum Claim {
    /// A unit that runs when its claim is granted.
    Unit {
        /// Where its answers go.
        origin: CoreId,
        /// Its requests.
        batch: Box<Batch>,
        /// Without requests: keys that have expired, for which somebody waits.
        expired: Vec<ChangedKey>,
        /// It is a script that goes on after a while: when it has begun, Unix microseconds.
        began_us: Option<i64>,
    },
    /// A transaction.
    Transaction {
        /// Its coordinator.
        coordinator: CoreId,
        /// The connection whose transaction it is.
        connection: ConnectionId,
        /// The id of its first attempt.
        age: TransactionId,
        /// What runs as soon as the claim is granted.
        hop: Option<Hop>,
        /// Since when all locks are held, Unix microseconds.
        granted_us: Option<i64>,
        /// Who asked for what it has run here.
        by: Option<Asker>,
        /// What it has changed here, until those who wait for it are served.
        unserved: Vec<ChangedKey>,
    },
}

/// The lock table with what stands behind its claims.
#[derive(Default)]
pub struct Claims {
    locks: LockTable,
    claims: HashMap<TransactionId, Claim>,
    /// Granted by a release, and not told yet.
    granted: VecDeque<TransactionId>,
    /// Transactions by the time of their grant; also some that have ended.
    granted_since: VecDeque<(i64, TransactionId)>,
    /// The age of the transaction for which everything younger is refused.
    gate: Option<TransactionId>,
    /// Attempts that the gate has refused.
    shut_out: Vec<ShutOut>,
}

/// A transaction that has to wait outside the gate, without any claim.
pub struct ShutOut {
    /// Its coordinator.
    pub coordinator: CoreId,
    /// The connection whose transaction it is.
    pub connection: ConnectionId,
    /// The attempt.
    pub id: TransactionId,
}

impl Claims {
    /// Whether nobody holds or awaits a lock.
    #[inline]
    pub fn is_idle(&self) -> bool {
        self.locks.is_idle()
    }

    /// Whether nothing is left of any transaction.
    pub fn is_empty(&self) -> bool {
        self.locks.is_idle()
            && self.claims.is_empty()
            && self.granted.is_empty()
            && self.gate.is_none()
            && self.shut_out.is_empty()
    }

    /// What is left, for a failure's message.
    pub fn describe(&self) -> String {
        let claims = self.claims.iter().map(|(id, claim)| match claim {
            Claim::Unit { origin, .. } => format!("{id:?} unit of core {origin}"),
            Claim::Transaction { coordinator, age, granted_us, hop, .. } => {
                format!("{id:?} of core {coordinator}, age {age:?}, granted {granted_us:?}, with hop {}", hop.is_some())
            }
        });
        let claims: Vec<String> = claims.collect();
        format!(
            "claims {claims:?}, gate {:?}, {} shut out, {} granted",
            self.gate,
            self.shut_out.len(),
            self.granted.len()
        )
    }

    /// The locks.
    pub fn locks(&self) -> &LockTable {
        &self.locks
    }

    /// Adds the exclusive lock of a key to a claim that is granted, if it is free; see [`LockTable::extend`].
    pub fn extend(&mut self, id: TransactionId, hash: u64) {
        self.locks.extend(id, hash);
    }

    /// A unit that cannot run at once, or must keep its locks for a while. Its id is the highest there is, so it is
    /// never refused. True: it is granted.
    pub fn claim_unit(
        &mut self,
        id: TransactionId,
        footprint: Footprint,
        origin: CoreId,
        batch: Box<Batch>,
        expired: Vec<ChangedKey>,
    ) -> bool {
        let granted = self.locks.claim(id, footprint).expect("a unit has the highest id");
        let before = self.claims.insert(id, Claim::Unit { origin, batch, expired, began_us: None });
        assert!(before.is_none(), "an id is claimed with once");
        granted
    }

    /// A transaction's claim. True: it is granted. When it is refused: the hop that came along, and whether it is for the gate.
    pub fn schedule(&mut self, coordinator: CoreId, schedule: Schedule) -> Result<bool, (Option<Hop>, bool)> {
        let Schedule { connection, id, age, refusals, footprint, hop, stand_by: _ } = schedule;
        assert!(age <= id, "no attempt is before the first");
        assert_eq!(age == id, refusals == 0, "each refusal takes a new id");
        let shut = self.gate.is_some_and(|gate| gate < age);
        let claimed = if shut { Err(Refused) } else { self.locks.claim(id, footprint) };
        match claimed {
            Ok(granted) => {
                let claim = Claim::Transaction {
                    coordinator,
                    connection,
                    age,
                    hop,
                    granted_us: None,
                    by: None,
                    unserved: Vec::new(),
                };
                let before = self.claims.insert(id, claim);
                assert!(before.is_none(), "an id is claimed with once");
                Ok(granted)
            }
            Err(Refused) => {
                if refusals >= REFUSALS_BEFORE_GATE && self.gate.is_none_or(|gate| age < gate) {
                    self.gate = Some(age);
                }
                if shut {
                    self.shut_out.push(ShutOut { coordinator, connection, id });
                }
                Err((hop, shut))
            }
        }
    }

    /// The claim with this id.
    pub fn get(&mut self, id: TransactionId) -> Option<&mut Claim> {
        self.claims.get_mut(&id)
    }

    /// A unit that is granted runs: gives where its answers go, its requests, and the keys that have expired.
    pub fn begin_unit(&mut self, id: TransactionId) -> (CoreId, Box<Batch>, Vec<ChangedKey>) {
        assert!(self.locks.is_granted(id), "a unit runs under its locks");
        let Some(Claim::Unit { origin, batch, expired, .. }) = self.claims.get_mut(&id) else {
            unreachable!("it is a unit")
        };
        assert!(batch.is_empty() != expired.is_empty(), "a unit has requests, or stands for keys that have expired");
        (*origin, std::mem::take(batch), std::mem::take(expired))
    }

    /// It has begun, and goes on later at this time, at which nothing that has expired since is removed. Said again, it changes nothing.
    pub fn unit_has_begun(&mut self, id: TransactionId, now_us: i64) {
        let Some(Claim::Unit { began_us, .. }) = self.claims.get_mut(&id) else { unreachable!("it is a unit") };
        if began_us.is_none() {
            *began_us = Some(now_us);
            self.note_granted(id, now_us);
        }
    }

    /// At which time it has begun, if it goes on after a while.
    pub fn unit_began_us(&self, id: TransactionId) -> Option<i64> {
        let Some(Claim::Unit { began_us, .. }) = self.claims.get(&id) else { unreachable!("it is a unit") };
        *began_us
    }

    /// It goes on later, under its claim.
    pub fn unit_pauses(&mut self, id: TransactionId, unfinished: Box<Batch>) {
        let Some(Claim::Unit { batch, .. }) = self.claims.get_mut(&id) else { unreachable!("it is a unit") };
        assert!(batch.is_empty() && !unfinished.is_complete(), "it has not ended");
        *batch = unfinished;
    }

    /// It has run: its answers stay with the claim until that ends.
    pub fn unit_has_run(&mut self, id: TransactionId, ran: Box<Batch>) {
        assert!(ran.is_complete(), "it has run");
        let Some(Claim::Unit { batch, .. }) = self.claims.get_mut(&id) else { unreachable!("it is a unit") };
        assert!(batch.is_empty(), "a unit runs once");
        *batch = ran;
    }

    /// A transaction holds all its locks: gives its coordinator, its connection, and the hop that came with its schedule.
    pub fn grant_transaction(&mut self, id: TransactionId, now_us: i64) -> (CoreId, ConnectionId, Option<Hop>) {
        let Some(Claim::Transaction { coordinator, connection, hop, granted_us, .. }) = self.claims.get_mut(&id) else {
            unreachable!("it is a transaction")
        };
        assert!(granted_us.is_none(), "a claim is granted once");
        *granted_us = Some(now_us);
        (*coordinator, *connection, hop.take())
    }

    /// A hop of a transaction of this connection is about to run at this time, Unix microseconds: gives its coordinator.
    pub fn begin_hop(&mut self, id: TransactionId, of: ConnectionId, now_us: i64, asker: Option<Asker>) -> CoreId {
        let Some(Claim::Transaction { coordinator, connection, granted_us, by, hop, .. }) = self.claims.get_mut(&id)
        else {
            unreachable!("a hop comes while the claim is there")
        };
        assert!(hop.is_none(), "the hop that came with the schedule is the only one");
        assert!(
            granted_us.is_some_and(|granted_us| granted_us <= now_us),
            "a hop runs under its claim, and not before it"
        );
        *connection = of;
        *by = asker.or(*by);
        *coordinator
    }

    /// A hop has changed these keys, for which somebody waits.
    pub fn note_unserved(&mut self, id: TransactionId, keys: impl Iterator<Item = ChangedKey>) {
        let Some(Claim::Transaction { unserved, .. }) = self.claims.get_mut(&id) else {
            unreachable!("a hop runs under its claim")
        };
        unserved.extend(keys);
    }

    /// The waiters of these keys are served now: gives who asked for what has changed the keys.
    pub fn take_unserved(&mut self, id: TransactionId, keys: &[ChangedKey]) -> Asker {
        let Some(Claim::Transaction { by: Some(by), unserved, .. }) = self.claims.get_mut(&id) else {
            unreachable!("a transaction that has changed keys here has run here")
        };
        assert!(!keys.is_empty(), "a core is asked to serve where it has something to serve");
        unserved.retain(|key| !keys.contains(key));
        *by
    }

    /// The claims whose changes are to be served to waiters yet.
    pub fn unserved(&self) -> impl Iterator<Item = TransactionId> {
        let is_unserved = |claim: &Claim| matches!(claim, Claim::Transaction { unserved, .. } if !unserved.is_empty());
        self.claims.iter().filter(move |(_, claim)| is_unserved(claim)).map(|(&id, _)| id)
    }

    /// Ends a claim, queued or granted.
    pub fn release(&mut self, id: TransactionId) -> Claim {
        let claim = self.claims.remove(&id).expect("only claims that exist are released");
        assert_eq!(self.locks.len(), self.claims.len() + 1, "each claim has its locks");
        let mut granted = Vec::new();
        self.locks.release(id, &mut granted);
        self.granted.extend(granted);
        claim
    }

    /// The transaction of this age has run here: gives those that it kept out, which may try again.
    pub fn open_gate(&mut self, age: TransactionId) -> Vec<ShutOut> {
        if self.gate != Some(age) {
            return Vec::new();
        }
        self.gate = None;
        assert!(self.shut_out.iter().all(|shut_out| shut_out.id > age), "a gate keeps out what is younger");
        std::mem::take(&mut self.shut_out)
    }

    /// The next claim that a release has granted.
    pub fn next_granted(&mut self) -> Option<TransactionId> {
        loop {
            let id = self.granted.pop_front()?;
            // It may have been released in the meantime.
            if self.claims.contains_key(&id) {
                assert!(self.locks.is_granted(id), "who is told of its grant holds all its locks");
                return Some(id);
            }
        }
    }

    /// Whether claims were granted that have not been told.
    pub fn has_granted(&self) -> bool {
        !self.granted.is_empty()
    }

    /// A transaction holds all its locks from this time on, Unix microseconds.
    pub fn note_granted(&mut self, id: TransactionId, now_us: i64) {
        self.granted_since.push_back((now_us, id));
    }

    /// The earliest time at which a transaction may still run here, Unix microseconds.
    pub fn oldest_granted_us(&mut self) -> Option<i64> {
        while let Some(&(since_us, id)) = self.granted_since.front() {
            if self.claims.contains_key(&id) {
                return Some(since_us);
            }
            self.granted_since.pop_front();
        }
        None
    }
}
