//! From an RDB file to keys: the way that a file's keys take to the core that owns them.
//!
//! ```text
//!   torc_rdb::file::Reader --one frame after another--> LoadBatch of the owner --Engine::load--> keys
//!   one thread, which decodes nothing                    crosses to the core       decoded there, on all cores at once
//! ```
//! A library of functions is in the batches of all cores.

use std::fmt;
use std::ops::Range;

use torc_rdb::file::{FileVersion, Key, KeyHead};
use torc_rdb::{DecodeError, decode_string, decode_whole, types};
use torc_store::{Entry, Keyspace, StringForm, UnixMillis, Vacant};

use crate::error::CommandError;
use crate::host_request::LogKind;
use crate::persistence::Loaded;
use crate::script;
use crate::snapshot::{self, Layout, Unsupported};
use crate::state::CoreState;

/// How many keys ahead of the one that is loaded are fetched into the cache.
const LOOK_AHEAD: usize = 12;

/// Keys of a file that belong to one core, and libraries of functions.
#[derive(Debug)]
pub struct LoadBatch {
    version: FileVersion,
    /// Its keys and libraries replace those that are there.
    replaces: bool,
    bytes: Vec<u8>,
    records: Vec<Record>,
    libraries: Vec<Box<[u8]>>,
}

/// A key of a batch, whose parts are places in the batch's bytes.
#[derive(Debug)]
struct Record {
    db: u64,
    head: KeyHead,
    kind: u8,
    key: Range<usize>,
    value: Range<usize>,
    offset: u64,
}

/// What cannot be loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LoadError {
    /// A key.
    Key {
        /// Where in the file its value begins.
        offset: u64,
        /// The key.
        key: Box<[u8]>,
        /// The type of the value.
        kind: u8,
        /// What is wrong.
        problem: LoadProblem,
    },
    /// A library of functions, for this reason.
    Library(CommandError),
}

/// What is wrong with a key of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoadProblem {
    /// The value is damaged, or of a kind that is not supported.
    Value(DecodeError),
    /// Streams have no entries of this size here.
    TooLarge,
    /// The same key has come before.
    Duplicate,
    /// There are not so many databases.
    Database(u64),
}

impl fmt::Display for LoadError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (offset, key, kind, problem) = match self {
            LoadError::Key { offset, key, kind, problem } => (offset, key, kind, problem),
            LoadError::Library(error) => {
                let text = error.text();
                let text = text.strip_prefix(b"ERR ").unwrap_or(&text);
                return write!(formatter, "a library of functions: {}", String::from_utf8_lossy(text));
            }
        };
        write!(formatter, "at byte {offset}: key '{}', type {kind}: ", key.escape_ascii())?;
        match problem {
            LoadProblem::Value(error) => error.fmt(formatter),
            LoadProblem::TooLarge => formatter.write_str("a stream entry is too large"),
            LoadProblem::Duplicate => formatter.write_str("the key has come before"),
            LoadProblem::Database(db) => write!(formatter, "database {db} is beyond those of this server"),
        }
    }
}

impl std::error::Error for LoadError {}

impl LoadBatch {
    /// Of a file of this version; without keys. `replaces`: its keys and libraries replace those that are there.
    pub fn new(version: FileVersion, replaces: bool) -> Self {
        LoadBatch { version, replaces, bytes: Vec::new(), records: Vec::new(), libraries: Vec::new() }
    }

    /// Adds a key.
    pub fn push(&mut self, key: &Key<'_>) {
        let mut place = |part: &[u8]| {
            let start = self.bytes.len();
            self.bytes.extend_from_slice(part);
            start..self.bytes.len()
        };
        let (name, value) = (place(&key.key), place(key.value));
        let Key { db, head, kind, value_offset: offset, .. } = *key;
        self.records.push(Record { db, head, kind, key: name, value, offset });
    }

    /// Adds a library of functions with this text.
    pub fn push_library(&mut self, source: &[u8]) {
        self.libraries.push(source.into());
    }

