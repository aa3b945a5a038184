//! What is done in the directory besides writing groups: a queue, one operation at a time.
//!
//! ```text
//!   Replace(manifest):  Create temp -> Write -> Sync -> Rename over the manifest -> SyncDirectory
//!                          ^--------- whatever fails, from the beginning after a pause --------+
//! ```
//! Until the last step is done the old manifest may be the one that is found after a crash, and the new one may be; so both
//! must name files that are there. A temporary file whose fsync has failed is made anew.

use std::collections::VecDeque;

use bytes::Bytes;

use super::stream::PAUSE_MS;
use super::types::{Action, Failure, FileName, Now, Outcome};
use crate::manifest::Manifest;

/// Something to be done in the directory.
#[derive(Debug, Clone)]
pub(super) enum Chore {
    /// Makes a file with this content, durably: there may be an old one of that name, which must not come back under a manifest.
    Create(FileName, Bytes),
    /// Syncs a file that somebody else has written. Not tried again.
    Sync(FileName),
    /// Syncs the directory.
    SyncDirectory,
    /// Replaces the manifest.
    Replace(Manifest),
    /// Deletes a file. If that fails, the file stays.
    Unlink(FileName),
    /// Sets the end of a file aside and cuts it off, durably: what is appended later must not be followed by old bytes.
    CutTail { file: FileName, offset: u64, to: FileName },
    /// Moves the single file of an older server here.
    MoveIn(FileName),
}

/// What an outcome has led to.
#[derive(Debug)]
pub(super) enum Progress {
    /// The chore goes on.
    Goes,
    /// The chore is done.
    Done(Chore),
    /// It failed, and is tried again after a pause.
    Again { what: String, failure: Failure },
    /// A file could not be deleted, and is left.
    Kept { file: FileName, failure: Failure },
    /// A file that somebody else has written cannot be trusted.
    SyncFailed { file: FileName, failure: Failure },
}

/// See the head of this file.
pub(super) struct Chores {
    manifest: FileName,
    temporary: FileName,
    queue: VecDeque<Chore>,
    /// Operations of the first chore that are done.
    step: usize,
    is_in_flight: bool,
    paused_until_ms: Option<u64>,
}

impl Chores {
    pub fn new(manifest: String, temporary: String) -> Chores {
        Chores {
            manifest: manifest.into(),
            temporary: temporary.into(),
            queue: VecDeque::new(),
            step: 0,
            is_in_flight: false,
            paused_until_ms: None,
        }
    }

    pub fn add(&mut self, chores: impl IntoIterator<Item = Chore>) {
        self.queue.extend(chores);
    }

    /// Forgets what has not begun.
    pub fn clear(&mut self) {
        assert!(!self.is_in_flight, "what has begun must end");
        self.queue.clear();
        (self.step, self.paused_until_ms) = (0, None);
    }

    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Until when nothing is tried.
    pub fn paused_until_ms(&self) -> Option<u64> {
        self.paused_until_ms
    }

    /// The next operation, if it may begin.
    pub fn next(&mut self, now: Now) -> Option<Action> {
        if self.is_in_flight || self.paused_until_ms.is_some_and(|until_ms| now.monotonic_ms < until_ms) {
            return None;
        }
        self.paused_until_ms = None;
        let action = self.action(self.queue.front()?);
        self.is_in_flight = true;
        Some(action)
    }

    /// The operation has ended so.
    pub fn on_outcome(&mut self, outcome: Outcome, now: Now) -> Progress {
        assert!(self.is_in_flight, "an operation has ended that was not begun");
        self.is_in_flight = false;
        let chore = self.queue.front().expect("it is under way");
        match outcome {
            Outcome::Done => {
                let is_empty = matches!(chore, Chore::Create(_, content) if content.is_empty());
                // There is nothing to write.
                self.step += if is_empty && self.step == 0 { 2 } else { 1 };
                if self.step < steps(chore) { Progress::Goes } else { Progress::Done(self.finish()) }
            }
            Outcome::Short(_) => self.fail(Failure::NoSpace, now),
            Outcome::Failed(failure) => self.fail(failure, now),
        }
    }

