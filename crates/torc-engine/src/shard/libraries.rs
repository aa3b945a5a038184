//! The libraries of functions of a core, as commands change them that run on all cores.

use std::sync::Arc;

use torc_rdb::file::restore_libraries as sources_of;

use super::ShardContext;
use crate::error::CommandError;
use crate::script::{self, Restoring};

impl ShardContext<'_> {
    /// Loads a library; gives its name. `replaces`: one of its name goes.
    pub(crate) fn load_library(&mut self, source: &[u8], replaces: bool) -> Result<Arc<[u8]>, CommandError> {
        script::load_library(self.state, source, replaces)
    }

    /// Loads all libraries of a payload, or none.
    pub(crate) fn restore_libraries(&mut self, payload: &[u8], restoring: Restoring) -> Result<(), CommandError> {
        let sources = sources_of(payload, self.state.payload_checksum);
        let sources = sources.map_err(|error| CommandError::made(format!("ERR {error}")))?;
        script::restore_libraries(self.state, &sources, restoring)
    }

    /// Removes a library. False: there is none of this name.
    pub(crate) fn remove_library(&mut self, name: &[u8]) -> bool {
        let scripts = &mut self.state.scripts;
        let removed = scripts.libraries.remove(name);
        removed.map(|callbacks| scripts.release(callbacks)).is_some()
    }

    /// Removes all libraries.
    pub(crate) fn flush_libraries(&mut self) {
        self.state.scripts.flush_libraries();
    }
}
