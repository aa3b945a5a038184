//! DEBUG RELOAD: what is in memory goes into the file, and comes back from there while clients are connected.
//!
//! ```text
//!   save, behind which writes are held --> LOADING on all cores --> they are emptied --> load --> writes go on
//! ```

use std::fs::File;

use torc_engine::persistence::{Loaded, Loading};
use torc_engine::{HostReply, Reload};

use super::load::Stopped;
use super::{Asker, Ending, Keeper, ToCore, system_text};

impl Keeper {
    pub(super) fn asked_to_reload(&mut self, how: Reload, asker: Asker) {
        let is_busy = self.is_busy();
        self.reloads.push_back((how, asker));
        if !is_busy && self.ending.is_none() {
            self.begin_reload();
        }
    }

    /// Whether the file is being written, or read.
    pub(super) fn is_busy(&self) -> bool {
        self.is_saving() || self.persistence.loading.is_some() || !self.reloads.is_empty()
    }

    /// Begins the first that was asked for.
    pub(super) fn begin_reload(&mut self) {
        let saves = self.reloads.front().is_some_and(|(how, _)| how.saves);
        if !saves {
            self.reload();
        } else if !self.begin(false, true) {
            self.saved_to_reload(false);
        }
    }

    /// All is saved, or cannot be.
    pub(super) fn saved_to_reload(&mut self, is_saved: bool) {
        if is_saved {
            return self.reload();
        }
        self.end_reload(HostReply::Failed);
    }

    fn reload(&mut self) {
        let Some(&(how, _)) = self.reloads.front() else { return };
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
        let reply = match loaded {
            Ok(loaded) => {
                tracing::warn!("DB reloaded by DEBUG RELOAD");
                self.persistence.loaded = loaded;
                HostReply::Done
            }
            Err(Stopped::Failed(why)) => {
                tracing::error!("Error loading the DB: {}: {why}", path.display());
                self.persistence.loaded = Loaded::default();
                HostReply::Failed
            }
            Err(Stopped::Ending) => {
                // A part of the data is no data: it is never saved.
                self.ending = Some(Ending { is_forced: true, saves: false, awaits_base: false, askers: Vec::new() });
                return self.stop();
            }
        };
        // Loaded or not, the log no longer tells of the keys that are there.
        self.rewrite_log();
        self.end_reload(reply);
    }

    fn end_reload(&mut self, reply: HostReply) {
        let (_, asker) = self.reloads.pop_front().expect("it was asked for");
        self.persistence.loading = None;
        self.publish();
        self.answer(asker, reply);
        self.let_writes_go();
        self.begin_what_waits(true);
    }
}
