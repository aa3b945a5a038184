//! The log, driven: groups of all cores go in, operations and events come out.
//!
//! ```text
//!   cores --Group, CutNumbered--> Log --Operation--> files --LogDone--> Log
//!                                  \--Event--> a line for the server's log; a base is wanted: a save into its file
//! ```
//! What is written when, and what a failure means, is decided in `torc_log`; here it only meets the system.

use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use torc_engine::HostReply;
use torc_engine::config::{AppendFsync, Config};
use torc_engine::persistence::LogFigures;
use torc_log::{
    Action, BaseFormat, Event, Fsync, Group, Level, Log, Now, Operation, OperationId, Outcome, Settings, Start,
    StartContent,
};

use super::append::has_direct_writes;
use super::files::Files;
use super::gather::Gathering;
use super::lock::LogLock;
use super::{Asker, Keeper, ToCore, ToStorage};

/// How long groups are left to come before they are taken, unless replies wait for them: enough to wake nobody for each and to make one write
/// of many, and little beside the second that may be lost anyway.
const GROUPS_PAUSE: Duration = Duration::from_millis(5);
/// How long the end of the process waits for a disk that fails.
const CLOSE_PATIENCE: Duration = Duration::from_secs(10);

/// The log, and who does what it wants.
pub(super) struct LogDriver {
    pub log: Log,
    files: Files,
    /// Where they are, whatever `dir` is by now.
    directory: PathBuf,
    lock: LogLock,
    began: Instant,
    /// Nothing is appended: it writes a base, and closes.
    pub is_for_base_alone: bool,
    is_open: bool,
    is_closed: bool,
    /// It does not get to its end: nothing more is begun.
    pub is_given_up: bool,
    /// What was begun and has not ended; fsyncs also by themselves.
    in_flight: usize,
    syncing: Vec<OperationId>,
    gathering: Gathering,
    /// What was counted by those before it.
    before: LogFigures,
    /// What the cores were told last of what may be answered.
    answerable: u64,
}

impl LogDriver {
    fn now(&self) -> Now {
        now(self.began)
    }

    /// Whether groups are written.
    pub fn is_open(&self) -> bool {
        self.is_open
    }

    /// Whether all that was pushed is on the disk, and nothing is done any more.
    pub fn is_closed(&self) -> bool {
        self.is_closed
    }

    /// Whether nothing is done any more.
    pub fn is_done(&self) -> bool {
        (self.is_closed || self.is_given_up) && self.in_flight == 0
    }

    /// Ends the threads of its files, which have nothing to do. The lock is held as long as it is kept.
    pub fn stop(self) -> LogLock {
        assert_eq!(self.in_flight, 0, "nothing is begun that is not ended");
        self.files.stop();
        self.lock
    }
}

/// The time since `began`, and of the world.
fn now(began: Instant) -> Now {
    let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Now { monotonic_ms: began.elapsed().as_millis() as u64, unix_ms: unix.as_millis() as u64 }
}

/// Whether something is given to the disk.
fn is_sync(operation: &Operation) -> bool {
    matches!(operation.action, Action::Sync { .. } | Action::SyncDirectory)
}

/// What the configuration says of the log.
fn settings(config: &Config) -> Settings {
    Settings {
        fsync: match config.log.appendfsync {
            AppendFsync::Always => Fsync::Always,
            AppendFsync::Everysec => Fsync::EverySecond,
            AppendFsync::No => Fsync::Never,
        },
        no_fsync_on_rewrite: config.log.no_appendfsync_on_rewrite,
        base_format: match config.log.aof_use_rdb_preamble {
            true => BaseFormat::Rdb,
            false => BaseFormat::Commands,
        },
        rewrite_percentage: config.log.auto_aof_rewrite_percentage,
        rewrite_bytes_min: config.log.auto_aof_rewrite_min_size,
        timestamps: config.log.aof_timestamp_enabled,
        keeps_history: config.log.aof_disable_auto_gc,
        ..Settings::default()
    }
}

impl Keeper {
    /// Where the files of a log are that begins now.
    pub(super) fn log_directory(&self) -> PathBuf {
        PathBuf::from(&self.config.dir).join(&self.config.log.appenddirname)
    }

    /// Begins to write the log that was loaded, or a base alone.
    pub(super) fn open_log(&mut self, start: Start, directory: PathBuf, lock: LogLock) -> Result<(), String> {
        let outside = PathBuf::from(&self.config.dir);
        let files = Files::start(directory.clone(), outside, &self.write_pause, &self.sender);
        let files = files.map_err(|error| format!("the threads of the log cannot start: {error}"))?;
        match has_direct_writes(&directory) {
            // Nothing is appended.
            _ if start.content == StartContent::ForBaseAlone => {}
            true => tracing::info!("What is much at a time goes to the append only file past the page cache"),
            false => tracing::info!(
                "The append only file is written through the page cache, too: the filesystem has no direct writes"
            ),
        }
        let (began, is_for_base_alone) = (Instant::now(), start.content == StartContent::ForBaseAlone);
        let log = Log::open(start, settings(&self.config), now(began));
        self.log = Some(LogDriver {
            log,
            files,
            directory,
            lock,
            began,
            is_for_base_alone,
            is_open: false,
            is_closed: false,
            is_given_up: false,
            in_flight: 0,
            syncing: Vec::new(),
            gathering: Gathering::default(),
            before: self.persistence.log,
            answerable: u64::MAX,
        });
        self.serve_log();
        Ok(())
    }

