//! Saving: a file is written of the parts that the cores send.
//!
//! ```text
//!   idle --asked--> cut: the temporary file is there, core 0 begins the cut
//!              --all cores have caught their keys--> parts, as they come, but a big value's together --all cores are through-->
//!              end mark, fsync, rename, fsync of the directory --> idle
//! ```
//! Whatever fails, the file that was there stays as it is, and the temporary one goes.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use torc_engine::error::CommandError;
use torc_engine::saving::{Part, PartOrder};
use torc_engine::version::REDIS_VERSION;
use torc_engine::{HostReply, SaveHow};
use torc_rdb::file::{Assembly, FileHead, MAGIC_BYTES, write_head};

use super::{Asker, Ending, Keeper, ToCore, system_text, unix_s};

/// With `rdb-save-incremental-fsync`, so many bytes are given to the disk at a time.
const SYNC_BYTES: u64 = 4 << 20;
/// After a save that failed a save point waits for so long before it tries again.
const RETRY_PAUSE: Duration = Duration::from_secs(5);

/// A save that is under way.
pub(super) struct Save {
    cut: u64,
    began: Instant,
    file: SaveFile,
    /// Parts that have come, and whether they are the last ones of their cores.
    parts: PartOrder<bool>,
    /// Cores that have caught their keys, and those that are through.
    cores_begun: usize,
    cores_done: usize,
    /// Who waits for its beginning, and for its end.
    until_begun: Vec<Asker>,
    until_saved: Vec<Asker>,
    /// Why it has failed.
    failure: Option<String>,
    /// The cores were told to give up.
    is_given_up: bool,
    /// What the log calls it.
    is_background: bool,
}

impl Save {
    /// Gives it up where it stands.
    pub fn discard(self) {
        self.file.discard();
    }
}

/// The temporary file.
struct SaveFile {
    file: File,
    path: PathBuf,
    target: PathBuf,
    assembly: Assembly,
    /// The magic that stands in the file.
    magic: [u8; MAGIC_BYTES],
    /// Bytes that are not given to the disk yet; `None`: that is done at the end.
    unsynced: Option<u64>,
}

impl SaveFile {
    fn create(target: PathBuf, assembly: Assembly, is_incremental: bool, used_memory: u64) -> io::Result<SaveFile> {
        let path = target.with_file_name(format!("temp-{}.rdb", std::process::id()));
        let file = OpenOptions::new().write(true).create(true).truncate(true).open(&path)?;
        let magic = assembly.magic();
        let mut file = SaveFile { file, path, target, assembly, magic, unsynced: is_incremental.then_some(0) };
        let mut head = Vec::new();
        let created_at_s = unix_s() as u64;
        let about = FileHead {
            server_version: REDIS_VERSION,
            created_at_s,
            used_memory,
            replication: None,
            is_aof_base: false,
        };
        write_head(&mut head, &about);
        file.file.write_all(&magic).and_then(|()| file.add(&head)).inspect_err(|_| file.remove())?;
        Ok(file)
    }

    /// What is written needs this version; 0: any.
    fn require(&mut self, version: u16) {
        if version > 0 {
            self.assembly.require(version);
        }
    }

