//! The groups on their way into the increment that is open: what waits, what is being written, what is being synced.
//!
//! ```text
//!   take --> waiting --> portion --Write--> written --Sync--> synced
//!                          |  ^
//!                   failed v  | after a pause: the same bytes at the same place
//!                        Truncate to the last whole group
//! ```
//! There is one write and one fsync at a time. What is written while an fsync runs is covered by the next one, so under
//! load one fsync makes many groups durable.
//!
//! A failed fsync makes the file *lost*: the kernel may have dropped what it could not write, and a later fsync that
//! succeeds proves nothing. Nothing is written to it any more, and it is let go when no write is in flight.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

use super::types::{Action, Failure, FileName, Fsync, Group, Now, Outcome, Settings, Statistics};
use crate::encode::put_select;

/// Bytes of a portion, but for its last group, which may be longer.
const PORTION_BYTES_MAX: u64 = 4 << 20;
/// Groups of a portion.
const PORTION_GROUPS_MAX: usize = 4096;
/// How long after a failed write the next one is tried.
pub(super) const PAUSE_MS: u64 = 1000;
/// Under `everysec`, from the beginning of one fsync to that of the next.
pub(super) const SYNC_INTERVAL_MS: u64 = 1000;
/// An fsync that takes longer is counted.
pub(super) const SYNC_SLOW_MS: u64 = 2000;

/// The increment that is appended to.
pub(super) struct OpenFile {
    pub name: FileName,
    /// Where its last whole group ends.
    pub end: u64,
    /// The manifest that counts names it, so what is synced here is durable.
    pub counts: bool,
    /// Groups up to this number are in it, or in files before it.
    pub written: u64,
    /// The same, and it is known to be on disk.
    pub synced: u64,
    /// The database that is selected at its end; `None`: unknown, so that the next group says it.
    db: Option<u16>,
    /// The last second that was noted in it.
    annotated_s: u64,
    /// Bytes written that no fsync has been begun for.
    dirty: u64,
    /// Groups and commands among them.
    dirty_groups: u64,
    dirty_commands: u64,
    is_lost: bool,
}

impl OpenFile {
    /// An increment of this length, which is on disk, with all groups up to `number` in it or before it.
    pub fn new(name: FileName, end: u64, number: u64) -> OpenFile {
        OpenFile {
            name,
            end,
            counts: false,
            written: number,
            synced: number,
            db: None,
            annotated_s: 0,
            dirty: 0,
            dirty_groups: 0,
            dirty_commands: 0,
            is_lost: false,
        }
    }
}

/// One group of a portion.
struct Member {
    number: u64,
    /// Where it ends, from the portion's first byte.
    end: u64,
    commands: u32,
}

/// What is written next, and again if that fails.
struct Portion {
    members: VecDeque<Member>,
    chunks: VecDeque<Bytes>,
    bytes: u64,
    /// Bytes that the current attempt has written.
    done: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Writing {
    /// The next portion may be written.
    Ready,
    InFlight,
    /// A torn group is to be cut off.
    Torn,
    Cutting,
    /// Until then nothing is tried.
    Pauses {
        until_ms: u64,
    },
}

/// An fsync in flight.
struct Syncing {
    covers: u64,
    groups: u64,
    commands: u64,
    since_ms: u64,
    is_slow: bool,
}

/// What came of an operation, as far as others are concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    Nothing,
    /// A write has succeeded.
    Written,
    WriteFailed(Failure),
    SyncFailed(Failure),
}

/// See the head of this file.
pub(super) struct Stream {
    pub file: Option<OpenFile>,
    waiting: VecDeque<Group>,
    waiting_bytes: u64,
    portion: Option<Portion>,
    writing: Writing,
    sync: Option<Syncing>,
    sync_began_ms: u64,
}

impl Stream {
    pub fn new(now: Now) -> Stream {
        Stream {
            file: None,
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            portion: None,
            writing: Writing::Ready,
            sync: None,
            sync_began_ms: now.monotonic_ms,
        }
    }

