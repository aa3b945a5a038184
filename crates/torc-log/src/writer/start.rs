//! How a log begins, and how it ends.
//!
//! ```text
//!   loaded files --> sync them --> take over the old single file --> remove what a crash has left --> cut the torn tail
//!                --> an increment to append to, and a base before it if there is no file at all --> Opened --> Clears (history)
//! ```
//! What was loaded may have been in the page cache only, if just the process had ended; the rename of the manifest, too.
//! Whoever reads it now must find it after a crash of the machine, so it is synced before anything else. Nothing is written
//! before all of the above is durable: what is appended must be found again, and not be followed by bytes that were cut off.

use bytes::Bytes;

use super::chores::{Chore, Chores};
use super::growth::Growth;
use super::merger::Merger;
use super::rewrite::Rewrite;
use super::stream::{OpenFile, Stream};
use super::types::{Event, Failure, FileName, Now, Refusal, RewriteReason, Settings, Start, StartContent, Statistics};
use super::{Log, Phase};
use crate::manifest::Manifest;
use crate::names::Names;

impl Log {
    /// Begins a log that continues what the host has found and loaded.
    pub fn open(start: Start, settings: Settings, now: Now) -> Log {
        let base_bytes = base_bytes(&start);
        let mut log = Log {
            names: start.names.clone(),
            settings,
            now,
            phase: Phase::Opening,
            is_closing: false,
            is_for_base_alone: start.content == StartContent::ForBaseAlone,
            merger: Merger::new(start.number),
            stream: Stream::new(now),
            chores: Chores::new(start.names.manifest(), start.names.temporary_manifest()),
            rewrite: Rewrite::Idle,
            growth: Growth::new(base_bytes),
            manifest: start.manifest.clone(),
            base_format: settings.base_format,
            base_has_failed: false,
            is_asked_to_rewrite: false,
            taken_seq: 0,
            base_bytes,
            closed_bytes: 0,
            appended_bytes: 0,
            needs_base: (start.content != StartContent::InFiles).then_some(RewriteReason::FirstBase),
            base_retry_ms: now.monotonic_ms,
            kept: Vec::new(),
            clear_retry_ms: now.monotonic_ms,
            is_saving: false,
            holds_sync: false,
            number_loaded: start.number,
            durable: 0,
            failed: start.number,
            refusal: None,
            write_failure: None,
            is_full: false,
            in_flight: Vec::new(),
            operation_next: 0,
            operations: Default::default(),
            events: Default::default(),
            statistics: Statistics::default(),
        };
        log.plan_opening(&start);
        log.pump();
        log
    }

    /// Writes and syncs everything that was pushed, whatever `appendfsync` says; then comes [`Event::Closed`]. A rewrite is
    /// given up, unless only its base makes the log count. While the disk fails, this does not end: the host decides
    /// how long it waits.
    ///
    /// A log that has no base yet ends in vain: what was there before it stays in force, and nothing is waited for but
    /// what is in flight. The host ends the base that it was asked for with [`Log::base_failed`].
    pub fn close(&mut self) {
        self.close_soon();
        self.pump();
    }

    pub(super) fn close_soon(&mut self) {
        self.is_closing = true;
        match self.phase {
            Phase::Open => self.begin_closing(),
            // It has failed, and would be tried again.
            Phase::Opening if self.ends_in_vain() && self.chores.paused_until_ms().is_some() => self.give_up_chores(),
            _ => {}
        }
    }

    /// Whether the log is being closed before its first base counts, or when nothing but that base was wanted.
    pub(super) fn ends_in_vain(&self) -> bool {
        self.is_closing && (self.needs_base == Some(RewriteReason::FirstBase) || self.is_for_base_alone)
    }

    /// What is to be done in the directory fails, and is of no use any more.
    pub(super) fn give_up_chores(&mut self) {
        self.chores.clear();
        self.phase = Phase::Closing;
        match self.rewrite {
            Rewrite::NamesIncrement { .. } | Rewrite::BaseUnderWay(_) => self.give_up_base(self.base_has_failed),
            // Which manifest is in force is unknown, so the files of both stay.
            Rewrite::Installs { .. } | Rewrite::Clears { .. } | Rewrite::Forgets => {
                self.stream.lose_file();
                self.rewrite = Rewrite::Idle;
                self.fail_base_alone();
            }
            Rewrite::Idle => self.fail_base_alone(),
            Rewrite::AwaitsCut | Rewrite::FinishesOld(_) | Rewrite::Abandoned { .. } => {}
        }
    }

