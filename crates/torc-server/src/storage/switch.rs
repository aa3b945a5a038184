//! The log goes on and off while clients are served: CONFIG SET appendonly.
//!
//! ```text
//!   yes   lock and files --> cores stream, the log drops it --all do--> base is due --cut--> increment and base are begun: answered
//!   no    no write is under way, none begins --> cores stream no more --all do--> writes go on; the log is written, synced, closed: answered
//! ```
//! **On.** All cores give their groups to the log before the cut of its first base. What is below the cut is in the base, and dropped; a
//! transaction that was begun before its core streamed has ended below the cut, or has got its last claim, at which it learns that it is
//! recorded, above it. So no record above the cut is missing, or is a part.
//!
//! **Off.** While writes are held no transaction is between two stages, so the log ends in a state that there was.
//!
//! Requests are carried out one after another. One that cannot begin at once, since a save is under way, is answered when the log is open.

use std::collections::VecDeque;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use torc_engine::HostReply;
use torc_engine::error::CommandError;
use torc_engine::persistence::LogFigures;
use torc_log::{Names, RewriteReason, Start, StartContent};

use super::lock::LogLock;
use super::log::LogDriver;
use super::replay::{files_of, read_manifest};
use super::{Asker, Keeper, ToCore};

/// How long whoever turns the log off waits for the disk, and a disk that fails is given.
const CLOSE_PATIENCE: Duration = Duration::from_secs(10);

/// What is being done about `appendonly`.
#[derive(Default)]
pub(super) struct Switching {
    /// What was asked for, in order; the first is under way.
    asked: VecDeque<Switch>,
    step: Step,
    /// The log that was to be begun cannot be.
    has_failed: bool,
    /// Cores that give their groups to the log.
    pub streaming: usize,
    /// The lock of a log that was closed and begins again.
    lock: Option<LogLock>,
}

/// The log is to be on, or off.
struct Switch {
    appends: bool,
    /// Who waits, if somebody does.
    asker: Option<Asker>,
}

/// See the head of this file.
#[derive(Default)]
enum Step {
    #[default]
    None,
    /// The log is there; its first base is to be begun.
    Begins,
    /// Writes are to be held.
    Holds { cut: u64, then: Then },
    /// They are; cores are told to stream no more.
    Ends { holder: Option<Asker>, then: Then },
    /// All that is in the log is written.
    Closes { until: Instant, then: Then, holder: Option<Asker> },
    /// The log is closed, and what is in memory is loaded again.
    Reloads { holder: Option<Asker> },
    /// It begins again, after that.
    Resumes { holder: Option<Asker> },
}

/// What follows when writes are held.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Then {
    /// The log is off.
    Off,
    /// They are held once more: those that were admitted before all cores refuse more have come behind the first time.
    HoldAgain,
    /// What is in memory is loaded again.
    Reload,
}

impl Keeper {
    /// CONFIG SET appendonly. `asker`: whoever waits until it is done.
    pub(super) fn asked_to_switch(&mut self, appends: bool, asker: Option<Asker>) {
        if asker.is_none() {
            // Of those that nobody waits for only the last counts, and the first, which is under way.
            let mut place = 0;
            self.switching.asked.retain(|switch| {
                place += 1;
                place == 1 || switch.asker.is_some()
            });
        }
        self.switching.asked.push_back(Switch { appends, asker });
    }

    /// Whether the log is about to go on or off.
    pub(super) fn is_switching(&self) -> bool {
        !matches!(self.switching.step, Step::None)
    }

    /// Goes on with what was asked for, as far as that is possible now.
    pub(super) fn go_on_switching(&mut self) {
        if matches!(self.switching.step, Step::Closes { .. }) {
            self.look_at_end();
        }
        while let Some(Switch { appends, .. }) = self.switching.asked.front() {
            let (appends, is_on) = (*appends, self.is_log_on());
            match self.switching.step {
                Step::None if self.persistence.loading.is_some() => return,
                Step::None if appends == is_on => self.switched(true),
                // What it would write is older than the first base of the log.
                Step::None if appends && self.log.is_some() => return self.give_up_log(),
                Step::None if appends => self.switch_on(),
                Step::None => self.hold(Then::Off),
                Step::Begins => return self.look_at_beginning(),
                _ => return,
            }
        }
    }

    /// The first that was asked for is done, or cannot be.
    fn switched(&mut self, is_done: bool) {
        self.switching.step = Step::None;
        self.publish_log();
        self.answer_switch(is_done);
        self.switching.asked.pop_front();
    }

    /// Whoever has asked for what is under way waits no more.
    fn answer_switch(&mut self, is_done: bool) {
        let Some(asker) = self.switching.asked.front_mut().and_then(|switch| switch.asker.take()) else { return };
        let reply = if is_done {
            HostReply::Done
        } else {
            HostReply::Error(CommandError::fixed(
                "ERR CONFIG SET failed (possibly related to argument 'appendonly') - Unable to turn on AOF. Check server logs.",
            ))
        };
        self.answer(asker, reply);
    }
}

