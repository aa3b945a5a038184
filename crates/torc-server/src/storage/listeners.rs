//! Listening sockets that are opened and closed while clients are served: CONFIG SET `bind` and `port`.

use std::sync::Arc;

use torc_engine::error::CommandError;
use torc_engine::{HostReply, ListenerChange};

use super::{Keeper, ToCore};
use crate::listening::Change;

impl Keeper {
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

    /// Gives the cores what was opened, and has them close the rest.
    pub(super) fn hand_out(&mut self, change: Change) {
        let (opened, closed, endpoints) = change.into_parts();
        let closed: Arc<[_]> = closed.into();
        for (core, opened) in opened.into_iter().enumerate() {
            self.tell(core, ToCore::Listen { opened, closed: Arc::clone(&closed) });
        }
        self.listening.commit(endpoints);
    }
}
