//! Saving: a file is written of the parts that the cores send.
//!
//! ```text
//!   idle --asked--> cut: the temporary file is there, core 0 begins the cut
//!              --all cores have caught their keys--> parts, as they come, but a big value's together --all cores are through-->
//!              end mark, fsync, rename, fsync of the directory --> idle
//! ```
//! Whatever fails, the file that was there stays as it is, and the temporary one goes.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use torc_engine::error::CommandError;
use torc_engine::saving::{Part, SaveForm};
use torc_engine::{HostReply, SaveHow, Shutdown};

use super::cut::Cut;
use super::dump::DumpFile;
use super::{Asker, Deferred, Ending, Keeper, ToCore, system_text, unix_s};
use crate::signals;

/// With `rdb-save-incremental-fsync`, so many bytes are given to the disk at a time.
const SYNC_BYTES: u64 = 4 << 20;
/// After a save that failed a save point waits for so long before it tries again.
const RETRY_PAUSE: Duration = Duration::from_secs(5);

/// A save that is under way.
pub(super) struct Save {
    cut: Cut,
    file: SaveFile,
    /// Who waits for its beginning, and for its end.
    until_begun: Vec<Asker>,
    until_saved: Vec<Asker>,
    /// Why no file comes of it.
    failure: Option<Failure>,
    /// Nobody waits for its end, so the log and INFO say how it went.
    is_background: bool,
    /// No write begins any more: the process ends when it is done, or all is loaded again.
    is_final: bool,
    /// It was begun by FLUSHALL.
    is_of_nothing: bool,
}

/// Why no file comes of a save.
enum Failure {
    /// It cannot be written.
    Broken(String),
    /// It is not wanted any more.
    Unwanted(&'static str),
}

impl Save {
    /// Ends the file, or removes what there is of it.
    fn finish(self) -> Result<(), Failure> {
        match self.failure {
            Some(failure) => {
                self.file.discard();
                Err(failure)
            }
            None => self.file.finish().map_err(|error| Failure::Broken(system_text(&error))),
        }
    }

    fn fail(&mut self, failure: Failure) {
        self.failure.get_or_insert(failure);
    }

    /// Gives it up where it stands.
    pub fn discard(self) {
        self.file.discard();
    }
}

/// The temporary file, and the one whose place it takes.
struct SaveFile {
    dump: DumpFile,
    path: PathBuf,
    target: PathBuf,
    /// Bytes that are not given to the disk yet; `None`: that is done at the end.
    unsynced: Option<u64>,
}

impl SaveFile {
    fn add_part(&mut self, part: &Part) -> Result<(), String> {
        self.dump.add_part(part)?;
        if let Some(unsynced) = &mut self.unsynced {
            *unsynced += part.bytes.len() as u64;
            if *unsynced >= SYNC_BYTES {
                *unsynced = 0;
                self.dump.file.sync_data().map_err(|error| system_text(&error))?;
            }
        }
        Ok(())
    }

    /// Ends the file and puts it into the place of the one before.
    fn finish(mut self) -> io::Result<()> {
        let written = self.dump.finish().and_then(|_| self.dump.file.sync_all());
        let finished = written.and_then(|()| std::fs::rename(&self.path, &self.target));
        finished.inspect_err(|_| remove(&self.path))?;
        sync_directory(&self.target)
    }

    fn discard(self) {
        remove(&self.path);
    }
}

/// Removes a temporary file; what cannot be removed stays, and hurts nobody.
fn remove(path: &Path) {
    let _ = std::fs::remove_file(path);
}

/// Has the directory of a file remember what was renamed in it.
fn sync_directory(path: &Path) -> io::Result<()> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let directory = File::open(directory)?;
    // SAFETY: the descriptor is open.
    match unsafe { libc::fsync(directory.as_raw_fd()) } {
        0 => Ok(()),
        _ => match io::Error::last_os_error() {
            // Some file systems have nothing to remember.
            error if error.raw_os_error() == Some(libc::EINVAL) => Ok(()),
            error => Err(error),
        },
    }
}

