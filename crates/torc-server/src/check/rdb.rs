//! An RDB file, or the one at the front of a log: framed to its end and checksum, and each value decoded as at a load.
//!
//! ```text
//!   bytes --torc_rdb::file::Reader--> frames --> counts, lines about databases and fields of the head
//!                                     a key  --> decode_whole: a damaged value is told with its key, and the check goes on
//!                                     error  --> the file cannot be read on: told with the offset
//! ```

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use torc_rdb::file::{ChecksumVerdict, FileError, Frame, Key, ModulePolicy, ReadOptions, Reader};
use torc_rdb::{DecodeError, Value, decode_whole};

use super::report::{Report, shown};
use super::request::Mode;
use super::source::Source;
use super::{Checked, NotValid, log};

/// Lines about parts of a file; whatever a file has more of is only counted.
const LINES_MAX: usize = 100;
/// So much of a key is noted, in case that the next one cannot be read.
const KEY_BYTES_NOTED: usize = 200;
/// Damaged values that are told.
const MISTAKES_TOLD_MAX: u64 = 10;

/// Checks a file as redis-check-rdb does: what stands behind the end of the RDB file is left alone.
pub fn check_alone(path: &Path, name: &str, report: &mut Report) -> Checked {
    let mut source = Source::open(path, name, report)?;
    let rest = check_front(&mut source, name, report)?;
    let more = source.bytes - source.at + rest.len() as u64;
    if more > 0 {
        report.line(format_args!("[info] {more} bytes follow, as in an append-only file: they were not checked"));
    }
    Ok(())
}

/// Checks a file that may go on as a log behind its RDB file.
pub fn check_or_log(path: &Path, name: &str, mode: Mode, report: &mut Report) -> Checked {
    let mut source = Source::open(path, name, report)?;
    let Ok(rest) = check_front(&mut source, name, report) else {
        if mode != Mode::Look {
            report.line(format_args!("RDB file {name} is left as it is: only the end of a log can be cut off"));
        }
        return Err(NotValid);
    };
    if rest.is_empty() && source.at == source.bytes {
        return Ok(());
    }
    let part = log::Part { path, name, role: "AOF", is_last: true, mode };
    log::check_behind_rdb(&part, source, &rest, report)
}

/// Checks the RDB file at the front; gives what has been read of what follows it.
pub fn check_front(source: &mut Source, name: &str, report: &mut Report) -> Checked<Vec<u8>> {
    report.line(format_args!("[offset 0] Checking RDB file {name}"));
    report.progress.begin(name, source.bytes);
    let mut reader = Reader::new(ReadOptions { modules: ModulePolicy::Skip, ..ReadOptions::default() });
    let mut survey = Survey::new(name);
    let failure = loop {
        let chunk = source.read(report)?;
        let is_over = chunk.is_empty();
        reader.feed(chunk);
        match survey.take_frames(&mut reader, report) {
            Ok(true) => break None,
            Ok(false) if is_over => break reader.close().err(),
            Ok(false) => {}
            Err(error) => break Some(error),
        }
    };
    if let Some(error) = failure {
        survey.tell_failure(&error, reader.position(), report);
    } else if survey.mistakes == 0 {
        report.line(format_args!("[offset {}] \\o/ RDB looks OK! \\o/", reader.position()));
    }
    survey.tell_counts(&reader, report);
    if survey.mistakes > 0 { Err(NotValid) } else { Ok(reader.rest().to_vec()) }
}

/// What has been found so far.
struct Survey<'n> {
    name: &'n str,
    now_ms: i64,
    keys: u64,
    expires: u64,
    expired: u64,
    /// Hashes with fields that expire.
    subexpires: u64,
    /// Keys with a collection that has no elements.
    empty: u64,
    libraries: u64,
    /// Databases that have been told of.
    databases: BTreeSet<u64>,
    lines: usize,
    /// What makes the file one that is not loaded.
    mistakes: u64,
    /// The front of the last key that was whole.
    last_key: Vec<u8>,
}

impl<'n> Survey<'n> {
    fn new(name: &'n str) -> Survey<'n> {
        let now_ms = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64);
        Survey {
            name,
            now_ms,
            keys: 0,
            expires: 0,
            expired: 0,
            subexpires: 0,
            empty: 0,
            libraries: 0,
            databases: BTreeSet::new(),
            lines: 0,
            mistakes: 0,
            last_key: Vec::new(),
        }
    }

