//! A rewrite: from the wish for a base to the end of what it replaces.
//!
//! ```text
//!                  cut S                 increment is named          base is written          manifest is durable
//!   Idle -> AwaitsCut -> FinishesOld -> NamesIncrement -> BaseUnderWay -> Installs -> Clears -> Forgets -> Idle
//!                                                            | failed, or of no use
//!                                                            +----> Abandoned ------> Clears
//! ```
//! **A rewrite of a sound log.** All groups up to S go into the old increment, which is synced whole: a torn file that is
//! not the last one would be refused. Then the next increment is made, and a manifest that names it behind the old ones, so
//! that a crash during the rewrite loads old base, old increments, new increment. The base replaces all but the last.
//!
//! **A rewrite of a log without a file** (its fsync failed, or there never was one): the old manifest stays in force, as the
//! state from before the loss. The new increment does not count until its base does, and nothing is durable meanwhile.
//!
//! **A base alone**, of a server that has its log off: as of a log without a file, and no increment is begun. The log closes behind it.
//!
//! ```text
//!   sound:  b1 i1       ->  b1 i1 i2 (b2)   ->  b2 i2 (b1 i1)   ->  b2 i2         (...) to be deleted
//!   lost:   b1 i1       ->  b1 i1 (i2 b2)   ->  b2 i2 (b1 i1)   ->  b2 i2
//!   alone:  b1 i1       ->  b1 i1 (b2)      ->  b2 (b1 i1)      ->  b2
//! ```

use bytes::Bytes;

use super::chores::Chore;
use super::stream::{OpenFile, PAUSE_MS};
use super::types::{Event, FileName, Refusal, RewriteDenied, RewriteReason};
use super::{Log, Phase};
use crate::manifest::Manifest;

/// How long after an attempt files that could not be deleted are tried again.
const CLEAR_PAUSE_MS: u64 = 60_000;

/// A base and the increment that follows it.
#[derive(Debug, Clone)]
pub(super) struct Pair {
    /// The number of the cut between them.
    pub cut: u64,
    pub base: FileName,
    base_seq: u64,
    increment: FileName,
    increment_seq: u64,
}

/// See the head of this file.
#[derive(Debug)]
pub(super) enum Rewrite {
    Idle,
    AwaitsCut,
    FinishesOld(Pair),
    NamesIncrement {
        pair: Pair,
        counts: bool,
    },
    BaseUnderWay(Pair),
    Installs {
        pair: Pair,
        base_bytes: u64,
    },
    Abandoned {
        is_over: bool,
    },
    /// Files are deleted, and then named no more.
    Clears {
        gone: Vec<FileName>,
    },
    Forgets,
}

impl Log {
    /// Asks for a rewrite (BGREWRITEAOF). What follows is told by events.
    ///
    /// # Errors
    /// None can begin now.
    pub fn ask_rewrite(&mut self) -> Result<(), RewriteDenied> {
        match (&self.phase, &self.rewrite) {
            (Phase::Opening, _) => Err(RewriteDenied::Opening),
            (Phase::Closing | Phase::Closed, _) => Err(RewriteDenied::Closing),
            (Phase::Open, Rewrite::Idle) => {
                self.await_cut(RewriteReason::Asked);
                Ok(())
            }
            // As after a start that has found what a crash has left.
            (Phase::Open, Rewrite::Clears { .. } | Rewrite::Forgets) if !self.is_asked_to_rewrite => {
                self.is_asked_to_rewrite = true;
                Ok(())
            }
            (Phase::Open, _) => Err(RewriteDenied::InProgress),
        }
    }

    /// The base is written, with so many bytes; it need not be synced.
    pub fn base_finished(&mut self, bytes: u64) {
        match std::mem::replace(&mut self.rewrite, Rewrite::Idle) {
            Rewrite::BaseUnderWay(pair) => {
                let (manifest, seq, format) = (self.manifest.clone(), pair.base_seq, self.base_format);
                let manifest = match self.is_for_base_alone {
                    true => manifest.with_base_alone(&self.names, seq, format),
                    false => manifest.with_base(&self.names, seq, format, pair.increment_seq),
                };
                self.chores.add([Chore::Sync(pair.base.clone()), Chore::SyncDirectory, Chore::Replace(manifest)]);
                self.rewrite = Rewrite::Installs { pair, base_bytes: bytes };
            }
            Rewrite::Abandoned { is_over: false } => self.rewrite = Rewrite::Abandoned { is_over: true },
            other => panic!("a base has ended that was not begun: {other:?}"),
        }
        self.pump();
    }