/// Asked to save, or to end.
impl Keeper {
    pub(super) fn asked_to_save(&mut self, how: SaveHow, asker: Asker) {
        let is_rewriting = self.base.is_some() || self.is_base_alone_under_way();
        let is_busy = self.is_busy() || is_rewriting;
        if self.is_saving_nothing() && how != SaveHow::Cancel {
            return self.deferred.push_back((Deferred::Save(how), asker));
        }
        match how {
            SaveHow::Cancel => self.cancel(asker),
            // Nobody waits for the beginning of what begins later.
            SaveHow::Scheduled { .. } if is_busy => {
                self.answer(asker, HostReply::Says("Background saving scheduled"));
                self.scheduled = Some(Vec::new());
            }
            SaveHow::Background { .. } if is_rewriting => {
                self.answer(
                    asker,
                    HostReply::Error(CommandError::fixed(
                        "ERR Another child process is active (AOF?): can't BGSAVE right now. Use BGSAVE SCHEDULE in order to \
                         schedule a BGSAVE whenever possible.",
                    )),
                );
            }
            SaveHow::Awaited | SaveHow::Background { .. } if is_busy => {
                self.answer(asker, HostReply::Error(CommandError::fixed("ERR Background save already in progress")));
            }
            SaveHow::Awaited => {
                if self.begin(false, false) {
                    self.save.as_mut().expect("it has begun").until_saved.push(asker);
                } else {
                    self.answer(asker, HostReply::Failed);
                }
            }
            SaveHow::Background { is_answered_early } | SaveHow::Scheduled { is_answered_early } => {
                if !self.begin(true, false) {
                    self.answer(asker, HostReply::Failed);
                } else if is_answered_early {
                    self.answer(asker, HostReply::Done);
                } else {
                    self.save.as_mut().expect("it has begun").until_begun.push(asker);
                }
            }
        }
    }

    fn cancel(&mut self, asker: Asker) {
        let reply = match (&mut self.save, self.scheduled.take()) {
            (Some(save), _) if save.is_background => {
                save.fail(Failure::Unwanted("it was cancelled"));
                HostReply::Says("Background saving cancelled")
            }
            (_, Some(_)) => HostReply::Says("Scheduled background saving cancelled"),
            _ => {
                HostReply::Error(CommandError::fixed("ERR Background saving is currently not in progress or scheduled"))
            }
        };
        self.answer(asker, reply);
        self.give_up_if_failed();
    }

    /// All keys are gone. What is being saved of them is not wanted any more, and with save points the file is not to have them either.
    pub(super) fn emptied(&mut self) {
        if !self.config.save.points.is_empty() {
            self.emptied_from = Some(self.cuts + 1);
        }
        let is_busy = self.is_busy();
        match &mut self.save {
            Some(save) if save.is_background => {
                save.fail(Failure::Unwanted("all keys were removed"));
                self.give_up_if_failed();
            }
            None if self.emptied_from.is_some() && self.ending.is_none() && !is_busy => self.save_nothing(),
            // Somebody waits for what is under way.
            _ => {}
        }
    }

    /// Whether a save is under way that nobody has asked for, and that is short.
    pub(super) fn is_saving_nothing(&self) -> bool {
        self.save.as_ref().is_some_and(|save| save.is_of_nothing)
    }

    /// Saves what FLUSHALL has left.
    fn save_nothing(&mut self) {
        if self.begin(true, false) {
            self.save.as_mut().expect("it has begun").is_of_nothing = true;
        }
    }

    /// The first request decides how the process ends; who asks later waits with the first.
    pub(super) fn asked_to_end(&mut self, how: Shutdown, asker: Option<Asker>) {
        if let Some(ending) = &mut self.ending {
            ending.askers.extend(asker);
            return;
        }
        self.scheduled = None;
        let saves = how.saves.unwrap_or(!self.config.save.points.is_empty());
        let awaits_base = self.lacks_first_base() && !how.is_forced;
        let askers = asker.into_iter().collect();
        self.ending = Some(Ending { is_forced: how.is_forced, saves, awaits_base, askers });
        if awaits_base {
            tracing::warn!("The end waits for the first AOF base, without which the AOF has nothing.");
        } else {
            self.begin_ending();
        }
    }