    /// Takes the group with the next number.
    pub fn take(&mut self, group: Group) {
        self.waiting_bytes += group.content.len() as u64;
        self.waiting.push_back(group);
    }

    /// Bytes that are not written yet.
    pub fn pending_bytes(&self) -> u64 {
        self.waiting_bytes + self.portion.as_ref().map_or(0, |portion| portion.bytes)
    }

    /// Whether all that was taken is written, and nothing is in flight.
    pub fn is_idle(&self) -> bool {
        self.waiting.is_empty() && self.portion.is_none() && self.writing == Writing::Ready && self.sync.is_none()
    }

    /// Whether there is a file whose content is on disk as far as it is written.
    pub fn is_clean(&self) -> bool {
        self.file.as_ref().is_some_and(|file| !file.is_lost && file.dirty == 0 && file.synced == file.written)
    }

    /// Whether writes fail at present.
    pub fn is_pausing(&self) -> bool {
        !matches!(self.writing, Writing::Ready | Writing::InFlight)
    }

    /// Begins another file; the old one is given back.
    pub fn open(&mut self, file: OpenFile) -> Option<OpenFile> {
        assert!(self.portion.is_none() && self.sync.is_none(), "nothing is under way to the old file");
        let follows = |group: &Group| group.number >= file.written;
        assert!(self.waiting.front().is_none_or(follows), "what waits is for this file");
        self.writing = Writing::Ready;
        self.file.replace(file)
    }

    /// The file is of no use any more: it is let go as soon as no write to it is in flight.
    pub fn lose_file(&mut self) {
        if let Some(file) = &mut self.file {
            file.is_lost = true;
        }
    }

    /// Lets a lost file go, if possible, and with it groups up to `dropped`: a base will hold them.
    pub fn let_go_of_lost(&mut self, dropped: u64) -> bool {
        let is_lost = self.file.as_ref().is_some_and(|file| file.is_lost);
        if !is_lost || self.sync.is_some() || matches!(self.writing, Writing::InFlight | Writing::Cutting) {
            return false;
        }
        self.file = None;
        self.portion = None;
        self.writing = Writing::Ready;
        self.drop_waiting(dropped);
        true
    }

    /// Forgets groups up to this number.
    pub fn drop_waiting(&mut self, up_to: u64) {
        while let Some(group) = self.waiting.pop_front_if(|group| group.number <= up_to) {
            self.waiting_bytes -= group.content.len() as u64;
        }
    }

    /// Whether there is a file that can be trusted.
    pub fn has_sound_file(&self) -> bool {
        self.file.as_ref().is_some_and(|file| !file.is_lost)
    }

    /// The next write or cut, if there is something to do. Groups above `limit` are for another file.
    pub fn next_write(&mut self, now: Now, settings: &Settings, limit: u64) -> Option<Action> {
        if let Writing::Pauses { until_ms } = self.writing
            && now.monotonic_ms >= until_ms
        {
            self.writing = Writing::Ready;
        }
        let file = self.file.as_mut().filter(|file| !file.is_lost)?;
        match self.writing {
            Writing::Torn => {
                self.writing = Writing::Cutting;
                return Some(Action::Truncate { file: file.name.clone(), bytes: file.end });
            }
            Writing::Ready => {}
            Writing::InFlight | Writing::Cutting | Writing::Pauses { .. } => return None,
        }
        while self.portion.is_none() && self.waiting.front().is_some_and(|group| group.number <= limit) {
            self.make_portion(now, settings, limit);
        }
        let (portion, file) = (self.portion.as_ref()?, self.file.as_ref()?);
        self.writing = Writing::InFlight;
        let chunks = rest_of(&portion.chunks, portion.done);
        Some(Action::Write { file: file.name.clone(), offset: file.end + portion.done, chunks })
    }