/// On.
impl Keeper {
    fn switch_on(&mut self) {
        match self.begin_log() {
            Ok(()) => self.switching.step = Step::Begins,
            Err(why) => {
                tracing::warn!("Can't turn on the append only file: {why}");
                self.switched(false);
            }
        }
    }

    /// Begins a log whose first base is still to be written.
    fn begin_log(&mut self) -> Result<(), String> {
        assert_eq!(self.switching.streaming, 0, "no number is taken before the log knows the last one");
        self.open_log_of_memory(StartContent::InMemory)?;
        (0..self.mesh.cores()).for_each(|core| self.tell(core, ToCore::BeginStream { is_loaded: false }));
        Ok(())
    }

    /// Begins a log of what is in memory, in place of whatever the files have.
    pub(super) fn open_log_of_memory(&mut self, content: StartContent) -> Result<(), String> {
        let names = Names::new(&self.config.log.appendfilename).map_err(|error| error.to_string())?;
        let directory = self.log_directory();
        let why = |error: std::io::Error| format!("{}: {}", directory.display(), super::system_text(&error));
        fs::create_dir_all(&directory).map_err(why)?;
        let lock = self.lock_log(&directory)?;
        let start = Start {
            manifest: read_manifest(&names, &directory)?,
            names,
            files: files_of(&directory).map_err(why)?,
            content,
            tail: None,
            empty_base: self.empty_base(),
            single_file_bytes: None,
            number: self.mesh.stream.last(),
        };
        self.open_log(start, directory, lock)
    }

    /// Takes the lock of the log, unless it is held already.
    pub(super) fn lock_log(&mut self, directory: &Path) -> Result<LogLock, String> {
        self.switching.lock.take().map_or_else(|| LogLock::take(directory, &self.config), Ok)
    }

    /// The log is open and waits for its base, or could not be opened.
    fn look_at_beginning(&mut self) {
        let Some(driver) = &self.log else { unreachable!("it was begun") };
        let is_ready = driver.is_open() && self.switching.streaming == self.mesh.cores();
        if driver.log.refusal().is_some() {
            tracing::warn!("Can't turn on the append only file");
            self.switching.has_failed = true;
            self.hold(Then::Off);
        } else if is_ready && self.is_base_put_off() {
            tracing::info!("The AOF is on; its first base is begun when what is under way has ended");
            self.switched(true);
        }
    }

    /// Increment and base of the log are begun.
    pub(super) fn log_has_begun(&mut self) {
        if matches!(self.switching.step, Step::Begins) {
            self.switched(true);
        }
    }

    /// Whether the log has no base yet, so that what is in memory is in no file of it.
    pub(super) fn lacks_first_base(&self) -> bool {
        let needs_base = self.log.as_ref().filter(|driver| !driver.is_for_base_alone).map(|it| it.log.needs_base());
        needs_base == Some(Some(RewriteReason::FirstBase))
    }

    /// A core gives its groups to the log.
    pub(super) fn stream_begun(&mut self) {
        self.switching.streaming += 1;
        self.end_resuming();
    }
}

/// Off.
impl Keeper {
    fn hold(&mut self, then: Then) {
        self.cuts += 1;
        self.switching.step = Step::Holds { cut: self.cuts, then };
        self.tell(0, ToCore::Hold { cut: self.cuts });
    }

    /// No write is under way. False: that is not for the log.
    pub(super) fn writes_held_for_log(&mut self, held: u64, holder: Asker) -> bool {
        let Step::Holds { cut, then } = self.switching.step else { return false };
        if cut != held {
            return false;
        }
        if then == Then::HoldAgain {
            self.answer(holder, HostReply::Done);
            self.hold(Then::Reload);
            return true;
        }
        if self.log.is_none() {
            // Nothing is to be closed. Commands of the log claim keys, as below.
            self.switching.step = Step::None;
            self.answer(holder, HostReply::Done);
            self.closed_to_reload(true);
            return true;
        }
        self.end_streams(Some(holder), then);
        true
    }

    /// No write is under way, and none begins before `holder`, or whoever else has them held, is answered.
    fn end_streams(&mut self, holder: Option<Asker>, then: Then) {
        self.switching.step = Step::Ends { holder, then };
        (0..self.mesh.cores()).for_each(|core| self.tell(core, ToCore::EndStream));
    }

