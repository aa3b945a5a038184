//! An operator turns the log off, and on again: it is closed, and later another one begins from memory in the same directory.
//!
//! ```text
//!   close --Closed, and no base is under way--> what is written meanwhile is in memory only --> Log::open(InMemory), higher numbers
//! ```
//! Now and then a base is written by itself in between (`StartContent::ForBaseAlone`), or that is called off.
//!
//! What a crash finds before the first base counts is what the log had when it was closed, or less if that was in vain.

use torc_log::{FoundFile, Log, RewriteReason, Start, StartContent};

use super::{Happens, Simulation, empty_base};
use crate::load::load;

impl Simulation {
    /// Turns the log off now and then, while no group is on its way to it.
    pub(super) fn switch(&mut self) {
        let is_due = |what: &Happens| matches!(what, Happens::Arrives(_) | Happens::Cut { .. });
        // An operator who has turned it on sees that nothing comes of it.
        let is_begun = self.log.needs_base() != Some(RewriteReason::FirstBase);
        let often = if is_begun { self.plan.switches } else { self.plan.switches * 20 };
        if !self.random.permille(often) || self.queue.values().any(is_due) {
            return;
        }
        if self.is_switching {
            return self.call_off();
        }
        self.trace(|| "the log is turned off".into());
        self.is_switching = true;
        self.log.close();
        self.serve();
    }

    /// Begins the next log, if the last one is closed and its host has stopped; tells whether it has.
    pub(super) fn switch_on(&mut self) -> bool {
        let is_of_base = |what: &Happens| matches!(what, Happens::Cut { .. } | Happens::BaseGrows | Happens::BaseStops);
        if !self.is_switching || !self.is_closed || self.base.is_some() || self.queue.values().any(is_of_base) {
            return false;
        }
        assert_eq!(self.in_flight, 0, "a closed log has nothing done");
        self.kept = self.kept.max(self.log.durable());
        self.is_switching = self.random.permille(400);
        (self.is_closed, self.is_for_base_alone, self.is_called_off) = (false, self.is_switching, false);
        for _ in 0..self.random.below(3) {
            self.make_record(0);
        }
        let _in_no_log = self.encoders[0].take();
        // As if it had a number that no log has been given.
        self.ends.push(self.states.len() - 1);
        self.made_us.push(self.now_us);
        let loaded = load(&self.disk, &self.names, &mut self.random);
        let files = self.disk.list().into_iter().filter(|(file, _)| !file.starts_with("../"));
        let start = Start {
            names: self.names.clone(),
            manifest: loaded.manifest,
            files: files.map(|(file, bytes)| FoundFile { file: file.into(), bytes }).collect(),
            content: if self.is_for_base_alone { StartContent::ForBaseAlone } else { StartContent::InMemory },
            tail: None,
            empty_base: empty_base(),
            single_file_bytes: None,
            number: self.last_number(),
        };
        self.trace(|| format!("the log is turned on, or a base written: {start:?}"));
        self.log = Log::open(start, self.plan.settings, self.now());
        (self.durable, self.steady_us) = (0, self.now_us);
        *if self.is_for_base_alone { &mut self.summary.bases_alone } else { &mut self.summary.switches } += 1;
        self.serve();
        true
    }

    /// Whether no group may come, and a cut cannot be had.
    pub(super) fn refuses_cut(&self) -> bool {
        let is_wanted = self.is_for_base_alone && !self.is_called_off;
        self.is_closed || (self.is_switching && !is_wanted && self.log.needs_base() == Some(RewriteReason::FirstBase))
    }

    /// A base that is written by itself is wanted no more.
    fn call_off(&mut self) {
        if self.is_for_base_alone && !self.is_called_off && !self.is_closed {
            self.trace(|| "the base is called off".into());
            self.is_called_off = true;
            self.log.close();
            self.serve();
        }
    }
}
