//! From the keys of a shard to its part of a file, while they are saved ([`Keyspace::begin_saving`](torc_store::Keyspace)).
//!
//! ```text
//!   ValueRef --FileSink::save--> [database] [expiry, use] type key value --take_part--> the host, which puts the parts of all cores
//!                                                                                        one behind another
//! ```
//! Each part says which database its keys belong to, so the parts may stand in any order, if [`PartOrder`] lets the pieces of big values
//! follow each other:
//!
//! ```text
//!   begin 1, begin 2        add 1   add 2   save k   add 1   end 1
//!   part (in progress: 1)   1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 | k | 2 2 2 2 ...
//!   aside (whole keys)                      k                   ^
//!   buffer of 2             2       2 ------------------------------^
//! ```

mod commands;
mod stream;

use std::collections::{BTreeMap, VecDeque};

use torc_rdb::file::{self, KeyHead, VersionRule, VersionTooLow};
use torc_rdb::{EncodeOptions, Encoder, HashPieces, ListPieces, SetPieces, SortedSetPieces, StringPieces, Thresholds};
use torc_store::{Content, KeySink, Kind, Object, Piece, StreamOrder, StreamPiece, UnixMillis, ValueRef};

use commands::{CommandPieces, StreamCommands};
use stream::StreamRest;

use crate::config::{Config, MaxmemoryPolicy};
use crate::snapshot::{self, Layout};

/// What keys are written as.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum SaveForm {
    /// As in an RDB file.
    #[default]
    Rdb,
    /// The commands that make them.
    Commands,
}

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
        let uses = match config.eviction.policy {
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
    /// What follows in the file, whole records unless `continues` says otherwise.
    pub bytes: Vec<u8>,
    /// The version that the file must have for what was written so far; 0: any.
    pub version: u16,
    /// Keys in it.
    pub keys: u64,
    /// A value that the version of the file cannot hold, which ends the saving.
    pub problem: Option<VersionTooLow>,
    /// It ends in the middle of a value, and what follows in the file must be the next part of the same core.
    pub continues: bool,
}

/// Puts the parts of all cores into an order in which the pieces of each value follow each other: the parts of others wait until a value is
/// through. They are as many as cores may have out. The file begins with the first core's part, which has what is no core's own: libraries.
#[derive(Debug)]
pub struct PartOrder<T> {
    /// The core whose part must come next: the file is in a value of it, or has not begun.
    within: Option<usize>,
    waiting: VecDeque<(usize, Part, T)>,
}

impl<T> Default for PartOrder<T> {
    fn default() -> Self {
        PartOrder { within: Some(0), waiting: VecDeque::new() }
    }
}

impl<T> PartOrder<T> {
    /// The next part of a core, and what goes with it. The last one of a core continues nothing.
    pub fn push(&mut self, core: usize, part: Part, with: T) {
        self.waiting.push_back((core, part, with));
    }

    /// The next part of the file, if it has come.
    pub fn pop(&mut self) -> Option<(usize, Part, T)> {
        let is_next = |&(core, ..): &(usize, Part, T)| self.within.is_none_or(|within| core == within);
        let at = self.waiting.iter().position(is_next)?;
        let (core, part, with) = self.waiting.remove(at)?;
        self.within = part.continues.then_some(core);
        Some((core, part, with))
    }

    /// Whether no part waits.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }
}

/// A value that has begun.
#[derive(Debug)]
struct BegunValue {
    pieces: Pieces,
    /// What was written of it, unless it is in progress.
    bytes: Vec<u8>,
}

impl BegunValue {
    fn held(&self) -> usize {
        self.bytes.len() + self.pieces.held()
    }
}

/// The rest of a value.
#[derive(Debug)]
enum Pieces {
    List(ListPieces),
    Set(SetPieces),
    SortedSet(SortedSetPieces),
    /// With a time before which no field expires that is left, if any expires.
    Hash(HashPieces, Option<UnixMillis>),
    String(StringPieces),
    Stream(StreamRest),
    Commands(CommandPieces),
    StreamCommands(StreamCommands),
}

impl Pieces {
    fn begin(value: ValueRef<'_>, len: usize, now_ms: UnixMillis, encoder: &mut Encoder<'_>) -> Self {
        let pieces = len as u64;
        match value.kind() {
            Kind::List => Pieces::List(encoder.begin_list(pieces)),
            Kind::Set => Pieces::Set(encoder.begin_set(pieces)),
            Kind::SortedSet => Pieces::SortedSet(encoder.begin_sorted_set(pieces)),
            Kind::Hash => {
                let Content::Object(Object::Hash(hash)) = value.content() else {
                    unreachable!("a big hash is a table")
                };
                let earliest = hash.has_expiries().then_some(now_ms - 1);
                Pieces::Hash(encoder.begin_hash(pieces, earliest), earliest)
            }
            Kind::String => Pieces::String(encoder.begin_string(pieces)),
            Kind::Stream => {
                let stream = value.as_stream().expect("the kind says so");
                Pieces::Stream(StreamRest::begin(encoder, stream, pieces))
            }
        }
    }

