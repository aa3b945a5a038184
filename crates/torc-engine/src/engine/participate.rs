//! This core as a participant: it grants and refuses claims, runs hops and units, and answers.
//!
//! Units run at once while nobody has a claim on what they need (`may_run_now`); only the others are copied and wait.

use super::{Engine, ahead, execute};
use crate::command::Command;
use crate::message::{Asker, Batch, ReplyTo};
use crate::route::CoreId;
use crate::transaction::{Claim, Footprint, Hop, Letter, Schedule, ShutOut, TransactionId, footprint_here};
use torc_resp::Args;

impl Engine {
    /// Whether a request, or a share of one, may run here without a claim.
    #[inline]
    pub(super) fn may_run_now(&self, command: &Command, args: Args<'_>) -> bool {
        self.claims.is_idle() || self.is_unclaimed(command, args)
    }

    #[cold]
    fn is_unclaimed(&self, command: &Command, args: Args<'_>) -> bool {
        let mut footprint = Footprint::default();
        footprint_here(&self.state, command, args, &mut footprint);
        footprint.seal();
        self.claims.locks().is_free(&footprint)
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
        if self.claims.locks().is_free(&footprint) {
            return self.run_unit(origin, batch);
        }
        let id = self.clock.next(self.state.now_us);
        let granted = self.claims.claim_unit(id, footprint, origin, batch);
        assert!(!granted, "what conflicts with a claim waits for it");
    }

    fn footprint_of(&self, batch: &Batch) -> Footprint {
        let mut footprint = Footprint::default();
        for index in 0..batch.len() {
            let (request, args) = batch.request(index);
            match request.reply_to {
                ReplyTo::Check(_) => {
                    let keys = (0..args.len()).step_by(2).map(|index| args.get(index));
                    keys.for_each(|key| {
                        footprint.add(crate::transaction::lock_hash(key), crate::transaction::Mode::Shared)
                    });
                }
                _ => footprint_here(&self.state, request.command, args, &mut footprint),
            }
        }
        footprint.seal();
        footprint
    }

    fn run_unit(&mut self, origin: CoreId, mut batch: Box<Batch>) {
        self.run_batch(&mut batch);
        self.post(origin, Letter::Answers(batch));
    }

    /// Runs all requests of a hop or unit, unless a watched key has changed.
    fn run_batch(&mut self, batch: &mut Batch) {
        let Engine { state, sessions, prefetched, .. } = self;
        for index in 0..batch.len() {
            if index % ahead::WINDOW_REQUESTS == 0 {
                ahead::prepare_batch(state, batch, index, prefetched);
            }
            let mut is_check = false;
            batch.execute_next(|request, args, out| {
                is_check = matches!(request.reply_to, ReplyTo::Check(_));
                execute::remote(state, sessions, request, args, out);
            });
            if is_check && batch.last_reply() == execute::CHANGED {
                return batch.leave_out_rest();
            }
        }
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
            Claim::Unit { .. } => {
                let Claim::Unit { origin, batch } = self.claims.release(id) else { unreachable!("it is a unit") };
                self.run_unit(origin, batch);
            }
            Claim::Transaction { coordinator, connection, hop, granted_us, .. } => {
                *granted_us = Some(now_us);
                let (coordinator, connection, hop) = (*coordinator, *connection, hop.take());
                self.claims.note_granted(id, now_us);
                self.follow_floor();
                match hop {
                    Some(hop) => self.run_hop(id, Hop { now_us: hop.now_us.max(now_us), ..hop }),
                    None => self.post(coordinator, Letter::Granted { connection, id, now_us, awaited: false }),
                }
            }
        }
    }

    /// The hop of a transaction whose claims are all granted.
    pub(super) fn run_hop(&mut self, id: TransactionId, hop: Hop) {
        let Hop { mut batch, now_us, concludes } = hop;
        let Some(&mut Claim::Transaction { coordinator, connection, granted_us, .. }) = self.claims.get(id) else {
            unreachable!("a hop comes while the claim is there")
        };
        assert!(
            granted_us.is_some_and(|granted_us| granted_us <= now_us),
            "a hop runs under its claim, and not before it"
        );
        let own_us = self.state.enter_time(now_us);
        self.run_batch(&mut batch);
        self.state.leave_time(own_us);
        if concludes {
            self.end_claim(id, true);
        }
        self.post(coordinator, Letter::Done { connection, id, batch, now_us, released: concludes });
    }

    /// Ends a transaction's claim; `finished`: all of it has run here.
    pub(super) fn end_claim(&mut self, id: TransactionId, finished: bool) {
        // An attempt that was refused by several is called off at each of them.
        if !finished && self.claims.get(id).is_none() {
            return;
        }
        let Claim::Transaction { age, .. } = self.claims.release(id) else { unreachable!("units end by themselves") };
        self.follow_floor();
        if finished {
            for ShutOut { coordinator, connection, id } in self.claims.open_gate(age) {
                self.post(coordinator, Letter::Opened { connection, id });
            }
        }
    }

    /// What a transaction may still read at the time of its grant is not removed for having expired since.
    fn follow_floor(&mut self) {
        let floor_ms = self.claims.oldest_granted_us().map_or(i64::MAX, |granted_us| granted_us / 1000);
        self.state.keyspace.set_expiry_floor(floor_ms);
    }

    /// Tells claims that were granted by the release of others, until nothing more follows from that.
    pub(super) fn settle_letters(&mut self) {
        loop {
            if let Some(id) = self.claims.next_granted() {
                self.granted(id);
            } else if let Some(letter) = self.desk.pop_front() {
                self.on_letter(self.state.core, letter);
            } else {
                return;
            }
        }
    }
}
