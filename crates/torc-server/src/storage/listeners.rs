//! Listening sockets that are opened and closed while clients are served: CONFIG SET `bind` and `port`.
//!
//! ```text
//!   open what is new ─> ToCore::Listen to each core ─> ToStorage::Listens from each: the rest is closed ─> the answer
//! ```
//! One change at a time: what one has left open could otherwise be in the way of the next.

use std::collections::VecDeque;
use std::sync::Arc;

use torc_engine::error::CommandError;
use torc_engine::{FileChange, HostReply, ListenerChange};

use super::{Asker, Keeper, ToCore};
use crate::listening::Change;

/// The change that is under way, and those that wait for it.
#[derive(Debug, Default)]
pub(super) struct ListeningChanges {
    /// Cores that have not closed all that they are to close.
    cores_left: usize,
    /// What else is to be done, and who waits for it.
    rest: Option<(FileChange, Asker)>,
    /// What was handed out last, if anything was.
    handed_out: Option<ListenerChange>,
    /// The configuration has changed meanwhile.
    is_look_due: bool,
    /// At the last tick it said something else than what is listened on.
    is_apart: bool,
    /// Asked for meanwhile.
    pub later: VecDeque<(FileChange, Asker)>,
}

impl Keeper {
    /// Whether sockets are being closed.
    pub(super) fn is_changing_listeners(&self) -> bool {
        self.listening_changes.cores_left > 0
    }

    /// Opens what is new. Nothing is in force before [`Keeper::hand_out`].
    pub(super) fn open_listeners(&self, change: &ListenerChange) -> Result<Change, HostReply> {
        let mut config = self.config.clone();
        (config.bind, config.port) = (change.bind.clone(), change.port);
        self.listening.change(&config).map_err(|why| {
            tracing::warn!("Listening goes on as before: {why}");
            let (directive, text) = match change.port == self.config.port {
                true => ("bind", "Failed to bind to specified addresses."),
                false => ("port", "Unable to listen on this port. Check server logs."),
            };
            HostReply::Error(CommandError::made(format!(
                "ERR CONFIG SET failed (possibly related to argument '{directive}') - {text}"
            )))
        })
    }

    /// Gives the cores what was opened, and has them close the rest; then the rest of the change is done.
    pub(super) fn hand_out(&mut self, asked: ListenerChange, change: Change, rest: FileChange, asker: Asker) {
        self.listening_changes.handed_out = Some(asked);
        self.hand_to_cores(change);
        if rest.is_answered_early {
            self.change_files(rest, asker);
        } else {
            self.listening_changes.rest = Some((rest, asker));
        }
    }

    /// Of two CONFIG SETs that meet, the one whose sockets were opened first may be in force last: then they are opened again.
    pub(super) fn follow_configured_listeners(&mut self) {
        self.listening_changes.is_look_due = self.is_changing_listeners();
        let is_apart = !self.listening_changes.is_look_due && self.are_listeners_apart();
        let configured = ListenerChange { bind: self.config.bind.clone(), port: self.config.port };
        if is_apart && let Ok(change) = self.open_listeners(&configured) {
            self.listening_changes.handed_out = Some(configured);
            self.hand_to_cores(change);
        }
    }

    /// What was handed out for a CONFIG SET that was not done after all, since its client has left or the rest of it has failed, is taken
    /// back: from one tick to the next, any that is done is in force.
    pub(super) fn look_after_listeners(&mut self) {
        let is_apart = !self.is_changing_listeners() && self.are_listeners_apart();
        if is_apart && self.listening_changes.is_apart {
            self.follow_configured_listeners();
        }
        self.listening_changes.is_apart = is_apart;
    }

    /// Whether what was handed out last is not what is configured.
    fn are_listeners_apart(&self) -> bool {
        let is_configured = |last: &ListenerChange| last.bind == self.config.bind && last.port == self.config.port;
        self.listening_changes.handed_out.as_ref().is_some_and(|last| !is_configured(last))
    }

    fn hand_to_cores(&mut self, change: Change) {
        let Change { endpoints, opened, closed } = change;
        self.listening_changes.cores_left = opened.len();
        let closed: Arc<[_]> = closed.into();
        for (core, opened) in opened.into_iter().enumerate() {
            self.tell(core, ToCore::Listen { opened, closed: Arc::clone(&closed) });
        }
        self.listening.commit(endpoints);
    }

    /// One core more has closed what it was to close.
    pub(super) fn core_listens(&mut self) {
        self.listening_changes.cores_left -= 1;
        if self.is_changing_listeners() {
            return;
        }
        if let Some((rest, asker)) = self.listening_changes.rest.take() {
            // What is configured follows the answer.
            self.change_files(rest, asker);
        } else if self.listening_changes.is_look_due {
            self.follow_configured_listeners();
        }
        while !self.is_changing_listeners()
            && let Some((change, asker)) = self.listening_changes.later.pop_front()
        {
            self.change_files(change, asker);
        }
    }
}
