//! DEBUG RELOAD and DEBUG LOADAOF: what is in memory goes into a file, and comes back from there while clients are connected.
//!
//! ```text
//!   RELOAD    save, behind which writes are held --> [the log is closed] --> LOADING --> emptied --> load --> [a log begins] --> writes go on
//!   LOADAOF   LOADING --> writes are held --> [the log is closed] --> emptied --> the log is loaded [and goes on]
//! ```
//! **The log never has a part of what is loaded.** It is closed before, with all that was written, and one that begins after RELOAD counts
//! from its first base on. If loading fails, memory is neither the one nor the other: where there is a log, the process ends with status 1,
//! and the log is as it was; if a dump was loaded without one, the client learns of it, as in Redis.
//!
//! **With the log off** LOADAOF loads what the manifest names and leaves the files as they are.

use std::fs::File;
use std::time::Instant;

use torc_engine::persistence::{Loaded, Loading};
use torc_engine::{HostReply, Reload};

use super::load::Stopped;
use super::{Asker, Ending, Keeper, ToCore, system_text};

impl Keeper {
    pub(super) fn asked_to_reload(&mut self, how: Reload, asker: Asker) {
        self.reloads.push_back((how, asker));
    }

    /// Whether the file is being written, or read.
    pub(super) fn is_busy(&self) -> bool {
        self.is_saving() || self.persistence.loading.is_some() || !self.reloads.is_empty()
    }

    /// Begins the first that was asked for, if nothing else is under way.
    pub(super) fn begin_reload_if_due(&mut self) {
        let Some(&(how, _)) = self.reloads.front() else { return };
        let is_writing = self.is_saving() || self.is_base_alone_under_way();
        let is_occupied = is_writing || self.persistence.loading.is_some() || self.is_switching();
        // A log without a base has nothing to load.
        if is_occupied || self.ending.is_some() || (how.from_log && self.lacks_first_base()) {
            return;
        }
        match &self.log {
            Some(driver) if how.from_log && driver.log.needs_base().is_some() => {
                tracing::warn!("The AOF cannot be loaded: it needs a base that is not written yet");
                self.end_reload(HostReply::Failed);
            }
            None if how.from_log
                && let Err(why) = self.find_log_files() =>
            {
                tracing::warn!("The AOF cannot be loaded: {why}");
                self.end_reload(HostReply::Failed);
            }
            _ if how.from_log => {
                // Nothing that is asked for from now on waits behind those writes that the log is still to have.
                self.persistence.loading = Some(Loading::default());
                self.publish();
                self.close_log_to_reload();
            }
            Some(_) if !how.saves => self.close_log_to_reload(),
            _ => self.save_and_reload(),
        }
    }

    /// The log, if there was one, is closed, and no write is under way. `is_whole`: with all that was written.
    pub(super) fn closed_to_reload(&mut self, is_whole: bool) {
        if self.ending.is_some() {
            return self.end_reload(HostReply::Failed);
        }
        let &(how, _) = self.reloads.front().expect("it is under way");
        match (how.from_log, is_whole) {
            (true, true) => self.reload_log(),
            // Memory is all that has everything.
            (true, false) => self.end_reload(HostReply::Failed),
            (false, _) => self.reload(),
        }
    }

    fn save_and_reload(&mut self) {
        let saves = self.reloads.front().is_some_and(|(how, _)| how.saves);
        if !saves {
            self.reload();
        } else if !self.begin(false, true) {
            self.saved_to_reload(false);
        }
    }

    /// All is saved, or cannot be.
    pub(super) fn saved_to_reload(&mut self, is_saved: bool) {
        match (is_saved, &self.log) {
            (true, None) => self.reload(),
            (true, Some(_)) => self.close_log_behind_save(),
            (false, _) => self.end_reload(HostReply::Failed),
        }
    }

    fn reload(&mut self) {
        let Some(&(how, _)) = self.reloads.front() else { return };
        self.load_began = Instant::now();
        self.persistence.loading = Some(Loading::default());
        self.publish();
        if how.empties {
            (0..self.mesh.cores()).for_each(|core| self.tell(core, ToCore::Empty));
        }
        let path = self.dump_path();
        let loaded = match File::open(&path) {
            Ok(file) => self.load_file(file, how.replaces),
            Err(error) => Err(Stopped::Failed(system_text(&error))),
        };
        self.loaded_again("DB reloaded by DEBUG RELOAD", loaded.map_err(|stopped| stopped.of(&path)));
    }

    /// The log comes back, and goes on if it is on.
    fn reload_log(&mut self) {
        self.load_began = Instant::now();
        let goes_on = self.is_closed_to_reload();
        for core in 0..self.mesh.cores() {
            // Who waits for a key does not see that it goes and comes back.
            self.tell(core, ToCore::Obey);
            self.tell(core, ToCore::Empty);
        }
        let loaded = self.load_log(goes_on);
        (0..self.mesh.cores()).for_each(|core| self.tell(core, ToCore::WakeWaiters));
        self.loaded_again("Append Only File loaded by DEBUG LOADAOF", loaded);
    }

    fn loaded_again(&mut self, line: &str, loaded: Result<Loaded, Stopped>) {
        match loaded {
            Ok(loaded) => {
                tracing::warn!("{line}");
                self.persistence.loaded = loaded;
                self.end_reload(HostReply::Done);
            }
            Err(Stopped::Failed(why)) if self.is_closed_to_reload() || self.is_log_reloaded() => {
                tracing::error!("Error loading the data again: {why}. The server ends, and the AOF stays as it was.");
                self.end_at_once(Some(why));
            }
            Err(Stopped::Failed(why)) => {
                tracing::error!("Error loading the DB: {why}");
                self.persistence.loaded = Loaded::default();
                self.end_reload(HostReply::Failed);
            }
            Err(Stopped::Ending) => self.end_at_once(None),
        }
    }

    /// Whether it is the log that is loaded again.
    fn is_log_reloaded(&self) -> bool {
        self.reloads.front().is_some_and(|(how, _)| how.from_log)
    }

    /// A part of the data is no data: it is never saved. `failure`: why the process ends, unless it was asked to.
    fn end_at_once(&mut self, failure: Option<String>) {
        self.failure = failure;
        self.ending = Some(Ending { is_forced: true, saves: false, awaits_base: false, askers: Vec::new() });
        self.stop();
    }

    fn end_reload(&mut self, reply: HostReply) {
        let (_, asker) = self.reloads.pop_front().expect("it was asked for");
        self.persistence.loading = None;
        self.publish();
        self.begin_log_after_reload();
        self.answer(asker, reply);
        if !self.is_switching() {
            self.let_writes_go();
        }
        if self.ending.is_none() {
            self.begin_what_waits(true);
        }
    }
}
