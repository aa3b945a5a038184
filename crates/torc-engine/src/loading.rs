//! From an RDB file to keys: the way that a file's keys take to the core that owns them.
//!
//! ```text
//!   torc_rdb::file::Reader --one frame after another--> LoadBatch of the owner --Engine::load--> keys
//!   one thread, which decodes nothing                    crosses to the core       decoded there, on all cores at once
//! ```
//! A key is put into its table at the end of a short pipeline, since each step needs memory that is nowhere near:
//!
//! ```text
//!   24 keys ahead: hash it, fetch its segment's header     12 keys ahead: fetch its group     now: decode, insert
//! ```
//! And the table knows from the file how many keys to expect, so that it is not laid out anew again and again.
//! A library of functions is in the batches of all cores.

use std::collections::BTreeMap;
use std::fmt;

use torc_rdb::file::{FileVersion, Frame, Key, KeyHead};
use torc_rdb::{DecodeError, decode_string, decode_whole, types};
use torc_store::{Entry, KeyHash, Keyspace, StringForm, UnixMillis, Vacant};

use crate::error::CommandError;
use crate::host_request::LogKind;
use crate::persistence::Loaded;
use crate::script;
use crate::snapshot::{self, Layout, Unsupported};
use crate::state::CoreState;

/// How many keys ahead of the one that is loaded its group is fetched, and the header that says where that is.
const GROUP_AHEAD: usize = 12;
const HEADER_AHEAD: usize = 24;

/// Keys of a file that belong to one core, and libraries of functions.
#[derive(Debug)]
pub struct LoadBatch {
    version: FileVersion,
    /// Its keys and libraries replace those that are there.
    replaces: bool,
    /// Each key and, behind it, its value.
    bytes: Vec<u8>,
    records: Vec<Record>,
    commons: Vec<Common>,
    /// How many keys databases will have on this core, where the file says so.
    expected: Vec<(u64, u64)>,
    libraries: Vec<Box<[u8]>>,
}

/// A key of a batch. There are many, and they cross to another CPU's cache: what most of them share is elsewhere.
#[derive(Debug)]
struct Record {
    /// Where key and value end in the batch's bytes; the key begins where the value before it ends.
    key_end: usize,
    value_end: usize,
    /// Of the value in the file.
    offset: u64,
    /// Which of the commons it has.
    common: u32,
    kind: u8,
}

/// What keys in a row have in common.
#[derive(Debug, PartialEq, Eq)]
struct Common {
    db: u64,
    head: KeyHead,
}

/// A key of a batch that is being loaded.
#[derive(Clone, Copy)]
struct Item<'b> {
    common: &'b Common,
    kind: u8,
    offset: u64,
    key: &'b [u8],
    value: &'b [u8],
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
        LoadBatch {
            version,
            replaces,
            bytes: Vec::new(),
            records: Vec::new(),
            commons: Vec::new(),
            expected: Vec::new(),
            libraries: Vec::new(),
        }
    }

    /// With room for so many bytes of keys and values.
    pub fn with_room(mut self, bytes: usize) -> Self {
        self.bytes.reserve(bytes);
        self
    }

    /// Adds a key. `expected`: how many of its database this core will have.
    pub fn push(&mut self, key: &Key<'_>, expected: Option<u64>) {
        let Key { db, head, kind, value_offset: offset, .. } = *key;
        let common = Common { db, head };
        if self.commons.last() != Some(&common) {
            if self.commons.last().is_none_or(|last| last.db != db) {
                self.expected.extend(expected.map(|keys| (db, keys)));
            }
            self.commons.push(common);
        }
        self.bytes.extend_from_slice(&key.key);
        let key_end = self.bytes.len();
        self.bytes.extend_from_slice(key.value);
        let common = (self.commons.len() - 1) as u32;
        self.records.push(Record { key_end, value_end: self.bytes.len(), offset, common, kind });
    }

    fn item(&self, index: usize) -> Option<Item<'_>> {
        let Record { key_end, value_end, offset, common, kind } = *self.records.get(index)?;
        let start = index.checked_sub(1).map_or(0, |before| self.records[before].value_end);
        let (key, value) = (&self.bytes[start..key_end], &self.bytes[key_end..value_end]);
        Some(Item { common: &self.commons[common as usize], kind, offset, key, value })
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

/// How many keys each core will have, as far as the file says so.
#[derive(Debug)]
pub struct ExpectedKeys {
    cores: u64,
    /// The database that was named last, and what of it goes to each core.
    db: u64,
    of_core: Option<u64>,
    /// By database: what has been announced.
    all: BTreeMap<u64, u64>,
}

impl ExpectedKeys {
    /// At the beginning of a file that so many cores load.
    pub fn new(cores: u16) -> Self {
        ExpectedKeys { cores: u64::from(cores), db: 0, of_core: None, all: BTreeMap::new() }
    }

    /// Takes a frame of the file.
    pub fn note(&mut self, frame: &Frame<'_>) {
        match *frame {
            Frame::SelectDb(db) => self.db = db,
            Frame::ResizeDb { keys, .. } => {
                // Each core that has saved says what was its own.
                let all = self.all.entry(self.db).or_default();
                *all = all.saturating_add(keys);
            }
            _ => return,
        }
        self.of_core = self.all.get(&self.db).map(|keys| keys.div_ceil(self.cores));
    }

