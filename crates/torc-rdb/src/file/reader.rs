//! The reader of files: bytes in, frames out.
//!
//! ```text
//!                 dropped   start            at        summed
//!   file:  |--------|---------|---------------|-----------|
//!   buffer:         [ given   | the frame ... | not looked at yet ]
//! ```
//! A frame begins at `start`; up to `at` its items have been passed, and that never happens twice. Bytes before `start` are
//! dropped when more are fed and they are the larger part, so that each byte is moved a constant number of times. What a
//! module wrote is dropped as soon as it is passed.
//!
//! The buffer holds what was fed and not given out, so it grows by bytes that are there and never by a length that is stated:
//! a damaged file can ask for no more memory than it is long.

use std::collections::BTreeMap;

use super::assembly::MAGIC_BYTES;
use super::error::{Family, FileError, FileVersion, Problem};
use super::frame::{ChecksumVerdict, Frame, Key, ModuleName};
use super::opcode;
use super::skip::{Shape, Skipper, shape_of};
use super::write::KeyHead;
use crate::crc64::crc64;
use crate::error::DecodeError;
use crate::input::Input;
use crate::payload::{VERSION_VALKEY_MAX, VERSION_VALKEY_MIN};
use crate::types;

/// The newest version of Redis's files that is read.
pub const VERSION_REDIS_MAX: u16 = 15;
/// The newest version that Valkey shares with Redis; its own ones follow far above.
const VERSION_SHARED_MAX: u16 = 11;
/// The first version that ends in a checksum.
const VERSION_CHECKSUM: u16 = 5;
/// The first version in which modules keep metadata with keys.
const VERSION_KEY_METADATA: u16 = 13;
/// The first version with templates of hashes.
const VERSION_HASH_TEMPLATE: u16 = 15;
/// A module's value, which says itself where it ends.
const MODULE_2: u8 = 7;
/// A buffer that is no longer than this keeps its memory when a large value has left it.
const BUFFER_KEPT_BYTES: usize = 4 << 20;

/// What to do with data of modules.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ModulePolicy {
    /// It is an error that names the module's type.
    #[default]
    Refuse,
    /// It is passed over and counted.
    Skip,
}

/// How to read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ReadOptions {
    /// Data of modules.
    pub modules: ModulePolicy,
    /// Whether the checksum at the end is left alone, and costs nothing.
    pub ignores_checksum: bool,
}

/// A file that is being read. [`Reader::feed`] it, take frames until there is none, feed it again; at the end of the bytes
/// [`Reader::close`] it.
#[derive(Debug)]
pub struct Reader {
    options: ReadOptions,
    buffer: Vec<u8>,
    /// Bytes of the file before the buffer.
    dropped: u64,
    start: usize,
    at: usize,
    summed: usize,
    /// Of what is before `summed`; `None`: not wanted, or done.
    checksum: Option<u64>,
    verdict: ChecksumVerdict,
    version: Option<FileVersion>,
    state: State,
    skipper: Skipper,
    db: u64,
    /// Of the next key.
    head: KeyHead,
    skipped: BTreeMap<ModuleName, u64>,
    skipped_metadata: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Magic,
    /// The next byte is an opcode or a type.
    Between,
    /// The frame of the byte at `start` is being passed.
    Frame,
    /// That frame is given out, or has done its work; it goes with the next call.
    Given,
    /// What a module wrote is being dropped.
    Dropping,
    /// What follows the end mark.
    Tail,
    Done,
    Failed(FileError),
}

impl Reader {
    /// At the start of a file.
    pub fn new(options: ReadOptions) -> Self {
        Reader {
            options,
            buffer: Vec::new(),
            dropped: 0,
            start: 0,
            at: 0,
            summed: 0,
            checksum: (!options.ignores_checksum).then_some(0),
            verdict: ChecksumVerdict::Ignored,
            version: None,
            state: State::Magic,
            skipper: Skipper::default(),
            db: 0,
            head: KeyHead::default(),
            skipped: BTreeMap::new(),
            skipped_metadata: 0,
        }
    }

