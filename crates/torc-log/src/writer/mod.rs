//! The writer of the log, as a state machine.
//!
//! ```text
//!   cores --push(Group)--> merger --in order--> stream ----Write, Sync-----> the open increment
//!                            cut |                 | synced
//!                                v                 v
//!                             rewrite --chores--> manifest, directory    durable(): what survives a crash
//! ```
//! A host drives it so:
//!
//! ```text
//!   log.push(group) / log.tick(now) / log.complete(id, outcome) / ...
//!   while let Some(operation) = log.next_operation() { begin it }
//!   while let Some(event) = log.next_event()         { tell whom it concerns }
//!   replies up to log.answerable() leave;   the next tick is at log.wake_at_ms() or earlier
//! ```
//! At most three operations are in flight: one write (or cut) and one fsync of the open increment, and one chore.
//!
//! **What is durable** is what would be loaded after a crash: groups that an fsync covers which was begun after they were
//! written, in a file that the durable manifest names, behind files that are whole.

mod chores;
mod growth;
mod merger;
mod rewrite;
mod start;
mod stream;
mod types;

use std::collections::VecDeque;

use chores::{Chore, Chores, Progress};
use growth::Growth;
use merger::Merger;
use rewrite::Rewrite;
use stream::{Step, Stream};
pub use types::{
    Action, Event, Failure, FileName, FoundFile, Fsync, Group, Level, Now, Operation, OperationId, Outcome, Refusal,
    RewriteDenied, RewriteReason, Settings, Start, StartContent, Statistics, Tail,
};

use crate::manifest::Manifest;
use crate::names::{BaseFormat, Names};

/// Where the log is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Opening,
    Open,
    Closing,
    Closed,
}

/// Whose operation is in flight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lane {
    Write,
    Sync,
    Chore,
}

/// The log. See the head of this file.
pub struct Log {
    names: Names,
    settings: Settings,
    now: Now,
    phase: Phase,
    /// It is closed as soon as it is open.
    is_closing: bool,
    /// Nothing is appended: a base is written, and then it closes.
    is_for_base_alone: bool,
    merger: Merger,
    stream: Stream,
    chores: Chores,
    rewrite: Rewrite,
    growth: Growth,
    /// The manifest that is durable.
    manifest: Manifest,
    /// The form of the base that is under way, or was last.
    base_format: BaseFormat,
    /// The host has said so before there was a file for it.
    base_has_failed: bool,
    /// A rewrite was asked for while files were being deleted: it begins when they are gone.
    is_asked_to_rewrite: bool,
    /// Numbers of files up to this one are taken by files that no manifest names.
    taken_seq: u64,
    /// Bytes of the base, and of increments before the open one.
    base_bytes: u64,
    closed_bytes: u64,
    /// Bytes of the last increment when the log was opened.
    appended_bytes: u64,
    /// Nothing counts without a new base, and why.
    needs_base: Option<RewriteReason>,
    /// No earlier than this is one asked for again.
    base_retry_ms: u64,
    /// Files that could not be deleted.
    kept: Vec<FileName>,
    /// No earlier than this is that tried again.
    clear_retry_ms: u64,
    /// Somebody else writes a snapshot.
    is_saving: bool,
    holds_sync: bool,
    /// The last number of what was loaded.
    number_loaded: u64,
    durable: u64,
    /// Waiters up to this number have been told that it failed.
    failed: u64,
    refusal: Option<Refusal>,
    /// Why the last write failed.
    write_failure: Option<Failure>,
    is_full: bool,
    in_flight: Vec<(OperationId, Lane)>,
    operation_next: u64,
    operations: VecDeque<Operation>,
    events: VecDeque<Event>,
    statistics: Statistics,
}

impl Log {
    /// Takes a group. Groups may come in any order; every number above that of the start comes once.
    pub fn push(&mut self, group: Group) {
        self.push_all([group]);
    }

    /// Takes all groups that have come, before it begins to write any of them: what is there is one write, and not one for the first
    /// and another for those that came with it.
    pub fn push_all(&mut self, groups: impl IntoIterator<Item = Group>) {
        let mut has_come = false;
        for group in groups {
            assert!(self.phase != Phase::Closed, "nothing is written to a log that is closed");
            self.merger.push(group);
            has_come = true;
        }
        if has_come {
            self.pump();
        }
    }

    /// Time has passed.
    pub fn tick(&mut self, now: Now) {
        self.set_now(now);
        self.pump();
    }