    /// As commands.
    fn begin_commands(value: ValueRef<'_>, len: usize, out: &mut Vec<u8>) -> Self {
        match value.as_stream() {
            Some(stream) => Pieces::StreamCommands(StreamCommands::begin(value, stream)),
            None => Pieces::Commands(CommandPieces::begin(out, value, len)),
        }
    }

    /// In which order a stream is to come.
    fn order(&self) -> StreamOrder {
        if let Pieces::StreamCommands(commands) = self { commands.order() } else { StreamOrder::NodesFirst }
    }

    /// Bytes that it has and that are not written yet, if those may be many.
    fn held(&self) -> usize {
        if let Pieces::StreamCommands(commands) = self { commands.held() } else { 0 }
    }

    /// Before the first node of a stream, or its end: what it has, behind what is appended to `out`.
    fn take_collected(&mut self, out: &mut Vec<u8>) -> Vec<Vec<u8>> {
        if let Pieces::StreamCommands(commands) = self { commands.take_payload(out) } else { Vec::new() }
    }

    fn add(&mut self, out: &mut Vec<u8>, piece: Piece<'_>) {
        match (self, piece) {
            (Pieces::StreamCommands(commands), Piece::Stream(piece)) => commands.add(out, piece),
            (Pieces::Stream(stream), Piece::Stream(piece)) => stream.add(out, piece),
            (Pieces::Commands(commands), piece) => commands.add(out, piece),
            (Pieces::List(list), Piece::Text(element)) => element.with_bytes(|element| list.add(out, element)),
            (Pieces::Set(set), Piece::Text(member)) => member.with_bytes(|member| set.add(out, member)),
            (Pieces::SortedSet(set), Piece::Scored(member, score)) => set.add(out, member, score),
            (Pieces::Hash(hash, earliest), Piece::Field(name, value, expire_at)) => {
                // A field that expired long before the cut still has when it is loaded.
                hash.add(out, name, value, expire_at.map(|at| at.max(earliest.unwrap_or(at))));
            }
            (Pieces::String(string), Piece::Bytes(bytes)) => string.add(out, bytes),
            (pieces, piece) => unreachable!("{piece:?} is no piece of {pieces:?}"),
        }
    }

    fn finish(self, out: &mut Vec<u8>) {
        match self {
            Pieces::Commands(commands) => commands.finish(out),
            Pieces::StreamCommands(commands) => commands.finish(out),
            Pieces::Stream(mut stream) => {
                stream.end(out);
                stream.finish();
            }
            Pieces::List(list) => list.finish(),
            Pieces::Set(set) => set.finish(),
            Pieces::SortedSet(set) => set.finish(),
            Pieces::Hash(hash, _) => hash.finish(),
            Pieces::String(string) => string.finish(),
        }
    }
}

/// Keys, one behind another.
#[derive(Debug, Default)]
struct Keys {
    bytes: Vec<u8>,
    /// The database that was named last.
    db: Option<u16>,
    count: u64,
    /// They end in the middle of a value, which goes on behind them.
    continues: bool,
}

impl Keys {
    /// Names the database, unless it was the last one named. Whether it did.
    fn select(&mut self, form: SaveForm, db: u16) -> bool {
        if self.db == Some(db) {
            return false;
        }
        self.db = Some(db);
        match form {
            SaveForm::Rdb => file::select_db(&mut self.bytes, db.into()),
            SaveForm::Commands => commands::select(&mut self.bytes, db),
        }
        true
    }

    /// Names the database of what follows, the first time with how many keys it has.
    fn select_and_announce(&mut self, db: u16, announced: &mut BTreeMap<u16, KeysOfDb>) {
        if self.select(SaveForm::Rdb, db)
            && let Some(KeysOfDb { keys, expires }) = announced.remove(&db)
        {
            file::write_resize_db(&mut self.bytes, keys, expires);
        }
    }
}

/// How many keys a database has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct KeysOfDb {
    pub keys: u64,
    pub expires: u64,
}