    /// Goes on with an end that has waited for the log.
    pub(super) fn go_on_ending(&mut self) {
        let is_there = !self.lacks_first_base();
        if let Some(ending) = self.ending.as_mut().filter(|ending| ending.awaits_base && is_there) {
            ending.awaits_base = false;
            self.begin_ending();
        }
    }

    /// The first base of the log has failed. It is tried again, but not for the end.
    pub(super) fn first_base_failed(&mut self) {
        if self.ending.as_ref().is_some_and(|ending| ending.awaits_base) {
            self.ending_failed();
        }
    }

    fn begin_ending(&mut self) {
        if !self.ending.as_ref().expect("it is asked for").saves {
            return self.stop();
        }
        match &mut self.save {
            // A loading was to follow it, and no write has begun since.
            Some(save) if save.is_final => {}
            // What it would write is older than what is to be kept.
            Some(save) => {
                save.fail(Failure::Unwanted("the server is to stop"));
                self.give_up_if_failed();
            }
            // Its end is awaited.
            None if self.base.is_some() => self.abandon_base(),
            None => self.save_before_end(),
        }
    }

    /// The base of the log is written, or given up: what waited for that goes on.
    pub(super) fn after_base(&mut self) {
        match &self.ending {
            Some(ending) if ending.awaits_base => {}
            Some(_) => self.save_before_end(),
            None => self.begin_what_waits(true),
        }
    }

    fn save_before_end(&mut self) {
        tracing::info!("Saving the final RDB snapshot before exiting.");
        if !self.begin(false, true) {
            self.ending_failed();
        }
    }

    pub(super) fn abort_ending(&mut self, asker: Asker) {
        let Some(ending) = self.ending.take() else {
            return self.answer(asker, HostReply::Error(CommandError::fixed("ERR No shutdown in progress.")));
        };
        tracing::warn!("Shutdown manually aborted.");
        signals::forget_request();
        // The save goes on as any other.
        if let Some(save) = &mut self.save {
            save.is_final = false;
        }
        ending.askers.into_iter().for_each(|stopper| self.answer(stopper, HostReply::Failed));
        self.answer(asker, HostReply::Done);
        self.let_writes_go();
        if self.save.is_none() {
            self.begin_what_waits(false);
        }
    }

    /// The data could not be saved before the end.
    fn ending_failed(&mut self) {
        let ending = self.ending.take().expect("only then the end can fail");
        if ending.is_forced {
            tracing::warn!("Error trying to save the DB. Exit anyway.");
            return self.stop();
        }
        signals::forget_request();
        tracing::warn!("Error trying to save the DB, can't exit.");
        tracing::warn!("Errors trying to shut down the server. Check the logs for more information.");
        ending.askers.into_iter().for_each(|asker| self.answer(asker, HostReply::Failed));
        self.let_writes_go();
        // What came before the end, or meanwhile, has waited for it.
        self.begin_what_waits(false);
    }

    /// All writes wait since this cut. What they should wait for may be over already, or called off: then they go on, since another cut
    /// may be waiting for one of them.
    pub(super) fn writes_held(&mut self, cut: u64, holder: Asker) {
        if self.writes_held_for_log(cut, holder) {
            return;
        }
        if self.holds == Some(cut) {
            self.holder = Some(holder);
        } else {
            self.answer(holder, HostReply::Done);
        }
    }

    pub(super) fn let_writes_go(&mut self) {
        self.holds = None;
        if let Some(holder) = self.holder.take() {
            self.answer(holder, HostReply::Done);
        }
    }

    pub(super) fn stop(&self) {
        self.tell(0, ToCore::Stop);
    }
}

