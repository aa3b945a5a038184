//! This core as a participant: it grants and refuses claims, runs hops and units, and answers.
//!
//! Units run at once while nobody has a claim on what they need (`may_run_now`); only the others are copied and wait.

use super::waiting::add_waiter;
use super::{Engine, ahead};
use crate::command::Command;
use crate::effect::{Effect, UnitEffects};
use crate::message::{Address, Asker, Batch, Request};
use crate::route::CoreId;
use crate::run::{Call, Outcome, Reach, Task, run};
use crate::transaction::{
    ChangedKey, Claim, Footprint, Hop, Letter, Mode, Schedule, ShutOut, TransactionId, footprint_here, lock_hash,
};
use torc_resp::Args;

/// What a hop or unit has done, by the part of the gather that has done it.
#[derive(Default)]
struct Ran {
    /// Keys that somebody waits for and that were changed.
    changed: Vec<(u32, ChangedKey)>,
    /// All other effects.
    effects: Vec<(u32, Vec<Effect>)>,
}

/// The request that a unit stands for; `None`: keys have expired.
fn asker_of(batch: &Batch) -> Option<Asker> {
    (!batch.is_empty()).then(|| batch.request(0).0.asker())
}

impl Engine {
    /// Whether a request, or a share of one, may run here without a claim.
    #[inline]
    pub(super) fn may_run_now(&self, command: &Command, args: Args<'_>) -> bool {
        (self.claims.is_idle() && self.waiters.is_empty()) || self.concerns_nobody(command, args)
    }

    /// Whether nobody has a claim on what the request needs, and nobody waits for what it may write.
    #[cold]
    fn concerns_nobody(&self, command: &Command, args: Args<'_>) -> bool {
        let mut footprint = Footprint::default();
        footprint_here(&self.state, command, args, &mut footprint);
        footprint.seal();
        self.claims.locks().is_free(&footprint) && !self.waiters.concern(&footprint)
    }

    /// A request that must wait becomes a unit of its own.
    #[cold]
    pub(super) fn wait_as_unit(&mut self, origin: CoreId, call: Call<'_>, address: Address) {
        let mut batch = self.mesh.spare_batch();
        batch.push(call.asker, address, call.task, call.command, call.args);
        self.admit_unit(origin, batch);
    }

    /// Runs a unit now, or when its claim is granted.
    pub(super) fn admit_unit(&mut self, origin: CoreId, batch: Box<Batch>) {
        let footprint = self.footprint_of(&batch);
        if self.claims.locks().is_free(&footprint) && !self.waiters.concern(&footprint) {
            let mut batch = batch;
            let Ran { changed, effects } = self.run_batch(origin, &mut batch);
            // Nobody waits for what this unit writes; but it may have read a key that had expired.
            self.expired.extend(changed.into_iter().map(|(_, key)| key));
            self.tell_unit(&batch, effects);
            return self.post(origin, Letter::Answers(batch));
        }
        let id = self.clock.next(self.state.now_us);
        if self.claims.claim_unit(id, footprint, origin, batch, Vec::new()) {
            self.granted(id);
        }
    }

    fn footprint_of(&self, batch: &Batch) -> Footprint {
        let mut footprint = Footprint::default();
        for index in 0..batch.len() {
            let (request, args) = batch.request(index);
            match request.task {
                Task::Check => {
                    let keys = (0..args.len()).step_by(2).map(|index| args.get(index));
                    keys.for_each(|key| footprint.add(lock_hash(key), Mode::Shared));
                }
                _ => footprint_here(&self.state, request.command, args, &mut footprint),
            }
        }
        footprint.seal();
        footprint
    }

    /// Runs a unit under its claim, and serves those who wait for what it has changed before the claim ends.
    fn run_unit(&mut self, id: TransactionId) {
        self.extend_for_moves(id);
        let Some(Claim::Unit { origin, batch, expired }) = self.claims.get(id) else { unreachable!("it is a unit") };
        let (origin, mut batch, mut changed) = (*origin, std::mem::take(batch), std::mem::take(expired));
        let now_us = self.state.now_us;
        let ran = self.run_batch(origin, &mut batch);
        changed.extend(self.divert_expired(id, ran.changed).into_iter().map(|(_, key)| key));
        let by = asker_of(&batch);
        self.tell_unit(&batch, ran.effects);
        let Some(Claim::Unit { batch: place, .. }) = self.claims.get(id) else { unreachable!("it is a unit") };
        *place = batch;
        if changed.is_empty() || self.serve_waiters(id, changed, by, now_us, false) {
            self.end_serving(id);
        }
    }

