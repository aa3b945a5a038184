//! The base of the log: all keys at a cut, written into the file that the log has chosen.
//!
//! ```text
//!   CutWanted --> BeginCut --first core--> CutNumbered S --> the log begins the next increment at S + 1 --> BaseMayBegin --> file
//!                   \--parts of the cores: they wait until there is a file-----------------------------------------------^
//! ```
//! It is neither synced nor renamed here: when it is whole, the log does what makes it count.

use std::path::PathBuf;

use torc_engine::saving::{Part, SaveForm};
use torc_log::BaseFormat;

use super::cut::Cut;
use super::dump::DumpFile;
use super::{Keeper, ToCore, system_text};

/// A base that is being written.
pub(super) struct Base {
    /// Its parts wait until there is a file.
    pub cut: Cut,
    form: SaveForm,
    file: Option<DumpFile>,
    /// It comes to nothing.
    pub has_failed: bool,
}

impl Keeper {
    /// Whether the keys of the cores are being saved, into whatever file.
    pub(super) fn is_saving(&self) -> bool {
        self.save.is_some() || self.base.is_some()
    }

    /// The log wants a base: at once, or when the save that is under way is over.
    pub(super) fn base_wanted(&mut self, format: BaseFormat) {
        self.base_due = Some(format);
        self.begin_base_if_due();
    }

    /// Whether something else must end before the base that is wanted can be begun.
    pub(super) fn is_base_put_off(&self) -> bool {
        self.base_due.is_some() && self.is_busy()
    }

    pub(super) fn begin_base_if_due(&mut self) {
        let is_alone = self.is_base_alone_under_way();
        // A loading that waits for this base does not keep it waiting.
        let is_reloading = !self.reloads.is_empty() && !self.lacks_first_base() && !is_alone;
        let is_occupied = self.is_saving() || self.persistence.loading.is_some() || is_reloading;
        if is_occupied || (self.switching.streaming < self.mesh.cores() && !is_alone) {
            return;
        }
        let Some(format) = self.base_due.take() else { return };
        let form = match format {
            BaseFormat::Rdb => SaveForm::Rdb,
            BaseFormat::Commands => SaveForm::Commands,
        };
        self.cuts += 1;
        let cut = Cut::new(self.cuts, self.mesh.cores());
        self.base = Some(Base { cut, form, file: None, has_failed: false });
        let saves = &mut self.persistence.saves;
        (saves.keys_saved, saves.keys) = (0, 0);
        self.tell(0, ToCore::BeginCut { cut: self.cuts, form, holds: false });
        self.publish_log();
    }

    /// The state at the cut may be written into this file.
    pub(super) fn base_may_begin(&mut self, path: PathBuf) {
        // At the end of the process nothing more comes of it, which the log is told.
        let Some(form) = self.base.as_ref().map(|base| base.form) else { return };
        let created = self.create_base(&path, form);
        let base = self.base.as_mut().expect("looked at just now");
        match created {
            Ok(file) => base.file = Some(file),
            Err(error) => {
                tracing::warn!("AOF base {}: {}", path.display(), system_text(&error));
                base.has_failed = true;
            }
        }
        self.write_base_parts();
    }

    /// The base is of no use any more.
    pub(super) fn abandon_base(&mut self) {
        self.base_due = None;
        match &mut self.base {
            Some(base) => {
                base.has_failed = true;
                self.write_base_parts();
            }
            None => self.log_base_failed(),
        }
    }

    /// A core has caught its keys.
    pub(super) fn base_begun(&mut self, keys: u64) {
        self.persistence.saves.keys += keys;
        if self.base.as_mut().expect("a base is under way").cut.note_caught() {
            self.cut_base_alone();
        }
        self.end_base_if_through();
    }

    pub(super) fn take_base_part(&mut self, core: usize, part: Part, is_last: bool) {
        self.base.as_mut().expect("a base is under way").cut.push(core, part, is_last);
        self.write_base_parts();
    }

    /// Writes what has come, if there is a file, or gives its memory back.
    pub(super) fn write_base_parts(&mut self) {
        while let Some(base) = self.base.as_mut().filter(|base| base.file.is_some() || base.has_failed)
            && let Some((core, part)) = base.cut.pop()
        {
            self.write_base_part(core, part);
        }
        self.end_base_if_through();
    }

    fn write_base_part(&mut self, core: usize, part: Part) {
        self.persistence.saves.keys_saved += part.keys;
        let base = self.base.as_mut().expect("a base is under way");
        if let Some(file) = base.file.as_mut().filter(|_| !base.has_failed)
            && let Err(why) = file.add_part(&part)
        {
            tracing::warn!("Error writing the AOF base: {why}");
            base.has_failed = true;
        }
        self.tell(core, ToCore::Written(part.bytes));
    }

    fn end_base_if_through(&mut self) {
        let Some(base) = &mut self.base else { return };
        if base.has_failed && base.cut.give_up() {
            let cut = base.cut.number;
            (0..self.mesh.cores()).for_each(|core| self.tell(core, ToCore::GiveUp { cut }));
        }
        let is_ended = |base: &mut Base| base.cut.is_through() && (base.file.is_some() || base.has_failed);
        let Some(base) = self.base.take_if(is_ended) else { return };
        self.persistence.log.rewrite_took_s = Some(base.cut.passed_s());
        let finished = match base.file {
            Some(mut file) if !base.has_failed => file.finish().map_err(|error| {
                tracing::warn!("Error writing the AOF base: {}", system_text(&error));
            }),
            _ => Err(()),
        };
        match finished {
            Ok(bytes) => self.log_base_finished(bytes),
            Err(()) => self.log_base_failed(),
        }
        self.after_base();
    }
}