    /// Takes the next bytes of the file.
    pub fn feed(&mut self, bytes: &[u8]) {
        if self.start > self.buffer.len() / 2 {
            self.drop_front();
        }
        self.buffer.extend_from_slice(bytes);
        // The version is known before the first frame is asked for, which may need it.
        if matches!(self.state, State::Magic)
            && let Err(error) = self.read_magic()
        {
            self.state = State::Failed(error);
        }
    }

    /// The next frame; `None`: more bytes are needed, or, after [`Frame::End`], there is none.
    ///
    /// # Errors
    /// The file is damaged, or not supported. It then stays so.
    pub fn next_frame(&mut self) -> Result<Option<Frame<'_>>, FileError> {
        match self.advance() {
            Ok(true) => {}
            Ok(false) => return Ok(None),
            Err(error) => {
                self.state = State::Failed(error);
                return Err(error);
            }
        }
        let place = Place { db: self.db, head: self.head, offset: self.dropped + self.start as u64 };
        let opcode = self.buffer[self.start];
        if opcode::is_type(opcode) {
            self.head = KeyHead::default();
        }
        match make_frame(&self.buffer[self.start..self.at], place, self.verdict) {
            Ok(frame) => Ok(Some(frame)),
            Err(problem) => {
                let error =
                    FileError { offset: place.offset, version: self.version, problem: Problem::Damaged(problem) };
                self.state = State::Failed(error);
                Err(error)
            }
        }
    }

    /// Says that the file has no more bytes.
    ///
    /// # Errors
    /// It should have, or is damaged.
    pub fn close(&self) -> Result<(), FileError> {
        match self.state {
            State::Done => Ok(()),
            State::Failed(error) => Err(error),
            _ => Err(self.error(self.buffer.len(), Problem::Truncated)),
        }
    }

    /// The version, once the first bytes have been read.
    pub fn version(&self) -> Option<FileVersion> {
        self.version
    }

    /// How much of the file has been given out: what comes next, or cannot be read, begins at this offset.
    pub fn position(&self) -> u64 {
        let is_given = matches!(self.state, State::Given | State::Tail | State::Done);
        self.dropped + if is_given { self.at } else { self.start } as u64
    }

    /// Bytes of memory that it holds for what was fed and not given out yet.
    pub fn memory(&self) -> usize {
        self.buffer.capacity()
    }

    /// How many values and other data of each type of module have been passed over.
    pub fn skipped(&self) -> &BTreeMap<ModuleName, u64> {
        &self.skipped
    }

    /// How many keys had metadata of modules, which has been passed over.
    pub fn skipped_metadata(&self) -> u64 {
        self.skipped_metadata
    }

    /// What was fed beyond the end of the file: an append-only file may go on there.
    pub fn rest(&self) -> &[u8] {
        if self.state == State::Done { &self.buffer[self.at..] } else { &[] }
    }

    /// Goes on to the end of the next frame; whether there is one.
    fn advance(&mut self) -> Result<bool, FileError> {
        loop {
            let has_moved = match self.state {
                State::Magic => self.read_magic()?,
                State::Between => {
                    if self.pass_string_key() {
                        return Ok(true);
                    }
                    self.begin_frame()?
                }
                State::Frame => {
                    let is_whole = self.pass()?;
                    if is_whole && self.end_frame()? {
                        return Ok(true);
                    }
                    is_whole
                }
                State::Given => {
                    self.start = self.at;
                    self.state = State::Between;
                    true
                }
                State::Dropping => self.drop_module_data()?,
                State::Tail => return self.read_checksum(),
                State::Done => return Ok(false),
                State::Failed(error) => return Err(error),
            };
            if !has_moved {
                // All bytes that are there belong to the frame, so the checksum can be taken while they are warm.
                self.sum_to(self.buffer.len());
                return Ok(false);
            }
        }
    }

    fn read_magic(&mut self) -> Result<bool, FileError> {
        let Some(magic) = self.buffer.first_chunk::<MAGIC_BYTES>() else {
            return Ok(false);
        };
        let version = parse_magic(magic).ok_or_else(|| self.error(0, Problem::Magic))?;
        self.version = Some(version);
        if !is_read(version) {
            return Err(self.error(0, Problem::Version));
        }
        self.at = MAGIC_BYTES;
        self.state = State::Given;
        Ok(true)
    }

    /// Most keys are whole and have strings: passes such a one at once, without the machine that can stop anywhere. Whether
    /// it was one. What is wrong with another is found by the machine.
    #[inline]
    fn pass_string_key(&mut self) -> bool {
        let Some((&types::STRING, rest)) = self.buffer[self.at..].split_first() else { return false };
        let mut input = Input::new(rest);
        if input.skip_string().and_then(|()| input.skip_string()).is_err() {
            return false;
        }
        self.start = self.at;
        self.at = self.buffer.len() - input.rest().len();
        self.state = State::Given;
        true
    }

    /// Finds out from the first byte what is to be passed.
    fn begin_frame(&mut self) -> Result<bool, FileError> {
        let Some(&opcode) = self.buffer.get(self.at) else {
            return Ok(false);
        };
        let version = self.version.expect("the magic has been read");
        let value = frame_shapes(opcode, version).map_err(|problem| self.error(self.at, problem))?;
        self.skipper.push(value);
        if opcode::is_type(opcode) {
            self.skipper.push(&[Shape::Text]);
        }
        self.start = self.at;
        self.at += 1;
        self.state = State::Frame;
        Ok(true)
    }

    /// Passes what is there of the items before the end of the frame; whether that was all.
    fn pass(&mut self) -> Result<bool, FileError> {
        let mut input = Input::new(&self.buffer[self.at..]);
        let is_whole = self.skipper.run(&mut input);
        self.at = self.buffer.len() - input.rest().len();
        is_whole.map_err(|error| self.error(self.at, Problem::Damaged(error)))
    }

    /// Does what the frame says that has been passed; whether it is one to be given out.
    fn end_frame(&mut self) -> Result<bool, FileError> {
        self.state = State::Given;
        let (opcode, body) = self.buffer[self.start..self.at].split_first().expect("a frame has a first byte");
        let is_redis = self.version.is_some_and(|version| version.family == Family::Redis);
        let mut input = Input::new(body);
        let what = match *opcode {
            opcode::EXPIRE_MS => input.millis().map(Note::ExpireAt),
            opcode::EXPIRE_S => input.array().map(|at| Note::ExpireAt(1000 * i64::from(i32::from_le_bytes(at)))),
            opcode::IDLE => input.number().map(Note::Idle),
            opcode::FREQUENCY => input.byte().map(Note::Frequency),
            opcode::RAM_LRU => Ok(Note::Ignored),
            opcode::SELECT_DB => input.number().map(Note::Db),
            opcode::MODULE_AUX => input.number().map(Note::ModuleAux),
            MODULE_2 => input.skip_string().and_then(|()| input.number()).map(Note::ModuleKey),
            opcode::KEY_METADATA if is_redis => Ok(Note::KeyMetadata),
            opcode::EOF => Ok(Note::Eof),
            _ => Ok(Note::Nothing),
        };
        let note = what.map_err(|error| self.error(self.start, Problem::Damaged(error)))?;
        self.take_note(note)
    }

    fn take_note(&mut self, note: Note) -> Result<bool, FileError> {
        match note {
            // A key that does not expire may say so.
            Note::ExpireAt(at) => self.head.expire_at_ms = Some(at).filter(|at| *at != -1),
            Note::Idle(idle_s) => self.head.idle_s = Some(idle_s),
            Note::Frequency(frequency) => self.head.frequency = Some(frequency),
            Note::Ignored => {}
            Note::KeyMetadata => self.begin_key_metadata()?,
            Note::Eof => return self.begin_tail(),
            Note::Db(db) => {
                self.db = db;
                return Ok(true);
            }
            Note::ModuleAux(identifier) => {
                return self.begin_module(identifier, &[Shape::Number, Shape::Number, Shape::ModuleData]);
            }
            Note::ModuleKey(identifier) => return self.begin_module(identifier, &[Shape::ModuleData]),
            Note::Nothing => return Ok(true),
        }
        Ok(false)
    }

    fn begin_module(&mut self, identifier: u64, data: &'static [Shape]) -> Result<bool, FileError> {
        let name = ModuleName::of(identifier);
        if self.options.modules == ModulePolicy::Refuse {
            return Err(self.error(self.start, Problem::Module(name)));
        }
        *self.skipped.entry(name).or_default() += 1;
        self.skipper.push(data);
        self.state = State::Dropping;
        Ok(true)
    }

    fn begin_key_metadata(&mut self) -> Result<(), FileError> {
        if self.options.modules == ModulePolicy::Refuse {
            return Err(self.error(self.start, Problem::KeyMetadata));
        }
        self.skipped_metadata += 1;
        // Of each class its name and version, and what it keeps.
        self.skipper.push(&[Shape::Repeat(&[Shape::Bytes(4), Shape::ModuleData])]);
        self.state = State::Dropping;
        Ok(())
    }

    fn drop_module_data(&mut self) -> Result<bool, FileError> {
        let is_whole = self.pass()?;
        self.start = self.at;
        if is_whole {
            self.state = State::Between;
        }
        Ok(is_whole)
    }

    fn begin_tail(&mut self) -> Result<bool, FileError> {
        self.sum_to(self.at);
        let version = self.version.expect("the magic has been read");
        if version.number >= VERSION_CHECKSUM {
            self.state = State::Tail;
            return Ok(false);
        }
        self.verdict = ChecksumVerdict::Absent;
        self.state = State::Done;
        Ok(true)
    }

    fn read_checksum(&mut self) -> Result<bool, FileError> {
        let Some(stated) = self.buffer[self.at..].first_chunk() else {
            return Ok(false);
        };
        let stated = u64::from_le_bytes(*stated);
        self.verdict = match self.checksum {
            None => ChecksumVerdict::Ignored,
            Some(_) if stated == 0 => ChecksumVerdict::Off,
            Some(actual) if actual == stated => ChecksumVerdict::Fits,
            Some(actual) => return Err(self.error(self.at, Problem::Checksum { stated, actual })),
        };
        self.at += size_of::<u64>();
        self.state = State::Done;
        Ok(true)
    }

    fn sum_to(&mut self, end: usize) {
        if let Some(checksum) = &mut self.checksum
            && self.summed < end
        {
            *checksum = crc64(*checksum, &self.buffer[self.summed..end]);
            self.summed = end;
        }
    }

    /// Drops what has been given out.
    fn drop_front(&mut self) {
        self.sum_to(self.start);
        self.buffer.drain(..self.start);
        self.dropped += self.start as u64;
        self.at -= self.start;
        self.summed = self.summed.saturating_sub(self.start);
        self.start = 0;
        // A large value was here.
        if self.buffer.capacity() > BUFFER_KEPT_BYTES && self.buffer.len() < self.buffer.capacity() / 4 {
            self.buffer.shrink_to(BUFFER_KEPT_BYTES);
        }
    }

    fn error(&self, at: usize, problem: Problem) -> FileError {
        FileError { offset: self.dropped + at as u64, version: self.version, problem }
    }
}