    /// An operation has ended. Operations may end in any order.
    pub fn complete(&mut self, id: OperationId, outcome: Outcome, now: Now) {
        self.set_now(now);
        let place = self.in_flight.iter().position(|(known, _)| *known == id);
        let (_, lane) = self.in_flight.swap_remove(place.expect("an operation ends once, and was begun"));
        match lane {
            Lane::Write => {
                let step = self.stream.on_write(outcome, self.now, &mut self.statistics);
                self.after_step(step);
            }
            Lane::Sync => {
                let step = self.stream.on_sync(outcome, &mut self.statistics);
                self.after_step(step);
            }
            Lane::Chore => {
                let progress = self.chores.on_outcome(outcome, self.now);
                self.after_chore(progress);
            }
        }
        self.pump();
    }

    /// An operator has changed something.
    pub fn configure(&mut self, settings: Settings) {
        if self.settings.keeps_history && !settings.keeps_history {
            self.clear_retry_ms = self.now.monotonic_ms;
        }
        self.settings = settings;
        self.pump();
    }

    /// Somebody else begins or ends writing a snapshot, for `no-appendfsync-on-rewrite`.
    pub fn set_saving(&mut self, is_saving: bool) {
        self.is_saving = is_saving;
        self.pump();
    }

    /// Under `always`: whether no fsync begins for now, so that more groups share the next one.
    pub fn hold_sync(&mut self, is_held: bool) {
        self.holds_sync = is_held;
        self.pump();
    }

    /// The next operation to begin.
    pub fn next_operation(&mut self) -> Option<Operation> {
        self.operations.pop_front()
    }

    /// The next event to tell of.
    pub fn next_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// All groups up to this number would be loaded after a crash of the machine; 0 until the log is open.
    pub fn durable(&self) -> u64 {
        self.durable
    }

    /// All groups up to this number would be loaded after a crash of this process alone.
    pub fn written(&self) -> u64 {
        let written = self.stream.file.as_ref().filter(|file| file.counts).map_or(0, |file| file.written);
        written.max(self.durable)
    }

    /// Replies that wait for numbers up to this one may leave.
    pub fn answerable(&self) -> u64 {
        match self.settings.fsync {
            // Nobody writes to it.
            _ if self.is_for_base_alone => u64::MAX,
            // Nothing is promised before there is a first base: the log is not there yet.
            Fsync::Always if self.needs_base == Some(RewriteReason::FirstBase) => u64::MAX,
            Fsync::Always if self.is_suspended() => self.written(),
            Fsync::Always => self.durable,
            Fsync::EverySecond | Fsync::Never => u64::MAX,
        }
    }

    /// Whether writes of clients are refused, and why.
    pub fn refusal(&self) -> Option<Refusal> {
        self.refusal
    }

    /// Why nothing that is written counts until there is a new base; `None`: it counts.
    pub fn needs_base(&self) -> Option<RewriteReason> {
        self.needs_base
    }

    /// Whether sessions must wait, since so much waits for the disk.
    pub fn is_full(&self) -> bool {
        self.is_full
    }

    /// When the log must be told the time, if nothing happens before.
    pub fn wake_at_ms(&self) -> Option<u64> {
        let stream = self.stream.wake_at_ms(self.settings.fsync, self.is_suspended());
        let is_begun = !matches!(self.phase, Phase::Opening | Phase::Closed) && !self.ends_in_vain();
        let is_idle = matches!(self.rewrite, Rewrite::Idle) && is_begun;
        let base = (is_idle && self.needs_base.is_some()).then_some(self.base_retry_ms);
        let is_growing = is_idle && self.phase == Phase::Open && self.needs_base.is_none() && self.refusal.is_none();
        let growth = if is_growing { self.growth.begins_at_ms() } else { None };
        let clears = is_idle && self.phase == Phase::Open && self.has_leftovers();
        let clear = clears.then_some(self.clear_retry_ms);
        [stream, self.chores.paused_until_ms(), base, growth, clear].into_iter().flatten().min()
    }

    /// Counts since the start.
    pub fn statistics(&self) -> Statistics {
        self.statistics
    }

    /// Bytes of all files that count.
    pub fn bytes(&self) -> u64 {
        self.base_bytes + self.closed_bytes + self.stream.file.as_ref().map_or(0, |file| file.end)
    }

    /// Bytes of all files that counted when the last rewrite had ended, or when the log was opened: growth is measured from there.
    pub fn baseline_bytes(&self) -> u64 {
        self.growth.baseline()
    }

