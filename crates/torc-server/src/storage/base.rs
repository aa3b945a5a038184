//! The base of the log: all keys at a cut, written into the file that the log has chosen.
//!
//! ```text
//!   CutWanted --> BeginCut --first core--> CutNumbered S --> the log begins the next increment at S + 1 --> BaseMayBegin --> file
//!                   \--parts of the cores: they wait until there is a file-----------------------------------------------^
//! ```
//! It is neither synced nor renamed here: when it is whole, the log does what makes it count.

use std::path::PathBuf;
use std::time::Instant;

use torc_engine::saving::{Part, PartOrder, SaveForm};
use torc_log::BaseFormat;

use super::dump::DumpFile;
use super::{Keeper, ToCore, system_text};

/// A base that is being written.
pub(super) struct Base {
    pub cut: u64,
    began: Instant,
    form: SaveForm,
    file: Option<DumpFile>,
    /// Parts of the cores, which wait until there is a file.
    parts: PartOrder<bool>,
    cores_begun: usize,
    cores_done: usize,
    /// It comes to nothing.
    pub has_failed: bool,
    is_given_up: bool,
}

impl Base {
    /// How long it has been written, in seconds.
    pub fn passed_s(&self) -> u64 {
        self.began.elapsed().as_secs()
    }
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
        // A loading that waits for this base does not keep it waiting.
        let is_reloading = !self.reloads.is_empty() && !self.lacks_first_base();
        let is_occupied = self.is_saving() || self.persistence.loading.is_some() || is_reloading;
        if is_occupied || self.switching.streaming < self.mesh.cores() {
            return;
        }
        let Some(format) = self.base_due.take() else { return };
        let form = match format {
            BaseFormat::Rdb => SaveForm::Rdb,
            BaseFormat::Commands => SaveForm::Commands,
        };
        self.cuts += 1;
        self.base = Some(Base {
            cut: self.cuts,
            began: Instant::now(),
            form,
            file: None,
            parts: PartOrder::default(),
            cores_begun: 0,
            cores_done: 0,
            has_failed: false,
            is_given_up: false,
        });
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
        self.base.as_mut().expect("a base is under way").cores_begun += 1;
        self.end_base_if_through();
    }

    pub(super) fn take_base_part(&mut self, core: usize, part: Part, is_last: bool) {
        self.base.as_mut().expect("a base is under way").parts.push(core, part, is_last);
        self.write_base_parts();
    }

    /// Writes what has come, if there is a file, or gives its memory back.
    pub(super) fn write_base_parts(&mut self) {
        while let Some(base) = self.base.as_mut().filter(|base| base.file.is_some() || base.has_failed)
            && let Some((core, part, is_last)) = base.parts.pop()
        {
            base.cores_done += usize::from(is_last);
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
        let cores = self.mesh.cores();
        let Some(base) = &mut self.base else { return };
        if base.has_failed && base.cores_begun == cores && !base.is_given_up && base.cores_done < cores {
            base.is_given_up = true;
            let cut = base.cut;
            (0..cores).for_each(|core| self.tell(core, ToCore::GiveUp { cut }));
        }
        let Some(base) = &mut self.base else { return };
        if base.cores_done < cores || (base.file.is_none() && !base.has_failed) {
            return;
        }
        let base = self.base.take().expect("looked at just now");
        self.persistence.log.rewrite_took_s = Some(base.passed_s());
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