    /// The base cannot be written, or no cut can be made.
    pub fn base_failed(&mut self) {
        match self.rewrite {
            Rewrite::AwaitsCut => {
                self.rewrite = Rewrite::Idle;
                self.note_rewrite_failure();
            }
            Rewrite::BaseUnderWay(_) => self.give_up_base(true),
            // There is no file for it yet.
            Rewrite::FinishesOld(_) | Rewrite::NamesIncrement { .. } => self.base_has_failed = true,
            Rewrite::Abandoned { is_over: false } => self.rewrite = Rewrite::Abandoned { is_over: true },
            ref other => panic!("a base has failed that was not begun: {other:?}"),
        }
        self.pump();
    }

    pub(super) fn await_cut(&mut self, reason: RewriteReason) {
        self.rewrite = Rewrite::AwaitsCut;
        self.growth.on_begun(self.now);
        self.is_asked_to_rewrite = false;
        self.base_format = self.settings.base_format;
        self.events.push_back(Event::CutWanted { reason, format: self.base_format });
    }

    /// The cut has come, in the order of the groups.
    pub(super) fn on_cut(&mut self, cut: u64) {
        let (base_seq, increment_seq) = (self.base_seq_next(&self.manifest), self.increment_seq_next(&self.manifest));
        self.base_has_failed = false;
        self.rewrite = Rewrite::FinishesOld(Pair {
            cut,
            base: self.names.base(base_seq, self.base_format).into(),
            base_seq,
            increment: self.names.increment(increment_seq).into(),
            increment_seq,
        });
    }

    /// The number of the next base. What stays as history keeps its name.
    pub(super) fn base_seq_next(&self, manifest: &Manifest) -> u64 {
        let seq = manifest.base_seq_next(self.taken_seq);
        match self.settings.keeps_history {
            true => manifest.seq_beside_history(seq, |seq| self.names.base(seq, self.base_format)),
            false => seq,
        }
    }

    /// The same of an increment.
    pub(super) fn increment_seq_next(&self, manifest: &Manifest) -> u64 {
        let seq = manifest.increment_seq_next(self.taken_seq);
        match self.settings.keeps_history {
            true => manifest.seq_beside_history(seq, |seq| self.names.increment(seq)),
            false => seq,
        }
    }

    /// The base is of no use any more: its host stops, unless it has (`is_over`).
    pub(super) fn give_up_base(&mut self, is_over: bool) {
        if !is_over {
            self.events.push_back(Event::AbandonBase);
        }
        // An increment that only this base could make count goes with it.
        if self.stream.file.as_ref().is_some_and(|file| !file.counts) {
            self.stream.lose_file();
        }
        self.rewrite = Rewrite::Abandoned { is_over };
        self.note_rewrite_failure();
    }

    /// What can go on without an operation.
    pub(super) fn drive_rewrite(&mut self) {
        match &self.rewrite {
            Rewrite::Idle => self.begin_rewrite(),
            Rewrite::FinishesOld(pair) => {
                let (pair, is_lost) = (pair.clone(), self.stream.file.is_none());
                let is_whole = self.stream.file.as_ref().is_some_and(|file| file.synced >= pair.cut && file.counts);
                if is_lost || (is_whole && self.stream.is_clean()) {
                    self.name_increment(pair, !is_lost);
                }
            }
            // A file that does not count must be let go before it can be deleted.
            Rewrite::Abandoned { is_over: true } if self.stream.file.as_ref().is_none_or(|file| file.counts) => {
                self.clear();
            }
            _ => {}
        }
    }

    /// All chores are done.
    pub(super) fn on_chores_done(&mut self) {
        match std::mem::replace(&mut self.rewrite, Rewrite::Idle) {
            Rewrite::NamesIncrement { pair, counts } => self.switch(pair, counts),
            Rewrite::Installs { pair, base_bytes } => self.install(pair, base_bytes),
            Rewrite::Clears { gone } => {
                let kept = &self.kept;
                let has = |files: &[FileName], file: &str| files.iter().any(|it| **it == *file);
                let manifest = self.manifest.clone().without_history(|file| has(&gone, file) && !has(kept, file));
                if manifest == self.manifest {
                    return;
                }
                self.chores.add([Chore::Replace(manifest)]);
                self.rewrite = Rewrite::Forgets;
            }
            Rewrite::Forgets => {}
            other => panic!("nobody has begun chores in {other:?}"),
        }
    }

    /// Deletes the history, unless it is to stay, and takes it out of the manifest.
    pub(super) fn clear(&mut self) {
        assert!(self.chores.is_empty(), "chores of one step at a time");
        self.clear_retry_ms = self.now.monotonic_ms + CLEAR_PAUSE_MS;
        let history = self.manifest.history().iter().filter(|_| !self.settings.keeps_history);
        let history: Vec<FileName> = history.map(|listed| listed.file.clone()).collect();
        let kept: Vec<FileName> = self.kept.drain(..).filter(|file| !self.manifest.names(file)).collect();
        if history.is_empty() && kept.is_empty() {
            self.rewrite = Rewrite::Idle;
            return;
        }
        self.chores.add(history.iter().cloned().chain(kept).map(Chore::Unlink));
        // A name that comes back after a crash must still be in a manifest.
        self.chores.add([Chore::SyncDirectory]);
        self.rewrite = Rewrite::Clears { gone: history };
    }