    /// The base that is all that was wanted comes to nothing, unless it counts already.
    fn fail_base_alone(&mut self) {
        if self.is_for_base_alone && self.needs_base.is_some() {
            self.note_rewrite_failure();
        }
    }

    fn plan_opening(&mut self, start: &Start) {
        let mut manifest = start.manifest.clone();
        self.chores.add([Chore::SyncDirectory]);
        if start.content == StartContent::InFiles && start.single_file_bytes.is_none() {
            self.chores.add(manifest.loaded().map(|listed| Chore::Sync(listed.file.clone())));
        }
        if start.single_file_bytes.is_some() {
            let file: FileName = start.names.single_file().into();
            manifest = Manifest::taking_over(&start.names);
            // The manifest first, as Redis does: without the file it is taken over again.
            let whole = [Chore::Replace(manifest.clone()), Chore::MoveIn(file.clone()), Chore::SyncDirectory];
            self.chores.add(whole.into_iter().chain([Chore::Sync(file)]));
        }
        self.remove_leftovers(start, &manifest);
        self.cut_tail(start, &manifest);
        let increments = manifest.increments();
        if let Some((_, closed)) = increments.split_last() {
            self.closed_bytes = closed.iter().map(|listed| bytes_of(start, &listed.file)).sum();
        }
        let mut wanted = manifest.clone();
        if increments.is_empty() && start.content == StartContent::InFiles {
            wanted = self.plan_first_increment(wanted, &start.empty_base);
        }
        let wanted = wanted.reopened();
        if wanted != manifest {
            self.chores.add([Chore::Replace(wanted)]);
        }
    }

    /// An increment to append to, behind a base of nothing if there is none: other servers, and those who look at the files, expect one.
    fn plan_first_increment(&mut self, manifest: Manifest, empty_base: &Bytes) -> Manifest {
        let increment_seq = self.increment_seq_next(&manifest);
        let increment = Chore::Create(self.names.increment(increment_seq).into(), Bytes::new());
        if manifest.base().is_some() {
            self.chores.add([increment, Chore::SyncDirectory]);
            return manifest.with_increment(&self.names, increment_seq);
        }
        let (base_seq, format) = (self.base_seq_next(&manifest), self.base_format);
        let base = Chore::Create(self.names.base(base_seq, format).into(), empty_base.clone());
        let planned = manifest.with_planned_base(&self.names, base_seq, format);
        self.chores.add([Chore::Replace(planned.clone()), base, increment, Chore::SyncDirectory]);
        self.base_bytes = empty_base.len() as u64;
        self.growth = Growth::new(self.base_bytes);
        planned.with_base(&self.names, base_seq, format, increment_seq)
    }

    /// Files that a crash has left and that no manifest names: a manifest that was not renamed, an increment that was not
    /// named. Such increments are empty; whatever is not was put there by somebody else.
    fn remove_leftovers(&mut self, start: &Start, manifest: &Manifest) {
        let temporary = self.names.temporary_manifest();
        let mut leftovers = Vec::new();
        for found in &start.files {
            let seq = self.names.sequence_of(&found.file).filter(|_| !manifest.names(&found.file));
            if *found.file == *temporary || (seq.is_some() && found.bytes == 0) {
                leftovers.push(Chore::Unlink(found.file.clone()));
            } else if let Some(seq) = seq {
                self.taken_seq = self.taken_seq.max(seq);
                self.events.push_back(Event::Stranger { file: found.file.clone() });
            }
        }
        // The temporary manifest may be in use if another one is made first: then that one replaces it.
        if start.single_file_bytes.is_some() {
            leftovers.retain(|chore| !matches!(chore, Chore::Unlink(file) if **file == *temporary));
        }
        if !leftovers.is_empty() {
            self.chores.add(leftovers);
            self.chores.add([Chore::SyncDirectory]);
        }
    }

