//! BGREWRITEAOF: the log is asked for a rewrite. While it is off, a base is written all the same, as in Redis.
//!
//! ```text
//!   asked --if something else is under way: when that has ended--> lock, manifest --Log::open(ForBaseAlone)--> cut --> base
//!         --> the manifest names the base alone, what was there before is deleted --> closed, unlocked
//! ```
//! Such a base is not tried again, and nobody depends on it: writes are never refused for it, SHUTDOWN does not wait for it, and turning
//! the log on gives it up, since a newer base follows. DEBUG RELOAD and LOADAOF wait for it.

use torc_engine::HostReply;
use torc_engine::error::CommandError;
use torc_log::{Group, RewriteDenied, StartContent};

use super::{Asker, Deferred, Keeper};

/// The reply to whoever is first.
const SCHEDULED: HostReply = HostReply::Says("Background append only file rewriting scheduled");
const IN_PROGRESS: HostReply =
    HostReply::Error(CommandError::fixed("ERR Background append only file rewriting already in progress"));

impl Keeper {
    pub(super) fn asked_to_rewrite(&mut self, in_transaction: bool, asker: Asker) {
        if self.is_saving_nothing() {
            return self.deferred.push_back((Deferred::Rewrite { in_transaction }, asker));
        }
        let reply = match self.is_log_on() {
            true => self.ask_log_to_rewrite(in_transaction),
            false => self.ask_for_base_alone(in_transaction),
        };
        // Whoever is answered sees in INFO that it is under way.
        self.serve_log();
        self.publish_log();
        self.answer(asker, reply);
    }

    fn ask_log_to_rewrite(&mut self, in_transaction: bool) -> HostReply {
        let is_put_off = self.is_saving() || in_transaction;
        match self.log.as_mut().expect("it is on").log.ask_rewrite() {
            Ok(()) if is_put_off => SCHEDULED,
            Ok(()) => HostReply::Done,
            Err(RewriteDenied::InProgress) => IN_PROGRESS,
            Err(RewriteDenied::Opening | RewriteDenied::Closing) => HostReply::Failed,
        }
    }

    fn ask_for_base_alone(&mut self, in_transaction: bool) -> HostReply {
        if self.is_base_alone_under_way() {
            return IN_PROGRESS;
        }
        if in_transaction || !self.may_begin_base_alone() {
            self.is_base_alone_due = true;
            return SCHEDULED;
        }
        match self.begin_base_alone() {
            true => HostReply::Done,
            false => HostReply::Failed,
        }
    }

    /// Whether a base is being written while the log is off.
    pub(super) fn is_base_alone_under_way(&self) -> bool {
        self.log.as_ref().is_some_and(|driver| driver.is_for_base_alone)
    }

    fn may_begin_base_alone(&self) -> bool {
        !self.is_busy() && !self.is_switching() && self.ending.is_none()
    }

    /// False: it cannot be begun, and the server's log says why.
    fn begin_base_alone(&mut self) -> bool {
        self.is_base_alone_due = false;
        let begun = self.open_log_of_memory(StartContent::ForBaseAlone);
        if let Err(why) = &begun {
            tracing::warn!("Can't rewrite the append only file: {why}");
            let figures = &mut self.persistence.log;
            (figures.rewrite_failures, figures.rewrite_failures_in_a_row) =
                (figures.rewrite_failures + 1, figures.rewrite_failures_in_a_row + 1);
            self.publish();
        }
        begun.is_ok()
    }

    /// All cores have caught their keys. Nothing else has a number while the log is off.
    pub(super) fn cut_base_alone(&mut self) {
        let number = self.mesh.stream.last() + 1;
        if let Some(driver) = self.log.as_mut().filter(|driver| driver.is_for_base_alone && !driver.is_closed()) {
            driver.log.push(Group::cut(number));
        }
    }

    /// Begins the one that waits, and ends the one that is through.
    pub(super) fn go_on_with_base_alone(&mut self) {
        let is_through = self.log.as_ref().is_some_and(|driver| driver.is_for_base_alone && driver.is_done());
        if is_through && self.base.is_none() {
            self.base_due = None;
            self.note_log_figures();
            // The lock goes with it.
            let _lock = self.log.take().expect("looked at just now").stop();
            self.persistence.log.is_rewriting = false;
            self.publish_log();
            self.publish();
        }
        // The first base of a log has everything.
        self.is_base_alone_due &= !self.is_log_on();
        if self.is_base_alone_due && self.may_begin_base_alone() {
            self.begin_base_alone();
        }
    }
}
