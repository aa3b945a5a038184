//! What a command that runs on a shard may know, and ask for, beside keys.

use super::ShardContext;
use crate::config::Config;
use crate::error::CommandError;
use crate::host_request::{HostRequest, LogKind};
use crate::random::Random;
use crate::route::CoreId;
use crate::saving::{FileSink, KeysOfDb, SaveForm};
use crate::state::{Caught, Facts};

impl ShardContext<'_> {
    /// The core that owns the keys.
    pub fn core(&self) -> CoreId {
        self.state.core
    }

    /// How many cores there are.
    pub fn cores(&self) -> u16 {
        self.state.cores
    }

    /// Whether this core owns a key.
    pub fn owns(&self, key: &[u8]) -> bool {
        self.state.owner(key) == self.state.core
    }

    /// Time of this turn, Unix milliseconds.
    #[inline]
    pub fn now_ms(&self) -> i64 {
        self.state.now_ms
    }

    /// The configuration.
    #[inline]
    pub fn config(&self) -> &Config {
        &self.state.config
    }

    /// What is known of the server and this core.
    pub fn facts(&self) -> Facts<'_> {
        self.state.facts()
    }

    /// All keys of this core are caught as they are now, to be saved for this cut; with those of the first core the libraries.
    pub(crate) fn begin_saving(&mut self, cut: u64, form: SaveForm) {
        let state = &mut *self.state;
        let keyspace = &state.keyspace;
        let keys = |db| KeysOfDb { keys: keyspace.len(db) as u64, expires: keyspace.expires_len(db) as u64 };
        let announced = (0..keyspace.databases()).filter(|&db| !keyspace.is_empty(db)).map(|db| (db, keys(db)));
        let mut sink = FileSink::new(&state.config, form, announced.collect(), state.now_ms);
        if state.core == 0 {
            sink.write_libraries(state.scripts.libraries.iter().map(|library| &*library.source));
        }
        state.keyspace.begin_saving(Box::new(sink), state.now_ms);
        state.caught = Caught { cut, changes: state.keyspace.changes() };
        state.ask_host(HostRequest::SavingBegun { cut, units_before: state.units_told });
    }

    /// Seeded random numbers.
    pub fn random(&mut self) -> &mut Random {
        &mut self.state.random
    }

    /// Whether the request is a propagated command, which may say what a client must not.
    pub fn obeys(&self) -> bool {
        self.state.obeys
    }

    /// Has the host write a line into its log, if `loglevel` has lines of this kind.
    pub fn log(&mut self, kind: LogKind, text: impl FnOnce() -> String) {
        self.state.log(kind, text);
    }

    /// The longest string a command may build, in bytes: `proto-max-bulk-len`, and less than 4 GiB, as what comes in a request: it may
    /// become an element of a list, whose lengths are kept in 32 bits.
    pub fn string_len_max(&self) -> usize {
        (self.config().proto_max_bulk_len_bytes as usize).min(u32::MAX as usize)
    }

    /// Refuses a string longer than `proto-max-bulk-len`.
    pub fn check_string_len(&self, len: usize) -> Result<(), CommandError> {
        if len > self.string_len_max() { Err(CommandError::StringTooLong) } else { Ok(()) }
    }

    /// What the simulator is told, and the time in Unix microseconds.
    #[cfg(feature = "simulation")]
    pub(crate) fn recorder(&mut self) -> (&mut crate::recorder::Recorder, i64) {
        (&mut self.state.recorder, self.state.now_us)
    }
}