    /// The next fsync, if one is due.
    pub fn next_sync(&mut self, now: Now, fsync: Fsync, is_forced: bool) -> Option<Action> {
        let file = self.file.as_mut().filter(|file| !file.is_lost)?;
        if self.sync.is_some() {
            return None;
        }
        if file.dirty == 0 {
            // Groups without bytes need none.
            file.synced = file.written;
            return None;
        }
        let is_over = now.monotonic_ms >= self.sync_began_ms + SYNC_INTERVAL_MS;
        let is_due = match fsync {
            // One that waited for the write in flight covers more.
            Fsync::Always => self.writing != Writing::InFlight,
            Fsync::EverySecond => is_over || (is_forced && self.writing != Writing::InFlight),
            Fsync::Never => is_forced && self.writing != Writing::InFlight,
        };
        if !is_due {
            return None;
        }
        self.sync_began_ms = now.monotonic_ms;
        self.sync = Some(Syncing {
            covers: file.written,
            groups: std::mem::take(&mut file.dirty_groups),
            commands: std::mem::take(&mut file.dirty_commands),
            since_ms: now.monotonic_ms,
            is_slow: false,
        });
        file.dirty = 0;
        Some(Action::Sync { file: file.name.clone() })
    }

    /// A write or a cut has ended.
    pub fn on_write(&mut self, outcome: Outcome, now: Now, statistics: &mut Statistics) -> Step {
        if self.writing == Writing::Cutting {
            // If it failed, the torn group is overwritten with the same bytes.
            self.writing = Writing::Pauses { until_ms: now.monotonic_ms + PAUSE_MS };
            return Step::Nothing;
        }
        assert_eq!(self.writing, Writing::InFlight, "a write has ended that was not begun");
        let portion = self.portion.as_mut().expect("it is being written");
        let left = portion.bytes - portion.done;
        match outcome {
            Outcome::Done => portion.done = portion.bytes,
            Outcome::Short(bytes) if bytes > 0 && bytes < left => {
                portion.done += bytes;
                // The rest follows at once; if there is a reason why it was short, that write will tell.
                self.writing = Writing::Ready;
                return Step::Nothing;
            }
            Outcome::Short(_) | Outcome::Failed(_) => {
                let failure = if let Outcome::Failed(failure) = outcome { failure } else { Failure::Io };
                statistics.write_failures += 1;
                self.keep_whole_groups(statistics);
                self.writing = Writing::Torn;
                return Step::WriteFailed(failure);
            }
        }
        statistics.writes += 1;
        self.writing = Writing::Ready;
        self.keep_whole_groups(statistics);
        assert!(self.portion.is_none(), "the whole portion is written");
        Step::Written
    }

    /// An fsync has ended.
    pub fn on_sync(&mut self, outcome: Outcome, statistics: &mut Statistics) -> Step {
        let sync = self.sync.take().expect("an fsync has ended that was not begun");
        let file = self.file.as_mut().expect("it is not let go while it is synced");
        match outcome {
            Outcome::Done => {
                file.synced = file.synced.max(sync.covers);
                statistics.syncs += 1;
                statistics.groups_synced += sync.groups;
                statistics.commands_synced += sync.commands;
                Step::Nothing
            }
            Outcome::Short(_) | Outcome::Failed(_) => {
                statistics.sync_failures += 1;
                file.is_lost = true;
                Step::SyncFailed(if let Outcome::Failed(failure) = outcome { failure } else { Failure::Io })
            }
        }
    }

    /// Whether the fsync in flight has just become slow.
    pub fn has_become_slow(&mut self, now: Now) -> bool {
        let slow = self.sync.as_mut().filter(|sync| !sync.is_slow && now.monotonic_ms >= sync.since_ms + SYNC_SLOW_MS);
        slow.is_some_and(|sync| {
            sync.is_slow = true;
            true
        })
    }