    /// What each core will have of the keys that come now.
    pub fn of_core(&self) -> Option<u64> {
        self.of_core
    }
}

/// Loads the libraries of a batch, and puts its keys, all of which belong to this core, into the shard. Keys that have expired, and those
/// that have no value, are left out.
pub(crate) fn load(state: &mut CoreState, batch: &LoadBatch) -> Result<Loaded, LoadError> {
    for source in &batch.libraries {
        script::load_library(state, source, batch.replaces).map_err(LoadError::Library)?;
    }
    expect(state, batch, true);
    let loaded = load_items(state, batch);
    expect(state, batch, false);
    loaded
}

/// Tells the databases how many keys will come; or that it is no longer known, so that only loading goes by it.
fn expect(state: &mut CoreState, batch: &LoadBatch, begins: bool) {
    for &(db, keys) in &batch.expected {
        if let Some(db) = database(state, db) {
            state.keyspace.expect_keys(db, begins.then_some(keys));
        }
    }
}

fn load_items(state: &mut CoreState, batch: &LoadBatch) -> Result<Loaded, LoadError> {
    let mut loaded = Loaded::default();
    let mut hashes = HashesAhead::default();
    (0..HEADER_AHEAD).for_each(|index| hashes.fetch_header(state, batch, index));
    (0..GROUP_AHEAD).for_each(|index| hashes.fetch_group(state, batch, index));
    let mut index = 0;
    while let Some(item) = batch.item(index) {
        let hash = hashes.get(index);
        hashes.fetch_header(state, batch, index + HEADER_AHEAD);
        hashes.fetch_group(state, batch, index + GROUP_AHEAD);
        index += 1;
        if item.common.head.expire_at_ms.is_some_and(|at| at < state.now_ms) {
            loaded.expired_keys += 1;
            continue;
        }
        let Item { key, kind, offset, .. } = item;
        match load_key(state, batch, item, hash) {
            Ok(()) => loaded.keys += 1,
            Err(LoadProblem::Value(DecodeError::Empty)) => {
                state.log(LogKind::EmptyKey, || format!("Loading: skipping empty key: {}", key.escape_ascii()));
                loaded.empty_keys += 1;
            }
            Err(problem) => return Err(LoadError::Key { offset, key: key.into(), kind, problem }),
        }
    }
    Ok(loaded)
}

/// The hashes of the keys that come next, by their number in the batch.
#[derive(Default)]
struct HashesAhead([KeyHash; HEADER_AHEAD]);

impl HashesAhead {
    fn get(&self, index: usize) -> KeyHash {
        self.0[index % HEADER_AHEAD]
    }

    /// Hashes a key, and has the CPU fetch the header of its segment.
    fn fetch_header(&mut self, state: &CoreState, batch: &LoadBatch, index: usize) {
        let Some(item) = batch.item(index) else { return };
        let hash = state.keyspace.hash(item.key);
        self.0[index % HEADER_AHEAD] = hash;
        if let Some(db) = database(state, item.common.db) {
            state.keyspace.prefetch_segment(db, hash);
        }
    }

    /// Has the CPU fetch the group of a key that is hashed.
    fn fetch_group(&self, state: &CoreState, batch: &LoadBatch, index: usize) {
        let Some(item) = batch.item(index) else { return };
        if let Some(db) = database(state, item.common.db) {
            state.keyspace.prefetch_group(db, self.get(index));
        }
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
    (key, hash): (&'k [u8], KeyHash),
    now_ms: UnixMillis,
) -> Result<Vacant<'k>, LoadProblem> {
    match keyspace.entry_hashed(db, key, hash, now_ms) {
        Entry::Vacant(vacant) => Ok(vacant),
        Entry::Occupied(_) => Err(LoadProblem::Duplicate),
    }
}

fn load_key(state: &mut CoreState, batch: &LoadBatch, item: Item<'_>, hash: KeyHash) -> Result<(), LoadProblem> {
    let Item { common: &Common { db, head }, kind, key, value, .. } = item;
    let db = database(state, db).ok_or(LoadProblem::Database(db))?;
    let CoreState { keyspace, config, now_ms, .. } = state;
    if batch.replaces {
        keyspace.remove(db, key, *now_ms);
    }
    if kind == types::STRING {
        // Most values are strings: straight from the file into the key.
        let bytes = decode_string(value).map_err(LoadProblem::Value)?;
        vacant(keyspace, db, (key, hash), *now_ms)?.insert_string(&bytes, head.expire_at_ms, StringForm::Auto);
    } else {
        let value = decode_whole(value, kind, batch.version.number).map_err(LoadProblem::Value)?;
        let vacant = vacant(keyspace, db, (key, hash), *now_ms)?;
        let put = snapshot::put_new(vacant, &value, head.expire_at_ms, Layout::of_type(kind), config);
        put.map_err(|Unsupported| LoadProblem::TooLarge)?;
    }
    if (head.idle_s, head.frequency) != (None, None)
        && let Entry::Occupied(mut occupied) = keyspace.entry_hashed(db, key, hash, *now_ms)
    {
        head.idle_s.into_iter().for_each(|idle_s| occupied.set_idle_seconds(idle_s));
        head.frequency.into_iter().for_each(|frequency| occupied.set_frequency(frequency));
    }
    Ok(())
}