    fn fail(&mut self, failure: Failure, now: Now) -> Progress {
        match (self.queue.front().expect("it is under way"), failure) {
            // Gone is gone.
            (Chore::Unlink(_), Failure::NotFound) => return Progress::Done(self.finish()),
            (Chore::Unlink(file), _) => {
                let file = file.clone();
                self.finish();
                return Progress::Kept { file, failure };
            }
            (Chore::Sync(file), _) | (Chore::CutTail { file, .. }, _) if self.is_at_sync() => {
                let file = file.clone();
                self.finish();
                return Progress::SyncFailed { file, failure };
            }
            _ => {}
        }
        let what = self.words();
        self.step = 0;
        self.paused_until_ms = Some(now.monotonic_ms + PAUSE_MS);
        Progress::Again { what, failure }
    }

    /// Whether the operation in flight is the fsync of a file with groups or a base.
    fn is_at_sync(&self) -> bool {
        match self.queue.front() {
            Some(Chore::Sync(_)) => true,
            Some(Chore::CutTail { .. }) => self.step == 2,
            _ => false,
        }
    }

    fn finish(&mut self) -> Chore {
        self.step = 0;
        self.queue.pop_front().expect("it is under way")
    }

    fn action(&self, chore: &Chore) -> Action {
        match (chore, self.step) {
            (Chore::Create(file, _), 0) => Action::Create { file: file.clone() },
            (Chore::Create(file, content), 1) => {
                Action::Write { file: file.clone(), offset: 0, chunks: vec![content.clone()] }
            }
            (Chore::Create(file, _), _) | (Chore::Sync(file), _) | (Chore::CutTail { file, .. }, 2) => {
                Action::Sync { file: file.clone() }
            }
            (Chore::SyncDirectory, _) => Action::SyncDirectory,
            (Chore::Unlink(file), _) => Action::Unlink { file: file.clone() },
            (Chore::CutTail { file, offset, to }, 0) => {
                Action::SetAside { file: file.clone(), offset: *offset, to: to.clone() }
            }
            (Chore::CutTail { file, offset, .. }, _) => Action::Truncate { file: file.clone(), bytes: *offset },
            (Chore::MoveIn(file), _) => Action::MoveIn { file: file.clone() },
            (Chore::Replace(manifest), step) => self.replacement(manifest, step),
        }
    }

    /// One operation of a new manifest.
    fn replacement(&self, manifest: &Manifest, step: usize) -> Action {
        let temporary = self.temporary.clone();
        match step {
            0 => Action::Create { file: temporary },
            1 => Action::Write { file: temporary, offset: 0, chunks: vec![Bytes::from(manifest.render())] },
            2 => Action::Sync { file: temporary },
            3 => Action::Rename { from: temporary, to: self.manifest.clone() },
            _ => Action::SyncDirectory,
        }
    }

    /// What failed, for the log.
    fn words(&self) -> String {
        match self.queue.front().expect("it is under way") {
            Chore::Create(file, _) => format!("Can't create {file}"),
            Chore::Sync(file) => format!("Can't sync {file}"),
            Chore::SyncDirectory => "Can't sync the AOF directory".to_owned(),
            Chore::Replace(_) => format!("Can't replace the AOF manifest {}", self.manifest),
            Chore::Unlink(file) => format!("Can't delete {file}"),
            Chore::CutTail { file, offset, .. } => format!("Can't cut {file} at offset {offset}"),
            Chore::MoveIn(file) => format!("Can't move {file} into the AOF directory"),
        }
    }
}

/// Operations of a chore.
fn steps(chore: &Chore) -> usize {
    match chore {
        Chore::Replace(_) => 5,
        Chore::CutTail { .. } => 3,
        // Also of an empty one: its write is passed over.
        Chore::Create(..) => 3,
        _ => 1,
    }
}