    fn cut_tail(&mut self, start: &Start, manifest: &Manifest) {
        let last = manifest.loaded().last();
        self.appended_bytes = manifest.increments().last().map_or(0, |listed| bytes_of(start, &listed.file));
        let (Some(tail), Some(last)) = (start.tail, last) else { return };
        let mut to = Names::set_aside(&last.file, tail.offset);
        while start.files.iter().any(|found| *found.file == *to) {
            to.push('+');
        }
        self.chores.add([Chore::CutTail { file: last.file.clone(), offset: tail.offset, to: to.into() }]);
        // The new file's name is to be found again, too.
        self.chores.add([Chore::SyncDirectory]);
        if !manifest.increments().is_empty() {
            self.appended_bytes = tail.offset;
        }
    }

    /// Everything is in place: groups can be written.
    pub(super) fn finish_opening(&mut self) {
        self.phase = Phase::Open;
        match (self.needs_base, self.manifest.increments().last()) {
            (None, Some(last)) => {
                let mut file = OpenFile::new(last.file.clone(), self.appended_bytes, self.number_loaded);
                file.counts = true;
                self.stream.open(file);
            }
            (None, None) => panic!("an increment was made"),
            // What came meanwhile is in memory, and so in the base.
            (Some(_), _) => self.stream.drop_waiting(u64::MAX),
        }
        if matches!(self.refusal, Some(Refusal::Begin(_))) {
            self.end_refusal();
        }
        self.events.push_back(Event::Opened);
        self.clear();
        if self.is_closing {
            self.begin_closing();
        }
    }

    /// A file that the host or another process has written cannot be trusted.
    pub(super) fn on_distrusted(&mut self, failure: Failure) {
        self.chores.clear();
        if self.phase == Phase::Opening {
            // Above all no increment is named behind a file that may be torn.
            self.need_base();
            self.refuse(Refusal::Sync(failure));
        } else {
            self.give_up_base(true);
        }
    }

    fn begin_closing(&mut self) {
        self.phase = Phase::Closing;
        let counts = self.stream.file.as_ref().is_some_and(|file| file.counts);
        if matches!(self.rewrite, Rewrite::BaseUnderWay(_)) && (counts || self.ends_in_vain()) {
            self.give_up_base(false);
        }
        if self.ends_in_vain() && self.chores.paused_until_ms().is_some() {
            self.give_up_chores();
        }
    }

    fn end_in_vain(&mut self) {
        let is_idle = matches!(self.rewrite, Rewrite::Idle | Rewrite::AwaitsCut) && self.chores.is_empty();
        if self.phase == Phase::Closing && is_idle && self.in_flight.is_empty() && self.stream.file.is_none() {
            self.phase = Phase::Closed;
            self.events.push_back(Event::Closed);
        }
    }

    pub(super) fn end_if_closed(&mut self) {
        if self.ends_in_vain() {
            return self.end_in_vain();
        }
        let is_done = self.phase == Phase::Closing
            && matches!(self.rewrite, Rewrite::Idle | Rewrite::AwaitsCut)
            && self.merger.is_empty()
            && self.stream.is_idle()
            && self.stream.is_clean()
            && self.stream.file.as_ref().is_some_and(|file| file.counts)
            && self.chores.is_empty();
        if is_done {
            assert!(self.in_flight.is_empty(), "nothing is under way");
            self.phase = Phase::Closed;
            self.events.push_back(Event::Closed);
        }
    }
}

fn bytes_of(start: &Start, file: &str) -> u64 {
    start.files.iter().find(|found| *found.file == *file).map_or(0, |found| found.bytes)
}

fn base_bytes(start: &Start) -> u64 {
    let is_last = start.single_file_bytes.is_some() || start.manifest.increments().is_empty();
    let cut = start.tail.filter(|_| is_last).map(|tail| tail.offset);
    let found = start.manifest.base().map_or(0, |base| bytes_of(start, &base.file));
    cut.or(start.single_file_bytes).unwrap_or(found)
}