    /// Rewrites that have come to nothing since the last one that did not.
    pub fn rewrite_failures_in_a_row(&self) -> u32 {
        self.growth.failures()
    }

    /// Bytes of groups that are not written yet.
    pub fn pending_bytes(&self) -> u64 {
        self.merger.bytes() + self.stream.pending_bytes()
    }

    /// Whether a rewrite is under way.
    pub fn is_rewriting(&self) -> bool {
        !matches!(self.rewrite, Rewrite::Idle)
    }

    /// Whether history is being deleted, and that has not failed.
    pub fn is_clearing(&self) -> bool {
        matches!(self.rewrite, Rewrite::Clears { .. } | Rewrite::Forgets) && self.chores.paused_until_ms().is_none()
    }

    /// The manifest that is durable.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    fn set_now(&mut self, now: Now) {
        assert!(now.monotonic_ms >= self.now.monotonic_ms, "this clock does not go back");
        self.now = now;
    }

    /// Does whatever can be done now.
    fn pump(&mut self) {
        self.take_groups();
        let dropped = if let Rewrite::FinishesOld(pair) = &self.rewrite { pair.cut } else { self.merger.last() };
        if self.stream.let_go_of_lost(dropped) {
            self.need_base();
        }
        self.drive_rewrite();
        self.begin_operations();
        self.follow_synced();
        // What has become durable may end the old increment, and that begins chores.
        self.drive_rewrite();
        self.begin_operations();
        if self.stream.has_become_slow(self.now) {
            self.statistics.syncs_delayed += 1;
            self.events.push_back(Event::SyncIsSlow);
        }
        self.fail_waiters();
        self.judge_room();
        self.end_if_closed();
    }

    /// Groups in their order: to the stream, or nowhere if only a base can hold them.
    fn take_groups(&mut self) {
        while let Some(group) = self.merger.pop() {
            let is_of_use = self.phase == Phase::Open || (self.needs_base.is_some() && !self.ends_in_vain());
            if group.is_cut && is_of_use && matches!(self.rewrite, Rewrite::AwaitsCut) {
                self.on_cut(group.number);
            }
            if self.keeps_groups() {
                self.stream.take(group);
            }
        }
    }

    /// Whether groups that come now will be written, and are not in the base to come.
    fn keeps_groups(&self) -> bool {
        let has_cut = matches!(self.rewrite, Rewrite::FinishesOld(_) | Rewrite::NamesIncrement { .. });
        let has_cut = has_cut && !self.is_for_base_alone;
        self.stream.file.is_some() || has_cut || (self.phase == Phase::Opening && self.needs_base.is_none())
    }

    fn begin_operations(&mut self) {
        // The fsync first: it waits for the write in flight, and must not wait for the next one too.
        self.begin_sync();
        let limit = match &self.rewrite {
            Rewrite::FinishesOld(pair) | Rewrite::NamesIncrement { pair, .. } => pair.cut,
            _ => u64::MAX,
        };
        if let Some(action) = self.stream.next_write(self.now, &self.settings, limit) {
            self.begin(Lane::Write, action);
        }
        // Groups that need no write need no fsync either.
        self.begin_sync();
        if let Some(action) = self.chores.next(self.now) {
            self.begin(Lane::Chore, action);
        }
    }

    fn begin_sync(&mut self) {
        let ends = matches!(self.rewrite, Rewrite::FinishesOld(_)) || self.phase == Phase::Closing;
        let fsync = if self.is_suspended() { Fsync::Never } else { self.settings.fsync };
        let is_held = self.holds_sync && fsync == Fsync::Always && !ends;
        if !is_held && let Some(action) = self.stream.next_sync(self.now, fsync, ends) {
            self.begin(Lane::Sync, action);
        }
    }

    fn begin(&mut self, lane: Lane, action: Action) {
        assert!(self.in_flight.iter().all(|(_, other)| *other != lane), "one operation of each kind at a time");
        self.operation_next += 1;
        let id = OperationId(self.operation_next);
        self.in_flight.push((id, lane));
        self.operations.push_back(Operation { id, action });
    }

    /// Whether fsyncs wait for the end of a base or snapshot.
    fn is_suspended(&self) -> bool {
        let is_busy = self.is_saving || matches!(self.rewrite, Rewrite::BaseUnderWay(_));
        self.settings.no_fsync_on_rewrite && is_busy && self.phase != Phase::Closing
    }

    /// What the open increment has on disk is durable, if the manifest names it.
    fn follow_synced(&mut self) {
        if let Some(file) = self.stream.file.as_ref().filter(|file| file.counts) {
            self.raise_durable(file.synced);
        }
    }

    fn raise_durable(&mut self, number: u64) {
        self.durable = self.durable.max(number);
    }

    fn after_step(&mut self, step: Step) {
        match step {
            Step::Nothing => {}
            Step::Written => {
                if matches!(self.refusal, Some(Refusal::Write(_))) {
                    self.end_refusal();
                }
            }
            Step::WriteFailed(failure) => {
                self.write_failure = Some(failure);
                self.refuse(Refusal::Write(failure));
            }
            Step::SyncFailed(failure) => self.on_lost_file(failure),
        }
    }

    /// The open increment cannot be trusted: a base from memory is needed.
    fn on_lost_file(&mut self, failure: Failure) {
        self.need_base();
        self.refuse(Refusal::Sync(failure));
        if matches!(self.rewrite, Rewrite::BaseUnderWay(_)) {
            self.give_up_base(false);
        }
    }

    /// What is written counts for nothing without a base. A log that has never had one keeps that reason.
    fn need_base(&mut self) {
        self.needs_base.get_or_insert(RewriteReason::LostFile);
    }

    fn after_chore(&mut self, progress: Progress) {
        match progress {
            Progress::Goes => return,
            Progress::Done(chore) => self.note_done(chore),
            Progress::Kept { file, failure } => {
                self.tell_failure(format!("Can't delete {file}"), failure);
                self.kept.push(file);
            }
            Progress::Again { what, failure } => {
                self.tell_failure(what, failure);
                // Of a base alone nothing is tried again.
                self.is_closing |= self.is_for_base_alone;
                if self.ends_in_vain() {
                    return self.give_up_chores();
                }
                if matches!(self.rewrite, Rewrite::NamesIncrement { .. }) || self.phase == Phase::Opening {
                    self.refuse(Refusal::Begin(failure));
                }
                return;
            }
            Progress::SyncFailed { file, failure } => {
                self.tell_failure(format!("Can't sync {file}"), failure);
                self.on_distrusted(failure);
                if self.phase != Phase::Opening {
                    return;
                }
            }
        }
        if !self.chores.is_empty() {
            return;
        }
        if self.phase == Phase::Opening { self.finish_opening() } else { self.on_chores_done() }
    }

    fn note_done(&mut self, chore: Chore) {
        match chore {
            Chore::Replace(manifest) => self.manifest = manifest,
            Chore::CutTail { file, offset, to } => {
                self.events.push_back(Event::TailSetAside { file, offset, to });
            }
            Chore::Create(..) | Chore::Sync(_) | Chore::SyncDirectory | Chore::Unlink(_) | Chore::MoveIn(_) => {}
        }
    }

    fn tell_failure(&mut self, what: String, failure: Failure) {
        self.events.push_back(Event::OperationFailed { what, failure });
    }

    fn refuse(&mut self, refusal: Refusal) {
        // A file that is lost is the gravest of all, and stays the reason until there is a base.
        let is_graver = matches!(refusal, Refusal::Sync(_)) || self.refusal.is_none();
        if is_graver && self.refusal != Some(refusal) {
            self.refusal = Some(refusal);
            self.events.push_back(Event::RefusalBegins(refusal));
        }
    }

    fn end_refusal(&mut self) {
        self.refusal = None;
        self.events.push_back(Event::RefusalEnds);
    }

    /// While writes are refused, nobody waits for what has been taken.
    fn fail_waiters(&mut self) {
        let up_to = self.merger.last();
        let is_failing = self.refusal.is_some() && self.settings.fsync == Fsync::Always;
        if is_failing && up_to > self.failed.max(self.durable) {
            self.failed = up_to;
            self.events.push_back(Event::WaitersFailed { up_to });
        }
    }

    fn judge_room(&mut self) {
        let (waiting, gap) = (self.stream.pending_bytes(), self.merger.bytes());
        self.growth.on_pending(waiting, self.now);
        let is_over = |bytes: u64, bytes_max: u64| if self.is_full { bytes > bytes_max / 2 } else { bytes > bytes_max };
        let is_full = is_over(waiting, self.settings.buffer_bytes_max) || is_over(gap, self.settings.gap_bytes_max);
        if is_full != self.is_full {
            self.is_full = is_full;
            self.events.push_back(if is_full { Event::AdmissionStops } else { Event::AdmissionGoesOn });
        }
    }
}

#[cfg(test)]
mod tests;