    fn add(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)?;
        self.assembly.add(bytes);
        if let Some(unsynced) = &mut self.unsynced {
            *unsynced += bytes.len() as u64;
            if *unsynced >= SYNC_BYTES {
                *unsynced = 0;
                self.file.sync_data()?;
            }
        }
        Ok(())
    }

    /// Ends the file and puts it into the place of the one before.
    fn finish(mut self) -> io::Result<()> {
        let finished = self.write_end().and_then(|()| std::fs::rename(&self.path, &self.target));
        finished.inspect_err(|_| self.remove())?;
        sync_directory(&self.target)
    }

    fn write_end(&mut self) -> io::Result<()> {
        let mut end = Vec::new();
        let magic = self.assembly.clone().finish(&mut end);
        self.file.write_all(&end)?;
        if magic != self.magic {
            self.file.write_all_at(&magic, 0)?;
        }
        self.file.sync_all()
    }

    fn remove(&self) {
        let _ = std::fs::remove_file(&self.path);
    }

    fn discard(self) {
        self.remove();
    }
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
        let is_busy = self.save.is_some();
        match how {
            SaveHow::Cancel => self.cancel(asker),
            SaveHow::Scheduled { is_answered_early } if is_busy => {
                self.answer(asker, HostReply::Says("Background saving scheduled"));
                // Nobody waits for the beginning of what begins later.
                let _ = is_answered_early;
                self.scheduled = Some(Vec::new());
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
                save.failure.get_or_insert_with(|| "it was cancelled".to_owned());
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

    pub(super) fn asked_to_end(&mut self, ending: Ending) {
        if let Ending::Shutdown(_, asker) = &ending
            && self.ending.is_some()
        {
            return self.answer(*asker, HostReply::Failed);
        }
        let saves = match &ending {
            Ending::Shutdown(how, _) => how.saves,
            Ending::Signal => None,
        };
        self.scheduled = None;
        self.ending = Some(ending);
        if !saves.unwrap_or(!self.config.save.points.is_empty()) {
            return self.stop();
        }
        match &mut self.save {
            // What it would write is older than what is to be kept.
            Some(save) => {
                save.failure.get_or_insert_with(|| "the server is to stop".to_owned());
                self.give_up_if_failed();
            }
            None => self.save_before_end(),
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
        if let Ending::Shutdown(_, stopper) = ending {
            self.answer(stopper, HostReply::Failed);
        }
        self.answer(asker, HostReply::Done);
        self.let_writes_go();
    }

    /// The data could not be saved before the end.
    fn ending_failed(&mut self) {
        match self.ending.take() {
            Some(Ending::Shutdown(how, _)) if how.is_forced => {
                tracing::warn!("Error trying to save the DB. Exit anyway.");
                return self.stop();
            }
            Some(Ending::Shutdown(_, asker)) => {
                tracing::warn!("Errors trying to shut down the server. Check the logs for more information.");
                self.answer(asker, HostReply::Failed);
            }
            Some(Ending::Signal) => tracing::warn!("Error trying to save the DB, can't exit."),
            None => {}
        }
        self.let_writes_go();
    }

    fn let_writes_go(&mut self) {
        if let Some(holder) = self.holder.take() {
            self.answer(holder, HostReply::Done);
        }
    }

    fn stop(&self) {
        self.tell(0, ToCore::Stop);
    }
}

/// From the beginning to the end of a save.
impl Keeper {
    /// Begins a save. False: it cannot, and the log says why.
    fn begin(&mut self, is_background: bool, holds: bool) -> bool {
        assert!(self.save.is_none(), "one save at a time");
        let rule = self.config.rdb_version.rule();
        let assembly = Assembly::new(rule, self.config.rdbchecksum);
        let used_memory = self.metrics.iter().map(|metrics| metrics.memory_bytes()).sum();
        let target = self.dump_path();
        let created = SaveFile::create(target, assembly, self.config.rdb_save_incremental_fsync, used_memory);
        let file = match created {
            Ok(file) => file,
            Err(error) => {
                let (path, why) = (self.dump_path(), system_text(&error));
                tracing::warn!("Failed opening the temp RDB file for {} for saving: {why}", path.display());
                self.note_failure();
                return false;
            }
        };
        self.cuts += 1;
        if is_background {
            tracing::info!("Background saving started");
        }
        self.save = Some(Save {
            cut: self.cuts,
            began: Instant::now(),
            file,
            parts: PartOrder::default(),
            cores_begun: 0,
            cores_done: 0,
            until_begun: Vec::new(),
            until_saved: Vec::new(),
            failure: None,
            is_given_up: false,
            is_background,
        });
        let saves = &mut self.persistence.saves;
        (saves.began_s, saves.passed_s, saves.keys_saved, saves.keys) = (Some(unix_s()), 0, 0, 0);
        self.publish();
        self.tell(0, ToCore::BeginCut { cut: self.cuts, holds });
        true
    }

    pub(super) fn saving_begun(&mut self, cut: u64, keys: u64) {
        let save = self.save.as_mut().filter(|save| save.cut == cut).expect("a cut is of the save that is under way");
        save.cores_begun += 1;
        self.persistence.saves.keys += keys;
        if save.cores_begun == self.mesh.cores() {
            let waiting = std::mem::take(&mut save.until_begun);
            waiting.into_iter().for_each(|asker| self.answer(asker, HostReply::Done));
            self.give_up_if_failed();
        }
    }

    pub(super) fn take_part(&mut self, core: usize, cut: u64, part: Part, is_last: bool) {
        let save = self.save.as_mut().filter(|save| save.cut == cut).expect("parts are of the save that is under way");
        save.parts.push(core, part, is_last);
        while let Some(save) = &mut self.save
            && let Some((core, part, is_last)) = save.parts.pop()
        {
            self.write_part(core, part, is_last);
        }
    }

    fn write_part(&mut self, core: usize, part: Part, is_last: bool) {
        let save = self.save.as_mut().expect("a save is under way");
        if save.failure.is_none() {
            save.file.require(part.version);
            let added = match part.problem {
                Some(problem) => Err(problem.to_string()),
                None => save.file.add(&part.bytes).map_err(|error| system_text(&error)),
            };
            save.failure = added.err();
        }
        save.cores_done += usize::from(is_last);
        self.persistence.saves.keys_saved += part.keys;
        let is_done = save.cores_done == self.mesh.cores();
        self.tell(core, ToCore::Written(part.bytes));
        if is_done {
            self.end_save();
        } else {
            self.give_up_if_failed();
        }
    }

    /// Tells the cores that nothing more is wanted; not before all have caught their keys, as one would begin after it was told.
    fn give_up_if_failed(&mut self) {
        let cores = self.mesh.cores();
        let Some(save) = &mut self.save else { return };
        if save.failure.is_some() && save.cores_begun == cores && !save.is_given_up {
            save.is_given_up = true;
            (0..cores).for_each(|core| self.tell(core, ToCore::GiveUp));
        }
    }

    /// All cores are through.
    fn end_save(&mut self) {
        let save = self.save.take().expect("a save is under way");
        assert!(save.parts.is_empty(), "no core is within a value");
        let Save { cut, began, file, until_saved, failure, is_background, .. } = save;
        let outcome = match failure {
            Some(why) => {
                file.discard();
                Err(why)
            }
            None => file.finish().map_err(|error| system_text(&error)),
        };
        let saves = &mut self.persistence.saves;
        saves.began_s = None;
        saves.took_s = Some(began.elapsed().as_secs());
        let reply = match outcome {
            Ok(()) => {
                saves.last_s = unix_s();
                saves.has_failed = false;
                saves.count += 1;
                tracing::info!("DB saved on disk");
                if is_background {
                    tracing::info!("Background saving terminated with success");
                }
                (0..self.mesh.cores()).for_each(|core| self.tell(core, ToCore::Saved { cut }));
                HostReply::Done
            }
            Err(why) => {
                let what = if is_background { "Background saving error" } else { "Error saving DB on disk" };
                tracing::warn!("{what}: {}: {why}", self.dump_path().display());
                self.note_failure();
                HostReply::Failed
            }
        };
        let is_saved = reply == HostReply::Done;
        self.publish();
        until_saved.into_iter().for_each(|asker| self.answer(asker, reply.clone()));
        self.after_save(is_saved, self.holder.is_some());
    }

    /// What waited for the end of a save. `was_final`: it was the one before the end of the process.
    fn after_save(&mut self, is_saved: bool, was_final: bool) {
        match &self.ending {
            Some(_) if !was_final => self.save_before_end(),
            Some(_) if is_saved => self.stop(),
            Some(_) => self.ending_failed(),
            None => {
                self.let_writes_go();
                if let Some(waiting) = self.scheduled.take()
                    && self.begin(true, false)
                {
                    self.save.as_mut().expect("it has begun").until_begun = waiting;
                }
            }
        }
    }

    fn note_failure(&mut self) {
        self.persistence.saves.has_failed = true;
        self.publish();
    }
}

/// Save points.
impl Keeper {
    pub(super) fn tick(&mut self) {
        if let Some(save) = &self.save {
            self.persistence.saves.passed_s = save.began.elapsed().as_secs();
            return self.publish();
        }
        if self.ending.is_some() {
            return;
        }
        let changes: u64 = self.metrics.iter().map(|metrics| metrics.unsaved_changes.get()).sum();
        let passed_s = (unix_s() - self.persistence.saves.last_s).max(0) as u64;
        let point = self.config.save.points.iter().find(|point| changes >= point.changes && passed_s > point.seconds);
        let Some(point) = point else { return };
        if self.persistence.saves.has_failed && self.tried.is_some_and(|tried| tried.elapsed() < RETRY_PAUSE) {
            return;
        }
        tracing::info!("{} changes in {} seconds. Saving...", point.changes, point.seconds);
        self.tried = Some(Instant::now());
        self.begin(true, false);
    }
}