/// Writes keys into the parts of a file.
#[derive(Debug)]
pub(crate) struct FileSink {
    form: SaveForm,
    options: SaveOptions,
    config: Config,
    now_ms: UnixMillis,
    version: u16,
    problem: Option<VersionTooLow>,
    /// By database: what this core has of it, until that is written, for whoever loads the file.
    announced: BTreeMap<u16, KeysOfDb>,
    /// What stands in the file before `tail`.
    whole: VecDeque<Keys>,
    /// Keys, and then what is written of the value in progress.
    tail: Keys,
    /// Keys that were saved while a value is in progress.
    aside: Keys,
    /// Values that have begun; the first is in progress.
    begun: BTreeMap<u64, BegunValue>,
    /// Bytes of `whole`, and of what values hold that have begun.
    whole_bytes: usize,
    begun_bytes: usize,
}

/// Chooses where something is written.
type KeysOf = fn(&mut FileSink) -> &mut Keys;

/// Keys that were set aside get a part of their own if they are so many bytes, instead of being copied.
const COPIED_BYTES_MAX: usize = 16 << 10;

impl FileSink {
    /// Without a key.
    pub fn new(config: &Config, form: SaveForm, announced: BTreeMap<u16, KeysOfDb>, now_ms: UnixMillis) -> Self {
        FileSink {
            form,
            options: SaveOptions::of(config),
            config: config.clone(),
            now_ms,
            version: 0,
            problem: None,
            announced,
            whole: VecDeque::new(),
            tail: Keys::default(),
            aside: Keys::default(),
            begun: BTreeMap::new(),
            whole_bytes: 0,
            begun_bytes: 0,
        }
    }