    /// Bytes of its keys and values.
    pub fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty() && self.libraries.is_empty()
    }
}

/// Loads the libraries of a batch, and puts its keys, all of which belong to this core, into the shard. Keys that have expired, and those
/// that have no value, are left out.
pub(crate) fn load(state: &mut CoreState, batch: &LoadBatch) -> Result<Loaded, LoadError> {
    for source in &batch.libraries {
        script::load_library(state, source, batch.replaces).map_err(LoadError::Library)?;
    }
    let mut loaded = Loaded::default();
    batch.records.iter().take(LOOK_AHEAD).for_each(|record| prefetch(state, batch, record));
    for (index, record) in batch.records.iter().enumerate() {
        if let Some(ahead) = batch.records.get(index + LOOK_AHEAD) {
            prefetch(state, batch, ahead);
        }
        let key = &batch.bytes[record.key.clone()];
        if record.head.expire_at_ms.is_some_and(|at| at < state.now_ms) {
            loaded.expired_keys += 1;
            continue;
        }
        match load_key(state, batch, record, key, &batch.bytes[record.value.clone()]) {
            Ok(()) => loaded.keys += 1,
            Err(LoadProblem::Value(DecodeError::Empty)) => {
                state.log(LogKind::EmptyKey, || format!("Loading: skipping empty key: {}", key.escape_ascii()));
                loaded.empty_keys += 1;
            }
            Err(problem) => {
                return Err(LoadError::Key { offset: record.offset, key: key.into(), kind: record.kind, problem });
            }
        }
    }
    Ok(loaded)
}

/// Asks the CPU to fetch the place of a key in its table.
fn prefetch(state: &CoreState, batch: &LoadBatch, record: &Record) {
    if let Some(db) = database(state, record.db) {
        let _ = state.keyspace.prefetch(db, &batch.bytes[record.key.clone()]);
    }
}

/// The number of a database that there is.
fn database(state: &CoreState, db: u64) -> Option<u16> {
    u16::try_from(db).ok().filter(|&db| db < state.keyspace.databases())
}

/// The place of a key that has not come before.
fn vacant<'k>(
    keyspace: &'k mut Keyspace,
    db: u16,
    key: &'k [u8],
    now_ms: UnixMillis,
) -> Result<Vacant<'k>, LoadProblem> {
    match keyspace.entry(db, key, now_ms) {
        Entry::Vacant(vacant) => Ok(vacant),
        Entry::Occupied(_) => Err(LoadProblem::Duplicate),
    }
}

fn load_key(
    state: &mut CoreState,
    batch: &LoadBatch,
    record: &Record,
    key: &[u8],
    value: &[u8],
) -> Result<(), LoadProblem> {
    let db = database(state, record.db).ok_or(LoadProblem::Database(record.db))?;
    let CoreState { keyspace, config, now_ms, .. } = state;
    if batch.replaces {
        keyspace.remove(db, key, *now_ms);
    }
    let expire_at = record.head.expire_at_ms;
    if record.kind == types::STRING {
        // Most values are strings: straight from the file into the key.
        let bytes = decode_string(value).map_err(LoadProblem::Value)?;
        vacant(keyspace, db, key, *now_ms)?.insert_string(&bytes, expire_at, StringForm::Auto);
    } else {
        let value = decode_whole(value, record.kind, batch.version.number).map_err(LoadProblem::Value)?;
        let vacant = vacant(keyspace, db, key, *now_ms)?;
        let put = snapshot::put_new(vacant, &value, expire_at, Layout::of_type(record.kind), config);
        put.map_err(|Unsupported| LoadProblem::TooLarge)?;
    }
    if (record.head.idle_s, record.head.frequency) != (None, None)
        && let Entry::Occupied(mut occupied) = keyspace.entry(db, key, *now_ms)
    {
        record.head.idle_s.into_iter().for_each(|idle_s| occupied.set_idle_seconds(idle_s));
        record.head.frequency.into_iter().for_each(|frequency| occupied.set_frequency(frequency));
    }
    Ok(())
}