    /// Whether there are files that should not be there.
    pub(super) fn has_leftovers(&self) -> bool {
        !self.kept.is_empty() || (!self.settings.keeps_history && !self.manifest.history().is_empty())
    }

    fn begin_rewrite(&mut self) {
        if matches!(self.phase, Phase::Opening | Phase::Closed) || self.ends_in_vain() {
            return;
        }
        let is_open = self.phase == Phase::Open;
        let may_ask = self.now.monotonic_ms >= self.base_retry_ms;
        let is_sound = self.needs_base.is_none() && self.refusal.is_none();
        if let Some(reason) = self.needs_base.filter(|_| may_ask) {
            self.await_cut(reason);
        } else if is_open && self.is_asked_to_rewrite {
            self.await_cut(RewriteReason::Asked);
        } else if is_open && is_sound && self.growth.is_wanted(self.bytes(), self.now, &self.settings) {
            self.await_cut(RewriteReason::Grown);
        } else if is_open && self.has_leftovers() && self.now.monotonic_ms >= self.clear_retry_ms {
            self.clear();
        }
    }

    fn name_increment(&mut self, pair: Pair, counts: bool) {
        let names = &self.names;
        let manifest = self.manifest.clone().with_planned_base(names, pair.base_seq, self.base_format);
        let manifest = match counts {
            _ if self.is_for_base_alone => manifest,
            true => manifest.with_increment(names, pair.increment_seq),
            false => manifest.with_planned_increment(names, pair.increment_seq),
        };
        if !self.is_for_base_alone {
            self.chores.add([Chore::Create(pair.increment.clone(), Bytes::new()), Chore::SyncDirectory]);
        }
        self.chores.add([Chore::Replace(manifest)]);
        self.rewrite = Rewrite::NamesIncrement { pair, counts };
    }

    /// Groups above the cut go into the next increment from now on.
    fn switch(&mut self, pair: Pair, counts: bool) {
        if !self.is_for_base_alone {
            let mut file = OpenFile::new(pair.increment.clone(), 0, pair.cut);
            file.counts = counts;
            if let Some(old) = self.stream.open(file) {
                self.closed_bytes += old.end;
            }
        }
        if matches!(self.refusal, Some(Refusal::Begin(_))) {
            self.end_refusal();
        }
        if self.base_has_failed {
            self.rewrite = Rewrite::BaseUnderWay(pair);
            return self.give_up_base(true);
        }
        self.events.push_back(Event::BaseMayBegin { file: pair.base.clone(), cut: pair.cut });
        self.rewrite = Rewrite::BaseUnderWay(pair);
        if self.phase == Phase::Closing && (counts || self.ends_in_vain()) {
            self.give_up_base(false);
        }
    }

    /// The base counts.
    fn install(&mut self, pair: Pair, base_bytes: u64) {
        (self.base_bytes, self.closed_bytes) = (base_bytes, 0);
        self.raise_durable(pair.cut);
        if let Some(file) = self.stream.file.as_mut() {
            // Whatever it has on disk is the state from here on, even if it was lost meanwhile.
            file.counts = true;
        }
        if self.stream.has_sound_file() || self.is_for_base_alone {
            self.needs_base = None;
            // What could not be written to a file before this one does not matter any more.
            match self.refusal {
                Some(_) if !self.stream.is_pausing() => self.end_refusal(),
                Some(Refusal::Sync(_)) => self.refusal = self.write_failure.map(Refusal::Write),
                _ => {}
            }
        } else {
            self.needs_base = Some(RewriteReason::LostFile);
        }
        let bytes = self.bytes();
        self.growth.on_done(bytes, self.now);
        self.statistics.rewrites += 1;
        self.events.push_back(Event::RewriteDone { bytes });
        self.clear();
        self.close_behind_base_alone();
    }

    pub(super) fn note_rewrite_failure(&mut self) {
        self.statistics.rewrite_failures += 1;
        let (failures, pause_ms) = self.growth.on_failure(self.now);
        self.base_retry_ms = self.now.monotonic_ms + PAUSE_MS;
        self.events.push_back(Event::RewriteFailed { failures, pause_ms });
        self.close_behind_base_alone();
    }

    /// Nothing but that base was wanted, whatever has become of it.
    fn close_behind_base_alone(&mut self) {
        if self.is_for_base_alone {
            self.close_soon();
        }
    }
}