    /// Writes libraries of functions, with these texts, before all keys. Only the first core does, whose first part begins the file.
    pub fn write_libraries<'s>(&mut self, sources: impl Iterator<Item = &'s [u8]>) {
        for source in sources {
            match self.form {
                SaveForm::Commands => commands::load_library(&mut self.tail.bytes, source),
                SaveForm::Rdb => {
                    self.problem = self.problem.or(self.options.rule.check_functions().err());
                    file::write_function(&mut self.tail.bytes, source, self.options.compress);
                }
            }
        }
    }

    /// Takes the next part of what was written, and goes on in `memory`.
    pub fn take_part(&mut self, mut memory: Vec<u8>) -> Part {
        memory.clear();
        let Keys { bytes, count: keys, continues, .. } = match self.whole.pop_front() {
            Some(keys) => {
                self.whole_bytes -= keys.bytes.len();
                keys
            }
            None => {
                let tail = std::mem::replace(&mut self.tail, Keys { bytes: memory, ..Keys::default() });
                Keys { continues: !self.begun.is_empty(), ..tail }
            }
        };
        Part { bytes, version: self.version, keys, problem: self.problem, continues }
    }

    /// Whether all that was written is one part.
    pub fn is_one_part(&self) -> bool {
        self.whole.is_empty()
    }

    /// Writes the beginning of a value to `keys`.
    fn begin_value(&mut self, keys: KeysOf, db: u16, value: ValueRef<'_>, len: usize) -> Option<Pieces> {
        if self.form == SaveForm::Commands {
            let form = self.form;
            let keys = keys(self);
            keys.select(form, db);
            keys.count += 1;
            return Some(Pieces::begin_commands(value, len, &mut keys.bytes));
        }
        let now_ms = self.now_ms;
        self.write_key(keys, db, value, |encoder| Pieces::begin(value, len, now_ms, encoder))
    }

    /// Writes a key as commands.
    fn write_commands(&mut self, db: u16, value: ValueRef<'_>) {
        let (form, now_ms) = (self.form, self.now_ms);
        let config = std::mem::take(&mut self.config);
        let keys = self.keys();
        keys.select(form, db);
        keys.count += 1;
        commands::write(&mut keys.bytes, value, now_ms, &config);
        self.config = config;
    }

    /// Writes a key and what `write` makes of its value to `keys`.
    fn write_key<R>(
        &mut self,
        keys: KeysOf,
        db: u16,
        value: ValueRef<'_>,
        write: impl FnOnce(&mut Encoder<'_>) -> R,
    ) -> Option<R> {
        let head = self.head_of(value);
        let SaveOptions { rule, compress, .. } = self.options;
        let options = EncodeOptions { version: rule.aimed(), compress, thresholds: self.thresholds(value) };
        let mut announced = std::mem::take(&mut self.announced);
        keys(self).select_and_announce(db, &mut announced);
        self.announced = announced;
        let keys = keys(self);
        match file::write_key(&mut keys.bytes, value.key(), &head, &options, rule, write) {
            Ok((result, version)) => {
                keys.count += 1;
                self.version = self.version.max(version);
                Some(result)
            }
            Err(problem) => {
                self.problem = Some(problem);
                None
            }
        }
    }

    /// Where a whole key goes.
    fn keys(&mut self) -> &mut Keys {
        if self.begun.is_empty() { &mut self.tail } else { &mut self.aside }
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

    /// The value in progress has ended: what waited for it follows, and then the value that is in progress now.
    fn follow_up(&mut self) {
        let aside = std::mem::take(&mut self.aside);
        if aside.bytes.len() <= COPIED_BYTES_MAX {
            self.tail.bytes.extend_from_slice(&aside.bytes);
            self.tail.count += aside.count;
        } else {
            self.end_tail(false);
            self.tail = aside;
        }
        // It may be any database that was named last.
        self.tail.db = None;
        if let Some(next) = self.begun.values_mut().next() {
            let bytes = std::mem::take(&mut next.bytes);
            self.begun_bytes -= bytes.len();
            self.end_tail(false);
            self.tail = Keys { bytes, count: 1, ..Keys::default() };
        }
    }

    /// What comes now is another part.
    fn end_tail(&mut self, continues: bool) {
        let tail = Keys { continues, ..std::mem::take(&mut self.tail) };
        self.whole_bytes += tail.bytes.len();
        self.whole.push_back(tail);
    }

    /// What a value has collected comes before its next piece: of the one in progress as parts of the file, without a copy.
    fn put_collected(&mut self, number: u64) {
        let is_in_progress = self.begun.keys().next() == Some(&number);
        let Some(value) = self.begun.get_mut(&number) else { return };
        let before = value.held();
        let out = if is_in_progress { &mut self.tail.bytes } else { &mut value.bytes };
        let pieces = value.pieces.take_collected(out);
        if !is_in_progress {
            pieces.iter().for_each(|piece| value.bytes.extend_from_slice(piece));
        }
        self.begun_bytes = self.begun_bytes + value.held() - before;
        for bytes in pieces.into_iter().filter(|_| is_in_progress) {
            self.end_tail(true);
            self.tail.bytes = bytes;
        }
    }
}

impl KeySink for FileSink {
    fn save(&mut self, db: u16, value: ValueRef<'_>) {
        if self.problem.is_some() || snapshot::has_expired(value, self.now_ms) {
            return;
        }
        if self.form == SaveForm::Commands {
            return self.write_commands(db, value);
        }
        let now_ms = self.now_ms;
        self.write_key(FileSink::keys, db, value, |encoder| snapshot::write(value, now_ms, encoder));
    }

    fn begin(&mut self, number: u64, db: u16, value: ValueRef<'_>, len: usize) -> StreamOrder {
        if self.problem.is_some() {
            return StreamOrder::NodesFirst;
        }
        let (pieces, bytes) = if self.begun.is_empty() {
            (self.begin_value(|sink| &mut sink.tail, db, value, len), Vec::new())
        } else {
            let aside = std::mem::take(&mut self.aside);
            let pieces = self.begin_value(|sink| &mut sink.aside, db, value, len);
            (pieces, std::mem::replace(&mut self.aside, aside).bytes)
        };
        self.begun_bytes += bytes.len();
        let order = pieces.as_ref().map_or(StreamOrder::NodesFirst, Pieces::order);
        if let Some(pieces) = pieces {
            self.begun_bytes += pieces.held();
            self.begun.insert(number, BegunValue { pieces, bytes });
        }
        order
    }

    fn add(&mut self, number: u64, piece: Piece<'_>) {
        if let Piece::Stream(StreamPiece::Node(_)) = piece {
            self.put_collected(number);
        }
        let is_in_progress = self.begun.keys().next() == Some(&number);
        // It is not there after a problem.
        let Some(value) = self.begun.get_mut(&number) else { return };
        let before = value.held();
        let out = if is_in_progress { &mut self.tail.bytes } else { &mut value.bytes };
        value.pieces.add(out, piece);
        self.begun_bytes = self.begun_bytes + value.held() - before;
    }

    fn end(&mut self, number: u64) {
        self.put_collected(number);
        let was_in_progress = self.begun.keys().next() == Some(&number);
        let Some(mut value) = self.begun.remove(&number) else { return };
        self.begun_bytes -= value.held();
        if was_in_progress {
            value.pieces.finish(&mut self.tail.bytes);
            return self.follow_up();
        }
        value.pieces.finish(&mut value.bytes);
        self.aside.bytes.extend(value.bytes);
        self.aside.count += 1;
        self.aside.db = None;
    }

    fn written(&self) -> usize {
        self.whole_bytes + self.tail.bytes.len()
    }

    fn held(&self) -> usize {
        self.written() + self.aside.bytes.len() + self.begun_bytes
    }
}