    /// When something is due that nothing but time brings about.
    pub fn wake_at_ms(&self, fsync: Fsync, is_suspended: bool) -> Option<u64> {
        let pause = if let Writing::Pauses { until_ms } = self.writing { Some(until_ms) } else { None };
        let slow = self.sync.as_ref().filter(|sync| !sync.is_slow).map(|sync| sync.since_ms + SYNC_SLOW_MS);
        let is_dirty = self.file.as_ref().is_some_and(|file| file.dirty > 0 && !file.is_lost) && self.sync.is_none();
        let sync =
            (is_dirty && fsync == Fsync::EverySecond && !is_suspended).then_some(self.sync_began_ms + SYNC_INTERVAL_MS);
        [pause, slow, sync].into_iter().flatten().min()
    }

    /// Makes the next portion of what waits, up to `limit`.
    fn make_portion(&mut self, now: Now, settings: &Settings, limit: u64) {
        let file = self.file.as_mut().expect("a portion is for a file");
        let mut portion = Portion { members: VecDeque::new(), chunks: VecDeque::new(), bytes: 0, done: 0 };
        while portion.bytes < PORTION_BYTES_MAX && portion.members.len() < PORTION_GROUPS_MAX {
            let Some(group) = self.waiting.pop_front_if(|group| group.number <= limit) else { break };
            self.waiting_bytes -= group.content.len() as u64;
            file.put_group(&mut portion, group, now, settings);
        }
        if portion.bytes > 0 {
            self.portion = Some(portion);
        } else if let Some(last) = portion.members.back() {
            file.written = last.number;
        }
    }

    /// Counts the groups that the attempt has written as a whole, and leaves the others in the portion.
    fn keep_whole_groups(&mut self, statistics: &mut Statistics) {
        let (portion, file) = (self.portion.as_mut().expect("it was written"), self.file.as_mut().expect("it is open"));
        let mut whole = 0;
        while let Some(member) = portion.members.pop_front_if(|member| member.end <= portion.done) {
            whole = member.end;
            file.written = member.number;
            file.dirty_groups += 1;
            file.dirty_commands += u64::from(member.commands);
        }
        file.end += whole;
        file.dirty += whole;
        statistics.bytes_written += whole;
        portion.chunks = rest_of(&portion.chunks, whole).into();
        portion.bytes -= whole;
        portion.done = 0;
        portion.members.iter_mut().for_each(|member| member.end -= whole);
        if portion.members.is_empty() {
            assert_eq!(portion.bytes, 0, "every byte belongs to a group");
            self.portion = None;
        }
    }
}

impl OpenFile {
    /// Adds a group to a portion for this file: its time and its SELECT where they are needed, then its bytes.
    fn put_group(&mut self, portion: &mut Portion, group: Group, now: Now, settings: &Settings) {
        if let Some((first, last)) = group.content.databases {
            let mut head = BytesMut::new();
            let second = now.unix_ms / 1000;
            if settings.timestamps && second > self.annotated_s {
                self.annotated_s = second;
                head.extend_from_slice(format!("#TS:{second}\r\n").as_bytes());
            }
            if self.db != Some(first) {
                put_select(&mut head, first);
            }
            self.db = Some(last);
            for chunk in [head.freeze(), group.content.bytes] {
                portion.bytes += chunk.len() as u64;
                portion.chunks.extend((!chunk.is_empty()).then_some(chunk));
            }
        }
        portion.members.push_back(Member {
            number: group.number,
            end: portion.bytes,
            commands: group.content.commands,
        });
    }
}

/// The chunks without their first bytes.
fn rest_of(chunks: &VecDeque<Bytes>, mut skipped: u64) -> Vec<Bytes> {
    let mut rest = Vec::with_capacity(chunks.len());
    for chunk in chunks {
        let skip = skipped.min(chunk.len() as u64);
        skipped -= skip;
        if skip < chunk.len() as u64 {
            rest.push(chunk.slice(skip as usize..));
        }
    }
    rest
}