    /// Whether what is propagated is appended to a log.
    pub(super) fn is_log_on(&self) -> bool {
        self.log.as_ref().is_some_and(|driver| !driver.is_for_base_alone)
    }

    /// Whether the log takes what clients write.
    pub(super) fn is_log_open(&self) -> bool {
        self.log.as_ref().is_some_and(|driver| driver.is_open)
    }

    pub(super) fn configure_log(&mut self) {
        let settings = settings(&self.config);
        if let Some(driver) = &mut self.log {
            driver.log.configure(settings);
        }
    }

    /// Answers when the history is gone, or cannot be deleted now.
    pub(super) fn answer_when_cleared(&mut self, asker: Asker) {
        self.until_cleared.push(asker);
        self.answer_if_cleared();
    }

    pub(super) fn answer_if_cleared(&mut self) {
        if self.log.as_ref().is_none_or(|driver| !driver.log.is_clearing()) {
            for asker in std::mem::take(&mut self.until_cleared) {
                self.answer(asker, HostReply::Done);
            }
        }
    }

    /// How long the log may be left alone.
    pub(super) fn log_wakes_in(&self) -> Option<Duration> {
        let driver = self.log.as_ref()?;
        let due_ms = driver.log.wake_at_ms().map(|at_ms| at_ms.saturating_sub(driver.now().monotonic_ms));
        let held = driver.gathering.waits(Instant::now());
        due_ms.map(Duration::from_millis).into_iter().chain(held).min()
    }

    /// Takes all groups that have come, at once.
    pub(super) fn take_all_groups(&mut self) {
        self.groups_at = None;
        self.take_groups();
    }

    /// Takes the groups that have come, if it is time.
    fn take_groups(&mut self) {
        let Some(driver) = &mut self.log else { return };
        let (now, waits) = (Instant::now(), self.config.log.appendfsync != AppendFsync::Always);
        if waits && self.groups_at.is_some_and(|at| now < at) {
            return;
        }
        let (stream, was_full) = (&self.mesh.stream, self.mesh.stream.is_full(true));
        let mut taken = None;
        let gathering = &mut driver.gathering;
        driver.log.push_all(std::iter::from_fn(|| stream.pop()).inspect(|group| {
            *taken.get_or_insert(0) += group.len() as u64;
            gathering.add(group.commands());
        }));
        stream.note_taken(taken.unwrap_or(0), driver.log.pending_bytes());
        self.groups_at = (taken.is_some() && waits).then(|| now + GROUPS_PAUSE);
        if was_full {
            (0..self.mesh.cores()).for_each(|core| self.tell(core, ToCore::StreamHasRoom));
        }
    }

    /// A cut has its place in the stream. If the log has asked for it, it is that of its next base.
    pub(super) fn cut_numbered(&mut self, cut: u64, number: u64) {
        let is_for_base = self.base.as_ref().is_some_and(|base| base.cut.number == cut);
        let group = if is_for_base { Group::cut(number) } else { Group::new(number, Default::default()) };
        self.log.as_mut().expect("cuts have numbers in a stream").log.push(group);
    }

    pub(super) fn log_done(&mut self, id: OperationId, outcome: Outcome) {
        let driver = self.log.as_mut().expect("it has asked for this");
        let now = driver.now();
        driver.in_flight -= 1;
        let is_sync = driver.syncing.contains(&id);
        if is_sync {
            driver.syncing.retain(|known| *known != id);
            driver.log.hold_sync(true);
        }
        driver.log.complete(id, outcome, now);
        if is_sync {
            driver.gathering.end(driver.log.statistics().commands_synced, Instant::now());
        }
    }

    pub(super) fn log_base_finished(&mut self, bytes: u64) {
        self.log.as_mut().expect("a base is for the log").log.base_finished(bytes);
    }

    pub(super) fn log_base_failed(&mut self) {
        self.log.as_mut().expect("a base is for the log").log.base_failed();
    }

    /// A save begins or ends, during which the log may spare the disk.
    pub(super) fn tell_log_of_save(&mut self) {
        let is_saving = self.save.is_some();
        if let Some(driver) = &mut self.log {
            driver.log.set_saving(is_saving);
        }
    }

    /// Writes of clients are refused, or are not any more.
    fn note_log_failure(&mut self, has_failed: bool) {
        self.persistence.log.has_failed = has_failed;
    }

    /// Clients that write wait, or go on.
    fn hold_writers(&mut self, holds: bool) {
        self.persistence.log.is_full = holds;
    }

    /// Shows all cores how the log does.
    pub(super) fn publish_log(&mut self) {
        let before = self.persistence;
        let figures = &mut self.persistence.log;
        figures.is_scheduled = self.base_due.is_some() || self.is_base_alone_due;
        figures.rewriting_s = self.base.as_ref().map(|base| base.cut.passed_s());
        self.note_log_figures();
        if self.persistence != before {
            self.publish();
        }
    }

