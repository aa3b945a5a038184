//! This core as a participant: it grants and refuses claims, runs hops and units, and answers.
//!
//! Units run at once while nobody has a claim on what they need (`may_run_now`); only the others are copied and wait.

use super::{Engine, ahead, execute};
use crate::command::Command;
use crate::message::{Asker, Batch, ReplyTo};
use crate::route::CoreId;
use crate::transaction::{
    ChangedKey, Claim, Footprint, Hop, Letter, Mode, Schedule, ShutOut, TransactionId, footprint_here, lock_hash,
};
use torc_resp::Args;

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
    pub(super) fn wait_as_unit(
        &mut self,
        origin: CoreId,
        asker: Asker,
        reply_to: ReplyTo,
        command: &'static Command,
        args: Args<'_>,
    ) {
        let mut batch = self.mesh.spare_batch();
        batch.push(asker, reply_to, command, args);
        self.admit_unit(origin, batch);
    }

    /// Runs a unit now, or when its claim is granted.
    pub(super) fn admit_unit(&mut self, origin: CoreId, batch: Box<Batch>) {
        let footprint = self.footprint_of(&batch);
        if self.claims.locks().is_free(&footprint) && !self.waiters.concern(&footprint) {
            let mut batch = batch;
            let changed = self.run_batch(origin, &mut batch);
            // Nobody waits for what this unit writes; but it may have read a key that had expired.
            self.expired.extend(changed.into_iter().map(|(_, key)| key));
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
            match request.reply_to {
                ReplyTo::Check(_) => {
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
        changed.extend(self.divert_expired(id, ran).into_iter().map(|(_, key)| key));
        let by = (!batch.is_empty()).then(|| batch.request(0).0.asker());
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
        self.expired.extend(self.state.keyspace.take_changes());
        for (db, key) in std::mem::take(&mut self.expired) {
            let is_waited_for = self.is_waited_for(db, &key);
            // What a look at a key may change in it is no reason to look again.
            let noted =
                self.state.keyspace.take_changes().into_iter().filter(|change| (change.0, &change.1) != (db, &key));
            self.expired.extend(noted);
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

    /// Runs all requests of a hop or unit, unless a watched key has changed. Gives the keys that somebody waits for and that
    /// were changed, each with the part of the gather that changed it.
    fn run_batch(&mut self, origin: CoreId, batch: &mut Batch) -> Vec<(u32, ChangedKey)> {
        let mut changed = Vec::new();
        // What has expired before is none of its business.
        if self.state.keyspace.has_changes() {
            self.expired.extend(self.state.keyspace.take_changes());
        }
        for index in 0..batch.len() {
            if index % ahead::WINDOW_REQUESTS == 0 {
                ahead::prepare_batch(&self.state, batch, index);
            }
            let reply_to = batch.next().0.reply_to;
            self.state.parcel = batch.take_parcel_for_next();
            if let ReplyTo::TakeOrWait { .. } | ReplyTo::ApplyOrWait { .. } = reply_to {
                self.take_or_wait(origin, batch);
            } else {
                let Engine { state, sessions, .. } = self;
                batch.execute_next(|request, args, out| execute::remote(state, sessions, request, args, out));
            }
            if let ReplyTo::HandOver(_) = reply_to {
                batch.parcel = self.state.parcel.take().map(|parcel| (index, parcel));
            }
            assert!(self.state.parcel.take().is_none(), "a value arrives");
            if self.state.keyspace.has_changes() {
                let part = reply_to.part().unwrap_or_default();
                let mut keys = self.state.keyspace.take_changes();
                // In an order that does not depend on which keys are on this core.
                keys.sort_unstable();
                changed.extend(keys.into_iter().map(|key| (part, key)));
            }
            if matches!(reply_to, ReplyTo::Check(_)) && batch.last_reply() == execute::CHANGED {
                batch.leave_out_rest();
                break;
            }
        }
        changed
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
        let changed = self.divert_expired(id, ran);
        self.state.leave_time(own_us);
        if let Some(Claim::Transaction { unserved, .. }) = self.claims.get(id) {
            unserved.extend(changed.iter().map(|(_, key)| key.clone()));
        }
        if concludes {
            assert!(changed.is_empty(), "nobody waits for what this transaction writes");
            self.end_claim(id, true);
        }
        self.post(coordinator, Letter::Done { connection, id, batch, now_us, released: concludes, changed });
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