    /// Keys that a claim does not write have changed because they have expired: they are looked at by themselves. Gives the others.
    fn divert_expired(&mut self, id: TransactionId, changed: Vec<(u32, ChangedKey)>) -> Vec<(u32, ChangedKey)> {
        let footprint = self.claims.locks().footprint(id);
        let (written, expired) = changed.into_iter().partition(|(_, (_, key))| {
            let hash = lock_hash(key);
            footprint.writes(|written| written == hash)
        });
        self.expired.extend(Vec::into_iter(expired).map(|(_, key): (u32, ChangedKey)| key));
        written
    }

    /// Keys that somebody waits for have changed outside of all units: they have expired. If that is something for who waits, a unit
    /// without commands claims the key and serves them.
    pub(super) fn serve_expired(&mut self) {
        self.end_idle_unit();
        for (db, key) in std::mem::take(&mut self.expired) {
            let is_waited_for = self.is_waited_for(db, &key);
            assert!(!self.state.keyspace.has_changes(), "whoever looks whether a key is ready changes nothing");
            if !is_waited_for {
                continue;
            }
            let mut footprint = Footprint::default();
            footprint.add(lock_hash(&key), Mode::Exclusive);
            let (id, own) = (self.clock.next(self.state.now_us), self.state.core);
            let batch = self.mesh.spare_batch();
            if self.claims.claim_unit(id, footprint, own, batch, vec![(db, key)]) {
                self.granted(id);
            }
        }
    }

    /// Nobody waits any longer for what a unit or transaction has changed.
    pub(super) fn end_serving(&mut self, id: TransactionId) {
        if let Some(&mut Claim::Transaction { coordinator, connection, .. }) = self.claims.get(id) {
            return self.post(coordinator, Letter::Settled { connection, id });
        }
        let Claim::Unit { origin, batch, .. } = self.claims.release(id) else { unreachable!("it is a unit") };
        self.follow_floor();
        self.tell_served(id);
        self.post(origin, Letter::Answers(batch));
    }

    /// A unit has run: whoever reads effects is told of it.
    fn tell_unit(&mut self, batch: &Batch, effects: Vec<(u32, Vec<Effect>)>) {
        let effects = effects.into_iter().flat_map(|(_, effects)| effects).collect();
        self.tell_readers(UnitEffects { by: asker_of(batch), effects });
    }