    pub(super) fn note_log_figures(&mut self) {
        let Some(driver) = &self.log else { return };
        let (log, statistics) = (&driver.log, driver.log.statistics());
        let counted = &driver.before;
        let figures = &mut self.persistence.log;
        figures.is_on = !driver.is_for_base_alone;
        figures.is_rewriting = (log.is_rewriting() || driver.is_for_base_alone) && self.base_due.is_none();
        figures.bytes = log.bytes();
        figures.baseline_bytes = log.baseline_bytes();
        figures.pending_bytes = self.mesh.stream.pending_bytes();
        figures.syncs_pending = driver.syncing.len() as u64;
        figures.syncs = counted.syncs + statistics.syncs;
        figures.syncs_delayed = counted.syncs_delayed + statistics.syncs_delayed;
        figures.commands_synced = counted.commands_synced + statistics.commands_synced;
        figures.rewrites = counted.rewrites + statistics.rewrites;
        figures.rewrite_failures = counted.rewrite_failures + statistics.rewrite_failures;
        figures.rewrite_failures_in_a_row = match log.rewrite_failures_in_a_row() {
            // Each base alone is the first attempt of a log of its own.
            failures if driver.is_for_base_alone && statistics.rewrites == 0 => {
                counted.rewrite_failures_in_a_row + u64::from(failures)
            }
            failures => failures.into(),
        };
    }

    /// Does what the log wants now.
    pub(super) fn serve_log(&mut self) {
        self.take_groups();
        let Some(driver) = &mut self.log else { return };
        let now = driver.now();
        driver.log.tick(now);
        let is_held = driver.gathering.waits(Instant::now()).is_some();
        driver.log.hold_sync(is_held);
        loop {
            let Some(driver) = &mut self.log else { return };
            if !driver.is_given_up
                && let Some(operation) = driver.log.next_operation()
            {
                driver.in_flight += 1;
                if is_sync(&operation) {
                    driver.syncing.push(operation.id);
                    driver.gathering.begin(Instant::now());
                }
                driver.files.begin(operation);
            } else if let Some(event) = driver.log.next_event() {
                self.hear(event);
            } else {
                self.mesh.stream.note_taken(0, driver.log.pending_bytes());
                return self.tell_answerable();
            }
        }
    }

    /// Replies may leave up to another number than before.
    fn tell_answerable(&mut self) {
        let Some(driver) = &mut self.log else { return };
        let answerable = driver.log.answerable();
        if std::mem::replace(&mut driver.answerable, answerable) != answerable {
            (0..self.mesh.cores()).for_each(|core| self.mesh.tell(core, ToCore::Durable(answerable)));
        }
    }

    fn hear(&mut self, event: Event) {
        match event.line() {
            Some((Level::Notice, line)) => tracing::info!("{line}"),
            Some((Level::Warning, line)) => tracing::warn!("{line}"),
            None => {}
        }
        match event {
            Event::CutWanted { format, .. } => self.base_wanted(format),
            Event::BaseMayBegin { file, .. } => {
                let directory = &self.log.as_ref().expect("it speaks").directory;
                self.base_may_begin(directory.join(&*file));
                self.log_has_begun();
            }
            Event::AbandonBase => self.abandon_base(),
            Event::WaitersFailed { up_to } => {
                (0..self.mesh.cores()).for_each(|core| self.tell(core, ToCore::FailWaiters(up_to)));
            }
            Event::RefusalBegins(_) => self.note_log_failure(true),
            Event::RefusalEnds => self.note_log_failure(false),
            Event::AdmissionStops => self.hold_writers(true),
            Event::AdmissionGoesOn => self.hold_writers(false),
            Event::RewriteFailed { .. } => self.first_base_failed(),
            Event::Opened => self.log.as_mut().expect("it speaks").is_open = true,
            Event::Closed => self.log.as_mut().expect("it speaks").is_closed = true,
            _ => {}
        }
        self.publish_log();
    }

    /// All that has come is written and synced; the process ends.
    pub(super) fn close_log(mut self) {
        // Nothing more comes of the cores.
        (self.base, self.base_due) = (None, None);
        self.take_all_groups();
        let Some(driver) = &mut self.log else { return };
        driver.log.close();
        let until = Instant::now() + CLOSE_PATIENCE;
        self.serve_log();
        while self.log.as_ref().is_some_and(|driver| !driver.is_closed && !driver.is_given_up) && Instant::now() < until
        {
            let wait = self.log_wakes_in().unwrap_or(CLOSE_PATIENCE).min(Duration::from_millis(100));
            if let Ok(ToStorage::LogDone(id, outcome)) = self.receiver.recv_timeout(wait) {
                self.log_done(id, outcome);
            }
            self.serve_log();
        }
        let driver = self.log.take().expect("it is there");
        if !driver.is_closed {
            tracing::error!("The append only file could not be synced before the end: the disk does not answer");
            return;
        }
        driver.files.stop();
    }
}