    /// A core gives nothing more to the log.
    pub(super) fn stream_ended(&mut self) {
        self.switching.streaming -= 1;
        let Step::Ends { holder, then } = self.switching.step else { return };
        if self.switching.streaming > 0 {
            return;
        }
        // Commands of the log claim keys, so that nobody may hold them; all that clients ask for is refused meanwhile.
        let is_held = then == Then::Reload && self.persistence.loading.is_none();
        let holder = match holder {
            Some(holder) if !is_held => {
                self.answer(holder, HostReply::Done);
                None
            }
            holder => holder,
        };
        self.begin_closing_log(then, holder);
    }

    fn begin_closing_log(&mut self, then: Then, holder: Option<Asker>) {
        self.take_all_groups();
        let is_lost = self.log.as_ref().expect("it is on").log.needs_base() == Some(RewriteReason::LostFile);
        let patience = if is_lost { Duration::ZERO } else { CLOSE_PATIENCE };
        self.switching.step = Step::Closes { until: Instant::now() + patience, then, holder };
        self.give_up_log();
    }

    /// Has the log closed. A base of it that is under way comes to nothing.
    fn give_up_log(&mut self) {
        self.base_due = None;
        if let Some(base) = &mut self.base {
            // Its parts are awaited, and go nowhere.
            base.has_failed = true;
        }
        self.log.as_mut().expect("it is there").log.close();
        self.serve_log();
        self.write_base_parts();
    }

    /// The log is closed, or has had its time.
    fn look_at_end(&mut self) {
        let Step::Closes { until, then, holder } = self.switching.step else { return };
        let driver = self.log.as_mut().expect("it is being closed");
        if !driver.is_closed() && !driver.is_given_up && Instant::now() >= until {
            // A disk that is slow gets there; one that fails need not.
            driver.is_given_up = driver.log.refusal().is_some();
            if driver.is_given_up {
                tracing::error!("The append only file could not be written to its end before it was closed");
            }
            if then == Then::Off {
                self.answer_switch(!self.switching.has_failed);
            }
        }
        let is_done = self.log.as_ref().is_some_and(LogDriver::is_done);
        if !is_done || self.base.is_some() {
            return;
        }
        let driver = self.log.take().expect("it was there");
        let is_given_up = driver.is_given_up;
        let lock = driver.stop();
        let figures = &mut self.persistence.log;
        let LogFigures { syncs, syncs_delayed, commands_synced, rewrites, rewrite_failures, rewrite_took_s, .. } =
            *figures;
        // What was counted stays, and goes on with the next one.
        *figures = LogFigures {
            syncs,
            syncs_delayed,
            commands_synced,
            rewrites,
            rewrite_failures,
            rewrite_took_s,
            ..LogFigures::default()
        };
        self.publish();
        let last = self.mesh.stream.last();
        for core in 0..self.mesh.cores() {
            // Under always an answer says that a write is on the disk, which it is not.
            if is_given_up {
                self.tell(core, ToCore::FailWaiters(last));
            }
            self.tell(core, ToCore::Durable(u64::MAX));
        }
        if then == Then::Reload {
            self.switching.lock = Some(lock);
            self.switching.step = Step::Reloads { holder };
            return self.closed_to_reload(!is_given_up);
        }
        let has_failed = std::mem::take(&mut self.switching.has_failed);
        self.switched(!has_failed);
    }
}

/// Off, to load again what is in memory, and on.
impl Keeper {
    /// Closes the log with all that is written before what is in memory is loaded again.
    pub(super) fn close_log_to_reload(&mut self) {
        let is_refused = self.persistence.loading.is_some();
        self.hold(if is_refused { Then::HoldAgain } else { Then::Reload });
    }

    /// The same when all is saved, and the save has writes held.
    pub(super) fn close_log_behind_save(&mut self) {
        self.end_streams(None, Then::Reload);
    }

    /// Whether there was a log that is closed for that.
    pub(super) fn is_closed_to_reload(&self) -> bool {
        matches!(self.switching.step, Step::Reloads { .. })
    }

    /// All is loaded, or could not even be saved: the log begins again, unless it was that which was loaded.
    pub(super) fn begin_log_after_reload(&mut self) {
        let Step::Reloads { holder } = self.switching.step else { return };
        if self.log.is_none()
            && let Err(why) = self.begin_log()
        {
            tracing::error!("The append only file is off, since it cannot be begun again: {why}");
            self.switching.streaming = self.mesh.cores();
        }
        self.switching.step = Step::Resumes { holder };
        self.end_resuming();
    }

    /// Writes go on when all of them are for the log again.
    fn end_resuming(&mut self) {
        let Step::Resumes { holder } = self.switching.step else { return };
        if self.switching.streaming < self.mesh.cores() {
            return;
        }
        if self.log.is_none() {
            self.switching.streaming = 0;
        }
        self.switching.step = Step::None;
        holder.into_iter().for_each(|holder| self.answer(holder, HostReply::Done));
        self.let_writes_go();
    }
}
