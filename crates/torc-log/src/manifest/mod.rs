//! The manifest: which files make the state, and in which order they are loaded.
//!
//! ```text
//!   file appendonly.aof.2.base.rdb seq 2 type b      the base, loaded first; at most one
//!   file appendonly.aof.1.base.rdb seq 1 type h      history: counts for nothing, and is to be deleted
//!   file appendonly.aof.3.incr.aof seq 3 type i      increments, by rising number
//!   file appendonly.aof.4.incr.aof seq 4 type i      the last one is appended to
//! ```
//! The format is Redis 7's (`aof.c`); so are its rules and the texts of its errors. Pairs that nobody here knows
//! (`startoffset` and `endoffset` of Redis 8) are kept and written again.
//!
//! **History is a list of what is to be deleted.** Redis puts a file there when it has been replaced. Here a new base
//! stands there already before it is created, so that a crash at any time leaves no file that no manifest names.

mod words;

use std::fmt;
use std::sync::Arc;

use crate::names::{BaseFormat, Names};

/// A line is no longer than this, its end included.
const LINE_BYTES_MAX: usize = 1024;
const KEY_FILE: &[u8] = b"file";
const KEY_SEQ: &[u8] = b"seq";
const KEY_TYPE: &[u8] = b"type";
/// Redis 8 writes it when it closes an increment: it is wrong as soon as something is appended.
const KEY_END_OFFSET: &[u8] = b"endoffset";

/// What a file is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Base,
    History,
    Increment,
}

impl Kind {
    fn letter(self) -> u8 {
        match self {
            Kind::Base => b'b',
            Kind::History => b'h',
            Kind::Increment => b'i',
        }
    }
}

/// One line: a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogFile {
    /// Its name, in the directory of the manifest.
    pub file: Arc<str>,
    /// Its number among bases, or among increments.
    pub seq: u64,
    /// Pairs that are kept as they were.
    extra: Vec<(Vec<u8>, Vec<u8>)>,
}

impl LogFile {
    fn new(file: String, seq: u64) -> LogFile {
        LogFile { file: file.into(), seq, extra: Vec::new() }
    }

    fn put(&self, out: &mut Vec<u8>, kind: Kind) {
        let start = out.len();
        let seq = self.seq.to_string();
        let letter = [kind.letter()];
        let known = [(KEY_FILE, self.file.as_bytes()), (KEY_SEQ, seq.as_bytes()), (KEY_TYPE, &letter[..])];
        let extra = self.extra.iter().map(|(key, value)| (&key[..], &value[..]));
        for (key, value) in known.into_iter().chain(extra) {
            for word in [key, value] {
                words::put_word(out, word);
                out.push(b' ');
            }
        }
        *out.last_mut().expect("a line has words") = b'\n';
        debug_assert!(out.len() - start <= LINE_BYTES_MAX, "a line that was read fits again");
    }
}

/// Why a manifest cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManifestError {
    /// On which line, from 1; 0: there is none.
    pub line: usize,
    /// The line as it stands, without its end.
    pub text: String,
    /// Redis' words for what is wrong.
    pub what: &'static str,
}

impl fmt::Display for ManifestError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => formatter.write_str(self.what),
            line => write!(formatter, "reading the manifest file, at line {line}: '{}': {}", self.text, self.what),
        }
    }
}

impl std::error::Error for ManifestError {}

/// The files of a log.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Manifest {
    base: Option<LogFile>,
    history: Vec<LogFile>,
    increments: Vec<LogFile>,
}

impl Manifest {
    /// Reads a manifest file.
    ///
    /// # Errors
    /// It breaks one of Redis' rules: empty; an empty line, or one of over 1,024 bytes or without an end; not pairs of
    /// words, or fewer than three; no name, number or type; a name that is a path; a second base; increments whose
    /// numbers do not rise; an unknown type.
    pub fn parse(bytes: &[u8]) -> Result<Manifest, ManifestError> {
        let mut manifest = Manifest::default();
        let mut number = 0;
        let mut rest = bytes;
        while !rest.is_empty() {
            // As fgets reads: a line that is too long is read in pieces, and each is judged as a line.
            let piece = &rest[..rest.len().min(LINE_BYTES_MAX)];
            let end = piece.iter().position(|byte| *byte == b'\n').map_or(piece.len(), |at| at + 1);
            let (line, after) = rest.split_at(end);
            (rest, number) = (after, number + 1);
            manifest.add_line(line).map_err(|what| {
                let text = String::from_utf8_lossy(line.trim_ascii()).into_owned();
                ManifestError { line: number, text, what }
            })?;
        }
        match number {
            0 => Err(ManifestError { line: 0, text: String::new(), what: "Found an empty AOF manifest" }),
            _ => Ok(manifest),
        }
    }

