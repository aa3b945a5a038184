//! From the keys of a shard to its part of an RDB file, while they are saved ([`Keyspace::begin_saving`](torc_store::Keyspace)).
//!
//! ```text
//!   ValueRef --RdbSink::save--> [database] [expiry, use] type key value --take_part--> the host, which puts the parts of all cores
//!                                                                                        one behind another
//! ```
//! Each part says which database its keys belong to, so the parts may stand in any order.

use torc_rdb::file::{self, KeyHead, VersionRule, VersionTooLow};
use torc_rdb::{EncodeOptions, Thresholds};
use torc_store::{KeySink, UnixMillis, ValueRef};

use crate::config::{Config, MaxmemoryPolicy};
use crate::snapshot::{self, Layout};

/// How a file is written; the same for all cores.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SaveOptions {
    /// Which version the file may have.
    pub rule: VersionRule,
    /// `rdbcompression`.
    pub compress: bool,
    /// What is kept of how keys were used.
    uses: Uses,
}

/// What a file keeps of how keys were used: what `maxmemory-policy` goes by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Uses {
    None,
    IdleTime,
    Frequency,
}

impl SaveOptions {
    /// What the configuration says.
    pub fn of(config: &Config) -> Self {
        let uses = match config.maxmemory_policy {
            policy if policy.is_lfu() => Uses::Frequency,
            MaxmemoryPolicy::AllkeysLru | MaxmemoryPolicy::VolatileLru => Uses::IdleTime,
            _ => Uses::None,
        };
        SaveOptions { rule: config.rdb_version.rule(), compress: config.rdbcompression, uses }
    }
}

/// A part of the file.
#[derive(Debug, Default)]
pub struct Part {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// The version that the file must have for what was written so far; 0: any.
    pub version: u16,
    /// Keys in it.
    pub keys: u64,
    /// A value that the version of the file cannot hold, which ends the saving.
    pub problem: Option<VersionTooLow>,
}

/// Writes keys as an RDB file has them.
#[derive(Debug)]
pub(crate) struct RdbSink {
    options: SaveOptions,
    config: Config,
    now_ms: UnixMillis,
    part: Part,
    /// The database that this part has named last.
    db: Option<u16>,
}

impl RdbSink {
    /// Without a key.
    pub fn new(config: &Config, now_ms: UnixMillis) -> Self {
        let options = SaveOptions::of(config);
        RdbSink { options, config: config.clone(), now_ms, part: Part::default(), db: None }
    }

    /// Takes what was written, and goes on in `memory`.
    pub fn take_part(&mut self, mut memory: Vec<u8>) -> Part {
        memory.clear();
        self.db = None;
        let (version, problem) = (self.part.version, self.part.problem);
        std::mem::replace(&mut self.part, Part { bytes: memory, version, keys: 0, problem })
    }

    fn head_of(&self, value: ValueRef<'_>) -> KeyHead {
        let uses = self.options.uses;
        KeyHead {
            expire_at_ms: value.expire_at(),
            idle_s: (uses == Uses::IdleTime).then(|| value.idle_seconds(self.now_ms)),
            frequency: (uses == Uses::Frequency).then(|| value.frequency(self.now_ms)),
        }
    }

    fn thresholds(&self, value: ValueRef<'_>) -> Thresholds {
        snapshot::thresholds(&self.config, Layout::of(value))
    }
}

impl KeySink for RdbSink {
    fn save(&mut self, db: u16, value: ValueRef<'_>) {
        if self.part.problem.is_some() || snapshot::has_expired(value, self.now_ms) {
            return;
        }
        let head = self.head_of(value);
        let SaveOptions { rule, compress, .. } = self.options;
        let options = EncodeOptions { version: rule.aimed(), compress, thresholds: self.thresholds(value) };
        let out = &mut self.part.bytes;
        if self.db != Some(db) {
            self.db = Some(db);
            file::select_db(out, db.into());
        }
        let write = |encoder: &mut torc_rdb::Encoder<'_>| snapshot::write(value, self.now_ms, encoder);
        match file::write_key(out, value.key(), &head, &options, rule, write) {
            Ok(((), version)) => {
                self.part.version = self.part.version.max(version);
                self.part.keys += 1;
            }
            Err(problem) => self.part.problem = Some(problem),
        }
    }

    fn written(&self) -> usize {
        self.part.bytes.len()
    }
}