    /// Runs all requests of a hop or unit, unless a watched key has changed.
    fn run_batch(&mut self, origin: CoreId, batch: &mut Batch) -> Ran {
        let mut ran = Ran::default();
        // What has expired before is none of its business.
        self.end_idle_unit();
        for index in 0..batch.len() {
            if index % ahead::WINDOW_REQUESTS == 0 {
                ahead::prepare_batch(&self.state, batch, index);
            }
            let (request, _) = batch.next();
            let (task, part) = (request.task, request.address.part().unwrap_or_default());
            self.state.parcel = batch.take_parcel_for_next();
            let Engine { state, sessions, .. } = self;
            let execute = |request: &Request, args: Args<'_>, out: &mut Vec<u8>| {
                run(state, Reach::Core(sessions), request.call(args), out)
            };
            let outcome = batch.execute_next(execute);
            let is_called_off = *outcome == Outcome::Compared { changed: true };
            if *outcome == Outcome::Waits {
                let (request, args) = batch.request(index);
                add_waiter(&mut self.state, &mut self.waiters, origin, request, args);
            }
            if task == Task::HandOver {
                batch.parcel = self.state.parcel.take().map(|parcel| (index, parcel));
            }
            assert!(self.state.parcel.take().is_none(), "a value arrives");
            if !self.state.effects.is_empty() {
                let (effects, awaited) = self.take_effects();
                ran.changed.extend(awaited.into_iter().map(|key| (part, key)));
                ran.effects.push((part, effects));
            }
            if is_called_off {
                batch.leave_out_rest();
                break;
            }
        }
        ran
    }

    /// A transaction wants a claim.
    pub(super) fn schedule(&mut self, coordinator: CoreId, schedule: Schedule) {
        let (connection, id) = (schedule.connection, schedule.id);
        self.clock.observe(id);
        match self.claims.schedule(coordinator, schedule) {
            Ok(true) => self.granted(id),
            Ok(false) if coordinator == self.state.core => self.post(coordinator, Letter::Queued { connection, id }),
            Ok(false) => {}
            Err((hop, shut)) => {
                let clock = self.clock.latest();
                self.post(coordinator, Letter::Refused { connection, id, clock, hop, shut });
            }
        }
    }

    /// A claim holds all its locks.
    fn granted(&mut self, id: TransactionId) {
        let now_us = self.state.now_us;
        match self.claims.get(id).expect("a claim that is granted exists") {
            Claim::Unit { .. } => self.run_unit(id),
            Claim::Transaction { coordinator, connection, hop, granted_us, .. } => {
                *granted_us = Some(now_us);
                let (coordinator, connection, hop) = (*coordinator, *connection, hop.take());
                self.claims.note_granted(id, now_us);
                self.follow_floor();
                self.extend_for_moves(id);
                let awaited = self.waiters.concern(self.claims.locks().footprint(id));
                match hop {
                    Some(hop) => {
                        let (now_us, concludes) = (hop.now_us.max(now_us), hop.concludes && !awaited);
                        self.run_hop(id, Hop { now_us, concludes, ..hop });
                    }
                    None => self.post(coordinator, Letter::Granted { connection, id, now_us, awaited }),
                }
            }
        }
    }

    /// The hop of a transaction whose claims are all granted.
    pub(super) fn run_hop(&mut self, id: TransactionId, hop: Hop) {
        let Hop { mut batch, now_us, concludes } = hop;
        let Some(Claim::Transaction { coordinator, connection, granted_us, by, .. }) = self.claims.get(id) else {
            unreachable!("a hop comes while the claim is there")
        };
        if !batch.is_empty() {
            *by = Some(batch.request(0).0.asker());
        }
        let (coordinator, connection, granted_us) = (*coordinator, *connection, *granted_us);
        assert!(
            granted_us.is_some_and(|granted_us| granted_us <= now_us),
            "a hop runs under its claim, and not before it"
        );
        let own_us = self.state.enter_time(now_us);
        let ran = self.run_batch(coordinator, &mut batch);
        let changed = self.divert_expired(id, ran.changed);
        self.state.leave_time(own_us);
        if let Some(Claim::Transaction { unserved, .. }) = self.claims.get(id) {
            unserved.extend(changed.iter().map(|(_, key)| key.clone()));
        }
        if concludes {
            assert!(changed.is_empty(), "nobody waits for what this transaction writes");
            self.end_claim(id, true);
        }
        self.post(
            coordinator,
            Letter::Done { connection, id, batch, now_us, released: concludes, changed, effects: ran.effects },
        );
    }

    /// The coordinator has all that a transaction has changed, and it is this core's turn to serve those who wait.
    pub(super) fn serve_for(&mut self, id: TransactionId, keys: Vec<ChangedKey>, now_us: i64) {
        let Some(Claim::Transaction { by: Some(by), unserved, .. }) = self.claims.get(id) else {
            unreachable!("a transaction that has changed keys here has run here")
        };
        unserved.retain(|key| !keys.contains(key));
        let by = *by;
        if self.serve_waiters(id, keys, Some(by), now_us, true) {
            self.end_serving(id);
        }
    }

    /// Ends a transaction's claim; `finished`: all of it has run here.
    pub(super) fn end_claim(&mut self, id: TransactionId, finished: bool) {
        // An attempt that was refused by several is called off at each of them.
        if !finished && self.claims.get(id).is_none() {
            return;
        }
        let Claim::Transaction { age, .. } = self.claims.release(id) else { unreachable!("units end by themselves") };
        self.follow_floor();
        self.tell_served(id);
        if finished {
            for ShutOut { coordinator, connection, id } in self.claims.open_gate(age) {
                self.post(coordinator, Letter::Opened { connection, id });
            }
        }
    }

    /// What a transaction may still read at the time of its grant is not removed for having expired since.
    pub(super) fn follow_floor(&mut self) {
        let floor_ms = self.claims.oldest_granted_us().map_or(i64::MAX, |granted_us| granted_us / 1000);
        self.state.keyspace.set_expiry_floor(floor_ms);
    }

    /// Tells claims that were granted by the release of others, until nothing more follows from that.
    #[inline]
    pub(super) fn settle_letters(&mut self) {
        if self.claims.has_granted()
            || !self.desk.is_empty()
            || self.state.keyspace.has_changes()
            || !self.expired.is_empty()
        {
            self.read_letters();
        }
    }

    #[cold]
    fn read_letters(&mut self) {
        loop {
            if let Some(id) = self.claims.next_granted() {
                self.granted(id);
            } else if let Some(letter) = self.desk.pop_front() {
                self.on_letter(self.state.core, letter);
            } else if self.state.keyspace.has_changes() || !self.expired.is_empty() {
                self.serve_expired();
            } else {
                return;
            }
        }
    }
}
