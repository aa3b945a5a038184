//! A file that is being checked: read once, in chunks, as far as it went when it was opened.

use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use super::report::{Report, system_text};
use super::{Checked, NotValid};

/// Bytes read at a time.
const CHUNK_BYTES: usize = 1 << 20;

/// An open file.
pub struct Source {
    file: File,
    name: String,
    /// Its length when it was opened: what is appended meanwhile is left out.
    pub bytes: u64,
    /// How much has been read.
    pub at: u64,
    chunk: Vec<u8>,
}

impl Source {
    /// Opens a file; the report says if that is not possible. `name` is what the report calls it.
    pub fn open(path: &Path, name: &str, report: &mut Report) -> Checked<Source> {
        let opened = File::open(path).and_then(|file| file.metadata().map(|found| (file, found)));
        let (file, found) = opened.map_err(|error| {
            let (path, why) = (path.display(), system_text(&error));
            report.line(format_args!("Cannot open file {path}: {why}, aborting..."));
            NotValid
        })?;
        if !Metadata::is_file(&found) {
            report.line(format_args!("Cannot read file: {}: it is not a regular file", path.display()));
            return Err(NotValid);
        }
        let bytes = found.len();
        Ok(Source { file, name: name.to_owned(), bytes, at: 0, chunk: Vec::new() })
    }

    /// The first bytes, at most so many; they are read again later.
    pub fn head(&self, len: usize, report: &mut Report) -> Checked<Vec<u8>> {
        let mut head = vec![0; len.min(self.bytes.try_into().unwrap_or(usize::MAX))];
        match self.file.read_exact_at(&mut head, 0) {
            Ok(()) => Ok(head),
            Err(error) => Err(self.unreadable(0, &error, report)),
        }
    }

    /// The next bytes; none at the end.
    pub fn read(&mut self, report: &mut Report) -> Checked<&[u8]> {
        let left = usize::try_from(self.bytes - self.at).unwrap_or(usize::MAX).min(CHUNK_BYTES);
        self.chunk.resize(left, 0);
        let len = match self.file.read_at(&mut self.chunk, self.at) {
            Ok(len) => len,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return self.read(report),
            Err(error) => return Err(self.unreadable(self.at, &error, report)),
        };
        if len == 0 {
            // It may have become shorter meanwhile.
            self.bytes = self.at;
        }
        self.at += len as u64;
        report.progress.reach(self.at);
        Ok(&self.chunk[..len])
    }

    fn unreadable(&self, at: u64, error: &io::Error, report: &mut Report) -> NotValid {
        let (name, why) = (&self.name, system_text(error));
        report.line(format_args!("Cannot read file: {name}: at offset {at}: {why}"));
        NotValid
    }
}