/// What a frame says that concerns the reader itself.
enum Note {
    ExpireAt(i64),
    Idle(u64),
    Frequency(u8),
    Ignored,
    Db(u64),
    ModuleAux(u64),
    ModuleKey(u64),
    KeyMetadata,
    Eof,
    Nothing,
}

/// What a frame needs to know besides its bytes.
#[derive(Clone, Copy)]
struct Place {
    db: u64,
    head: KeyHead,
    offset: u64,
}

/// The frame of these bytes, which have been passed as a whole: only compressed strings can still be found damaged.
fn make_frame(bytes: &[u8], place: Place, verdict: ChecksumVerdict) -> Result<Frame<'_>, DecodeError> {
    let (opcode, body) = bytes.split_first().expect("a frame has a first byte");
    let mut input = Input::new(body);
    Ok(match *opcode {
        opcode::AUX => Frame::Aux { name: input.string()?, value: input.string()? },
        opcode::FUNCTION_2 => Frame::Function(input.string()?),
        opcode::SELECT_DB => Frame::SelectDb(input.number()?),
        opcode::RESIZE_DB => Frame::ResizeDb { keys: input.number()?, expires: input.number()? },
        opcode::SLOT_INFO => Frame::SlotInfo { slot: input.number()?, keys: input.number()?, expires: input.number()? },
        // Redis's meaning of this number is never given out.
        opcode::SLOT_IMPORT => Frame::SlotImport { job: input.string()?, ranges: slot_ranges(&mut input)? },
        opcode::MODULE_AUX => Frame::ModuleAux(ModuleName::of(input.number()?)),
        opcode::EOF => Frame::End(verdict),
        MODULE_2 => Frame::ModuleKey { key: input.string()?, module: ModuleName::of(input.number()?) },
        kind => {
            let key = input.string()?;
            let value = input.rest();
            let value_offset = place.offset + (bytes.len() - value.len()) as u64;
            Frame::Key(Key { db: place.db, head: place.head, key, kind, value, value_offset })
        }
    })
}