    /// The bytes of the file.
    pub fn render(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.base.iter().for_each(|listed| listed.put(&mut out, Kind::Base));
        self.history.iter().for_each(|listed| listed.put(&mut out, Kind::History));
        self.increments.iter().for_each(|listed| listed.put(&mut out, Kind::Increment));
        if out.is_empty() {
            // A manifest without a line is an error to whoever reads it; a comment is not.
            out.extend_from_slice(b"# no files\n");
        }
        out
    }

    /// The base.
    pub fn base(&self) -> Option<&LogFile> {
        self.base.as_ref()
    }

    /// The increments in the order in which they are loaded.
    pub fn increments(&self) -> &[LogFile] {
        &self.increments
    }

    /// Files that may be deleted.
    pub fn history(&self) -> &[LogFile] {
        &self.history
    }

    /// The files that make the state, in the order in which they are loaded.
    pub fn loaded(&self) -> impl Iterator<Item = &LogFile> {
        self.base.iter().chain(&self.increments)
    }

    /// Whether it names this file.
    pub fn names(&self, file: &str) -> bool {
        self.loaded().chain(&self.history).any(|listed| &*listed.file == file)
    }

    /// The number of the next increment, if all up to `taken` are taken.
    pub fn increment_seq_next(&self, taken: u64) -> u64 {
        self.increments.last().map_or(0, |last| last.seq).max(taken) + 1
    }

    /// The number of the next base, if all up to `taken` are taken.
    pub fn base_seq_next(&self, taken: u64) -> u64 {
        self.base.as_ref().map_or(0, |base| base.seq).max(taken) + 1
    }

    /// The first number from `seq` on whose file is not in the history, which is to stay as it is.
    pub fn seq_beside_history(&self, seq: u64, file: impl Fn(u64) -> String) -> u64 {
        let is_free = |seq: &u64| !self.history.iter().any(|listed| *listed.file == *file(*seq));
        (seq..).find(is_free).expect("the history is finite")
    }

    /// The same with another increment at the end.
    #[must_use]
    pub fn with_increment(mut self, names: &Names, seq: u64) -> Manifest {
        assert!(self.increments.last().is_none_or(|last| last.seq < seq), "numbers of increments rise");
        let listed = LogFile::new(names.increment(seq), seq);
        // A file under this name that could not be deleted is made anew.
        self.history.retain(|known| known.file != listed.file);
        self.increments.push(listed);
        self
    }

    /// The same with a base that is about to be made: among the files to be deleted, until it is whole.
    #[must_use]
    pub fn with_planned_base(self, names: &Names, seq: u64, format: BaseFormat) -> Manifest {
        self.with_history(LogFile::new(names.base(seq, format), seq))
    }

    /// The same with an increment that does not count yet.
    #[must_use]
    pub fn with_planned_increment(self, names: &Names, seq: u64) -> Manifest {
        self.with_history(LogFile::new(names.increment(seq), seq))
    }

    /// The same with this base, and no increment below `first`; what they replace becomes history.
    #[must_use]
    pub fn with_base(self, names: &Names, seq: u64, format: BaseFormat, first: u64) -> Manifest {
        let mut manifest = self.with_base_before(names, seq, format, first);
        if manifest.increments.is_empty() {
            let increment = LogFile::new(names.increment(first), first);
            manifest.history.retain(|listed| listed.file != increment.file);
            manifest.increments.push(increment);
        }
        manifest
    }

    /// The same with this base and no increment; what it replaces becomes history.
    #[must_use]
    pub fn with_base_alone(self, names: &Names, seq: u64, format: BaseFormat) -> Manifest {
        self.with_base_before(names, seq, format, u64::MAX)
    }

    /// The history has what was replaced last in front, as Redis has it.
    fn with_base_before(mut self, names: &Names, seq: u64, format: BaseFormat, first: u64) -> Manifest {
        let base = LogFile::new(names.base(seq, format), seq);
        let (increments, replaced): (Vec<_>, Vec<_>) =
            self.increments.into_iter().partition(|listed| listed.seq >= first);
        let is_still_history = |listed: &LogFile| listed.file != base.file;
        let older = self.history.into_iter().filter(is_still_history);
        self.history = replaced.into_iter().chain(self.base).chain(older).collect();
        self.history.iter_mut().for_each(|listed| listed.extra.clear());
        (self.base, self.increments) = (Some(base), increments);
        self
    }