    /// Takes all frames that are there; whether that was the end of the file.
    fn take_frames(&mut self, reader: &mut Reader, report: &mut Report) -> Result<bool, FileError> {
        loop {
            let version = reader.version().map_or(0, |version| version.number);
            let Some(frame) = reader.next_frame()? else { return Ok(false) };
            let (text, is_end) = match frame {
                Frame::Key(key) => {
                    if let Some(mistake) = self.take_key(&key, version) {
                        self.tell_mistake(key.value_offset, &format!("key '{}': {mistake}", shown(&key.key)), report);
                    }
                    continue;
                }
                Frame::ModuleKey { key, .. } => {
                    self.note_key(&key);
                    continue;
                }
                Frame::Function(_) => {
                    self.libraries += 1;
                    continue;
                }
                Frame::ResizeDb { .. } | Frame::SlotInfo { .. } => continue,
                // Files of several cores name databases again and again.
                Frame::SelectDb(db) if self.lines >= LINES_MAX || !self.databases.insert(db) => continue,
                Frame::SelectDb(db) => (format!("Selecting DB ID {db}"), false),
                Frame::Aux { name, value } => (format!("AUX FIELD {} = '{}'", shown(&name), shown(&value)), false),
                Frame::SlotImport { job, .. } => (format!("SLOT IMPORT {}", shown(&job)), false),
                Frame::ModuleAux(module) => (format!("MODULE AUX for: {module}"), false),
                Frame::End(verdict) => (checksum_text(verdict).to_owned(), true),
            };
            if is_end || self.lines < LINES_MAX {
                self.lines += 1;
                report.line(format_args!("[offset {}] {text}", reader.position()));
            }
            if is_end {
                return Ok(true);
            }
        }
    }

    /// Counts a key; gives what is wrong with its value.
    fn take_key(&mut self, key: &Key<'_>, version: u16) -> Option<DecodeError> {
        self.note_key(&key.key);
        if let Some(at_ms) = key.head.expire_at_ms {
            self.expires += 1;
            self.expired += u64::from(at_ms < self.now_ms);
        }
        match decode_whole(key.value, key.kind, version) {
            Ok(Value::Hash(fields)) if fields.iter().any(|field| field.expire_at.is_some()) => {
                self.subexpires += 1;
                None
            }
            Ok(_) => None,
            // A server passes over such a key, and counts it.
            Err(DecodeError::Empty) => {
                self.empty += 1;
                None
            }
            Err(mistake) => Some(mistake),
        }
    }

    fn note_key(&mut self, key: &[u8]) {
        self.keys += 1;
        self.last_key.clear();
        self.last_key.extend_from_slice(&key[..key.len().min(KEY_BYTES_NOTED)]);
    }

    /// The value at this offset is not what it should be.
    fn tell_mistake(&mut self, offset: u64, what: &str, report: &mut Report) {
        self.count_mistake(report);
        if self.mistakes <= MISTAKES_TOLD_MAX {
            report.line(format_args!("[offset {offset}] RDB file {}: {what}", self.name));
        }
    }

    fn count_mistake(&mut self, report: &mut Report) {
        if self.mistakes == 0 {
            report.line(format_args!("--- RDB ERROR DETECTED ---"));
        }
        self.mistakes += 1;
    }

    /// The file cannot be read on; `begins_at`: where the part begins in which that was found.
    fn tell_failure(&mut self, error: &FileError, begins_at: u64, report: &mut Report) {
        self.count_mistake(report);
        let version = error.version.map_or_else(String::new, |version| format!(" (RDB {version})"));
        let (offset, problem) = (error.offset, error.problem);
        report.line(format_args!("[offset {offset}] RDB file {}: {problem}{version}", self.name));
        let behind = match self.keys {
            0 => "before any key".to_owned(),
            _ => format!("behind the key '{}'", shown(&self.last_key)),
        };
        report.line(format_args!("[additional info] In what begins at offset {begins_at}, {behind}"));
    }

    fn tell_counts(&self, reader: &Reader, report: &mut Report) {
        if self.mistakes > MISTAKES_TOLD_MAX {
            report
                .line(format_args!("[info] {} errors, of which the first {MISTAKES_TOLD_MAX} are told", self.mistakes));
        }
        report.line(format_args!("[info] {} keys read", self.keys));
        report.line(format_args!("[info] {} expires", self.expires));
        report.line(format_args!("[info] {} already expired", self.expired));
        if self.subexpires > 0 {
            report.line(format_args!("[info] {} subexpires", self.subexpires));
        }
        if self.empty > 0 {
            report.line(format_args!("[info] {} keys without a value, which a server passes over", self.empty));
        }
        if self.libraries > 0 {
            report.line(format_args!("[info] {} libraries of functions", self.libraries));
        }
        for (module, count) in reader.skipped() {
            report
                .line(format_args!("[info] {count} values of the module type {module}: torc does not load this file"));
        }
        if reader.skipped_metadata() > 0 {
            let count = reader.skipped_metadata();
            report.line(format_args!("[info] {count} keys with metadata of modules: torc does not load this file"));
        }
    }
}

fn checksum_text(verdict: ChecksumVerdict) -> &'static str {
    match verdict {
        ChecksumVerdict::Fits => "Checksum OK",
        ChecksumVerdict::Off => "RDB file was saved with checksum disabled: no check performed.",
        ChecksumVerdict::Absent => "Files of this version have no checksum",
        ChecksumVerdict::Ignored => "The checksum was not looked at",
    }
}