fn slot_ranges(input: &mut Input<'_>) -> Result<Vec<(u64, u64)>, DecodeError> {
    let (count, _) = input.count()?;
    (0..count).map(|_| Ok((input.number()?, input.number()?))).collect()
}

/// What follows an opcode; or, of a type, what follows the key.
fn frame_shapes(opcode: u8, version: FileVersion) -> Result<&'static [Shape], Problem> {
    use Shape::{Bytes, Number, Repeat, Text};
    let is_redis = version.family == Family::Redis;
    Ok(match opcode {
        opcode::AUX => &[Text, Text],
        opcode::FUNCTION_2 => &[Text],
        opcode::SELECT_DB | opcode::IDLE => &[Number],
        opcode::RAM_LRU if is_redis => &[Number],
        opcode::RESIZE_DB => &[Number, Number],
        opcode::EXPIRE_MS => &[Bytes(8)],
        opcode::EXPIRE_S => &[Bytes(4)],
        opcode::FREQUENCY => &[Bytes(1)],
        opcode::SLOT_INFO => &[Number, Number, Number],
        opcode::SLOT_IMPORT if !is_redis => &[Text, Repeat(&[Number, Number])],
        opcode::KEY_METADATA if is_redis && version.number >= VERSION_KEY_METADATA => &[],
        // Their type's identifier. What follows is another matter: it is dropped as it comes.
        opcode::MODULE_AUX | MODULE_2 => &[Number],
        opcode::EOF => &[],
        opcode::FUNCTION => {
            return Err(Problem::Unsupported(opcode, "functions of release candidates of Redis 7.0"));
        }
        opcode::HASH_TEMPLATE if is_redis && version.number >= VERSION_HASH_TEMPLATE => {
            return Err(Problem::Unsupported(opcode, "hashes with a template"));
        }
        opcode::RAM_LRU | opcode::HASH_TEMPLATE.. => return Err(Problem::UnknownType(opcode)),
        kind => return shape_of(kind, version),
    })
}

fn parse_magic(magic: &[u8; MAGIC_BYTES]) -> Option<FileVersion> {
    let (family, digits) = match magic {
        [b'R', b'E', b'D', b'I', b'S', digits @ ..] => (Family::Redis, &digits[..]),
        [b'V', b'A', b'L', b'K', b'E', b'Y', digits @ ..] => (Family::Valkey, &digits[..]),
        _ => return None,
    };
    let digit = |sum: u16, digit: &u8| digit.is_ascii_digit().then(|| sum * 10 + u16::from(digit - b'0'));
    Some(FileVersion { family, number: digits.iter().try_fold(0, digit)? })
}

fn is_read(version: FileVersion) -> bool {
    match (version.family, version.number) {
        (Family::Redis, number) => (1..=VERSION_REDIS_MAX).contains(&number),
        (Family::Valkey, 1..=VERSION_SHARED_MAX | VERSION_VALKEY_MIN..=VERSION_VALKEY_MAX) => true,
        (Family::Valkey, _) => false,
    }
}