    /// The same without these files of its history.
    #[must_use]
    pub fn without_history(mut self, is_gone: impl Fn(&str) -> bool) -> Manifest {
        self.history.retain(|listed| !is_gone(&listed.file));
        self
    }

    /// The same as it must be while the last increment is appended to: where it ended says nothing any more.
    #[must_use]
    pub fn reopened(mut self) -> Manifest {
        if let Some(last) = self.increments.last_mut() {
            last.extra.retain(|(key, _)| !key.eq_ignore_ascii_case(KEY_END_OFFSET));
        }
        self
    }

    /// The manifest of a log whose base is the single file of a server before Redis 7, moved into the directory.
    pub fn taking_over(names: &Names) -> Manifest {
        Manifest { base: Some(LogFile::new(names.single_file().to_owned(), 1)), ..Manifest::default() }
    }

    /// Whether the single file of an older server, which is there, is to be taken over, as Redis decides: nothing is in
    /// the manifest, or just that file and it has not been moved yet.
    pub fn must_take_over(&self, names: &Names, is_moved: bool) -> bool {
        let is_that_file = |base: &LogFile| &*base.file == names.single_file() && !is_moved;
        self.increments.is_empty() && self.base.as_ref().is_none_or(is_that_file)
    }

    fn with_history(mut self, listed: LogFile) -> Manifest {
        self.history.retain(|known| known.file != listed.file);
        self.history.push(listed);
        self
    }

    fn add_line(&mut self, line: &[u8]) -> Result<(), &'static str> {
        const FORMAT: &str = "Invalid AOF manifest file format";
        const TOO_LONG: &str = "The AOF manifest file contains too long line";
        if line[0] == b'#' {
            return Ok(());
        }
        // Redis looks for the end with strchr, so that a NUL byte hides it.
        if !line.ends_with(b"\n") || line.contains(&0) {
            return Err(TOO_LONG);
        }
        let words = words::split(line.trim_ascii()).ok_or(FORMAT)?;
        // More pairs than the three are those of a newer version.
        if words.len() < 6 || !words.len().is_multiple_of(2) {
            return Err(FORMAT);
        }
        let (listed, letter) = file_of(words)?;
        let kind = match letter {
            b'b' => Kind::Base,
            b'h' => Kind::History,
            b'i' => Kind::Increment,
            _ => return Err("Unknown AOF file type"),
        };
        let mut again = Vec::new();
        listed.put(&mut again, kind);
        if again.len() > LINE_BYTES_MAX {
            return Err(TOO_LONG);
        }
        self.add(listed, kind)
    }

    fn add(&mut self, listed: LogFile, kind: Kind) -> Result<(), &'static str> {
        match kind {
            Kind::Base if self.base.is_some() => return Err("Found duplicate base file information"),
            Kind::Base => self.base = Some(listed),
            Kind::History => self.history.push(listed),
            Kind::Increment => {
                if self.increments.last().is_some_and(|last| last.seq >= listed.seq) {
                    return Err("Found a non-monotonic sequence number");
                }
                self.increments.push(listed);
            }
        }
        Ok(())
    }
}

/// The file of a line, and the letter of its type.
fn file_of(words: Vec<Vec<u8>>) -> Result<(LogFile, u8), &'static str> {
    let (mut file, mut seq, mut letter, mut extra) = (None, None, None, Vec::new());
    let mut words = words.into_iter();
    while let (Some(key), Some(value)) = (words.next(), words.next()) {
        if key.eq_ignore_ascii_case(KEY_FILE) {
            if value.is_empty() || value.iter().any(|byte| matches!(byte, b'/' | b'\\' | 0)) {
                return Err("File can't be a path, just a filename");
            }
            file = String::from_utf8(value).ok();
        } else if key.eq_ignore_ascii_case(KEY_SEQ) {
            seq = std::str::from_utf8(&value).ok().and_then(|text| text.parse().ok()).filter(|&seq: &u64| seq > 0);
        } else if key.eq_ignore_ascii_case(KEY_TYPE) {
            letter = value.first().copied();
        } else {
            extra.push((key, value));
        }
    }
    // The highest number is kept free, since the next one is one more.
    let seq = seq.filter(|&seq| seq < u64::MAX);
    let (Some(file), Some(seq), Some(letter)) = (file, seq, letter) else {
        return Err("Invalid AOF manifest file format");
    };
    Ok((LogFile { file: file.into(), seq, extra }, letter))
}

#[cfg(test)]
mod tests;