/// From the beginning to the end of a save.
impl Keeper {
    /// Begins a save. False: it cannot, and the log says why.
    pub(super) fn begin(&mut self, is_background: bool, is_final: bool) -> bool {
        assert!(!self.is_saving(), "one save at a time");
        let file = match self.create_save_file() {
            Ok(file) => file,
            Err(error) => {
                let (path, why) = (self.dump_path(), system_text(&error));
                tracing::warn!("Failed opening the temp RDB file for {} for saving: {why}", path.display());
                self.note_failure(is_background);
                return false;
            }
        };
        self.cuts += 1;
        if is_background {
            tracing::info!("Background saving started");
        }
        self.save = Some(Save {
            cut: Cut::new(self.cuts, self.mesh.cores()),
            file,
            until_begun: Vec::new(),
            until_saved: Vec::new(),
            failure: None,
            is_background,
            is_final,
            is_of_nothing: false,
        });
        let saves = &mut self.persistence.saves;
        (saves.began_s, saves.passed_s, saves.keys_saved, saves.keys) = (Some(unix_s()), 0, 0, 0);
        self.publish();
        if is_final {
            self.holds = Some(self.cuts);
        }
        self.tell(0, ToCore::BeginCut { cut: self.cuts, form: SaveForm::Rdb, holds: is_final });
        true
    }

    pub(super) fn saving_begun(&mut self, cut: u64, keys: u64) {
        if self.base.as_ref().is_some_and(|base| base.cut.number == cut) {
            return self.base_begun(keys);
        }
        let save = self.save.as_mut().filter(|save| save.cut.number == cut);
        let save = save.expect("a cut is of the save that is under way");
        self.persistence.saves.keys += keys;
        if save.cut.note_caught() {
            let waiting = std::mem::take(&mut save.until_begun);
            waiting.into_iter().for_each(|asker| self.answer(asker, HostReply::Done));
            self.give_up_if_failed();
        }
    }

    pub(super) fn take_part(&mut self, core: usize, cut: u64, part: Part, is_last: bool) {
        if self.base.as_ref().is_some_and(|base| base.cut.number == cut) {
            return self.take_base_part(core, part, is_last);
        }
        let save = self.save.as_mut().filter(|save| save.cut.number == cut);
        save.expect("parts are of the save that is under way").cut.push(core, part, is_last);
        while let Some(save) = &mut self.save
            && let Some((core, part)) = save.cut.pop()
        {
            self.write_part(core, part);
        }
    }

    fn create_save_file(&self) -> io::Result<SaveFile> {
        let target = self.dump_path();
        let path = target.with_file_name(format!("temp-{}.rdb", std::process::id()));
        signals::set_temporary_file(&path);
        let dump = self.create_dump(&path).inspect_err(|_| remove(&path))?;
        Ok(SaveFile { dump, path, target, unsynced: self.config.rdb_save_incremental_fsync.then_some(0) })
    }

    fn write_part(&mut self, core: usize, part: Part) {
        let save = self.save.as_mut().expect("a save is under way");
        if save.failure.is_none() {
            save.failure = save.file.add_part(&part).err().map(Failure::Broken);
        }
        let is_done = save.cut.is_through();
        self.persistence.saves.keys_saved += part.keys;
        self.tell(core, ToCore::Written(part.bytes));
        if is_done {
            self.end_save();
        } else {
            self.give_up_if_failed();
        }
    }

    /// Tells the cores that nothing more is wanted, when they may be told.
    fn give_up_if_failed(&mut self) {
        let Some(save) = &mut self.save else { return };
        if save.failure.is_some() && save.cut.give_up() {
            let cut = save.cut.number;
            (0..self.mesh.cores()).for_each(|core| self.tell(core, ToCore::GiveUp { cut }));
        }
    }

