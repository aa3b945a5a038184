//! How the files of a log are called, as Redis 7 calls them. With `appendfilename appendonly.aof`:
//!
//! ```text
//!   appendonlydir/appendonly.aof.manifest           which files, in which order
//!   appendonlydir/temp-appendonly.aof.manifest      the next manifest, until it is renamed
//!   appendonlydir/appendonly.aof.3.base.rdb         all keys at a cut; `.aof` if it holds commands
//!   appendonlydir/appendonly.aof.5.incr.aof         the stream from there on
//! ```

use std::fmt;

/// The longest `appendfilename`, in bytes: with what is added it stays below the 255 of a file name, and quoted in a
/// line of the manifest below the 1,024 of such a line.
pub const NAME_BYTES_MAX: usize = 200;

/// The form of a base.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum BaseFormat {
    /// An RDB file (`aof-use-rdb-preamble yes`).
    #[default]
    Rdb,
    /// Commands.
    Commands,
}

/// The value of `appendfilename` cannot be one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NameError;

impl fmt::Display for NameError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("appendfilename can't be a path, just a filename")
    }
}

/// The names of one log's files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names(String);

impl Names {
    /// The names for this `appendfilename`.
    ///
    /// # Errors
    /// It is empty, longer than [`NAME_BYTES_MAX`], has a slash or a NUL byte.
    pub fn new(appendfilename: &str) -> Result<Names, NameError> {
        let is_good = !appendfilename.is_empty()
            && appendfilename.len() <= NAME_BYTES_MAX
            && !appendfilename.contains(['/', '\\', '\0']);
        if is_good { Ok(Names(appendfilename.to_owned())) } else { Err(NameError) }
    }

    /// The manifest.
    pub fn manifest(&self) -> String {
        format!("{}.manifest", self.0)
    }

    /// The next manifest, before it is renamed.
    pub fn temporary_manifest(&self) -> String {
        format!("temp-{}.manifest", self.0)
    }

    /// The base with this number.
    pub fn base(&self, seq: u64, format: BaseFormat) -> String {
        let ending = match format {
            BaseFormat::Rdb => "rdb",
            BaseFormat::Commands => "aof",
        };
        format!("{}.{seq}.base.{ending}", self.0)
    }

    /// The increment with this number.
    pub fn increment(&self, seq: u64) -> String {
        format!("{}.{seq}.incr.aof", self.0)
    }

    /// The one file of servers before Redis 7, which becomes a base under its old name.
    pub fn single_file(&self) -> &str {
        &self.0
    }

    /// Where what was cut off `file` at `offset` is kept.
    pub fn set_aside(file: &str, offset: u64) -> String {
        format!("{file}.torn-at-{offset}")
    }

    /// The number of a base or increment of this log; `None` for every other file.
    pub fn sequence_of(&self, file: &str) -> Option<u64> {
        let rest = file.strip_prefix(&self.0)?.strip_prefix('.')?;
        let (number, ending) = rest.split_once('.')?;
        let is_of_log = matches!(ending, "base.rdb" | "base.aof" | "incr.aof");
        number.parse().ok().filter(|_| is_of_log)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_from_names() {
        let names = Names::new("a.aof").unwrap();
        for (file, seq) in [
            (names.base(3, BaseFormat::Rdb), Some(3)),
            (names.base(4, BaseFormat::Commands), Some(4)),
            (names.increment(5), Some(5)),
            (names.manifest(), None),
            (Names::set_aside(&names.increment(5), 9), None),
            ("b.aof.1.incr.aof".into(), None),
        ] {
            assert_eq!(names.sequence_of(&file), seq, "{file}");
        }
        for bad in ["", "a/b", "a\0", &"x".repeat(201)] {
            assert!(Names::new(bad).is_err());
        }
    }
}