    /// All cores are through.
    fn end_save(&mut self) {
        let mut save = self.save.take().expect("a save is under way");
        let until_saved = std::mem::take(&mut save.until_saved);
        let (cut, is_final, is_background) = (save.cut.number, save.is_final, save.is_background);
        let saves = &mut self.persistence.saves;
        saves.began_s = None;
        if is_background {
            saves.took_s = Some(save.cut.passed_s());
        }
        let outcome = save.finish();
        let reply = if outcome.is_ok() { HostReply::Done } else { HostReply::Failed };
        match outcome {
            Ok(()) => self.note_success(cut, is_background),
            Err(failure) => self.note_end_without(&failure, is_background),
        }
        self.publish();
        let is_saved = reply == HostReply::Done;
        until_saved.into_iter().for_each(|asker| self.answer(asker, reply.clone()));
        self.after_save(is_saved, is_final);
    }

    /// What waited for the end of a save.
    fn after_save(&mut self, is_saved: bool, was_final: bool) {
        match &self.ending {
            Some(ending) if ending.awaits_base => {}
            Some(_) if !was_final => self.save_before_end(),
            Some(_) if is_saved => self.stop(),
            Some(_) => self.ending_failed(),
            None if was_final && !self.reloads.is_empty() => self.saved_to_reload(is_saved),
            None => self.begin_what_waits(is_saved),
        }
    }

    /// A save is over, and the next one may be due already: after one that has failed the save points try again, but not at once.
    pub(super) fn begin_what_waits(&mut self, is_saved: bool) {
        if !self.reloads.is_empty() {
            return;
        }
        while self.save.is_none()
            && let Some((what, asker)) = self.deferred.pop_front()
        {
            match what {
                Deferred::Save(how) => self.asked_to_save(how, asker),
                Deferred::Rewrite { in_transaction } => self.asked_to_rewrite(in_transaction, asker),
            }
        }
        if self.save.is_some() {
            return;
        }
        if let Some(waiting) = self.scheduled.take() {
            if self.begin(true, false) {
                self.save.as_mut().expect("it has begun").until_begun = waiting;
            }
        } else if self.emptied_from.is_some() && (is_saved || !self.persistence.saves.has_failed) {
            self.save_nothing();
        }
    }

    fn note_success(&mut self, cut: u64, is_background: bool) {
        let saves = &mut self.persistence.saves;
        saves.last_s = unix_s();
        saves.has_failed = false;
        saves.count += 1;
        self.emptied_from = self.emptied_from.filter(|&first| first > cut);
        tracing::info!("DB saved on disk");
        if is_background {
            tracing::info!("Background saving terminated with success");
        }
        (0..self.mesh.cores()).for_each(|core| self.tell(core, ToCore::Saved { cut }));
    }

    fn note_end_without(&mut self, failure: &Failure, is_background: bool) {
        let what = if is_background { "Background saving" } else { "Saving" };
        match failure {
            Failure::Unwanted(why) => tracing::info!("{what} given up: {why}"),
            Failure::Broken(why) => {
                let path = self.dump_path();
                tracing::warn!("{what} error: {}: {why}", path.display());
                self.note_failure(is_background);
            }
        }
    }

    /// Writes are refused after what nobody waited for: who waits is told, and may do something about it.
    fn note_failure(&mut self, is_background: bool) {
        self.persistence.saves.has_failed |= is_background;
        self.publish();
    }
}

/// Save points.
impl Keeper {
    pub(super) fn tick(&mut self) {
        if let Some(save) = &self.save {
            self.persistence.saves.passed_s = save.cut.passed_s();
            return self.publish();
        }
        if self.ending.is_some() || self.base.is_some() {
            return;
        }
        let changes: u64 = self.metrics.iter().map(|metrics| metrics.unsaved_changes.get()).sum();
        let passed_s = (unix_s() - self.persistence.saves.last_s).max(0) as u64;
        let point = self.config.save.points.iter().find(|point| changes >= point.changes && passed_s > point.seconds);
        if point.is_none() && self.emptied_from.is_none() {
            return;
        }
        if self.persistence.saves.has_failed && self.tried.is_some_and(|tried| tried.elapsed() < RETRY_PAUSE) {
            return;
        }
        if let Some(point) = point {
            tracing::info!("{} changes in {} seconds. Saving...", point.changes, point.seconds);
        }
        self.tried = Some(Instant::now());
        self.begin(true, false);
    }
}
