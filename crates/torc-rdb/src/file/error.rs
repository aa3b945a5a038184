//! Why a file cannot be read on: one error, with the place.

use std::fmt;

use super::frame::ModuleName;
use crate::error::DecodeError;

/// Which servers wrote a file: numbers of opcodes and types mean different things in the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// The magic is `REDIS` and four digits.
    Redis,
    /// The magic is `VALKEY` and three digits.
    Valkey,
}

/// What the magic says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileVersion {
    /// Whose format it is.
    pub family: Family,
    /// The version, which is also the one that [`decode_whole`](crate::decode_whole) wants to know.
    pub number: u16,
}

/// A file that cannot be read on. What came before is sound as far as it has been looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileError {
    /// Bytes of the file before what is wrong.
    pub offset: u64,
    /// The file's version, once it is known.
    pub version: Option<FileVersion>,
    /// What is wrong.
    pub problem: Problem,
}

/// What is wrong with a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Problem {
    /// It does not begin with the magic of an RDB file.
    Magic,
    /// The version is not read.
    Version,
    /// It ends before its end mark and checksum.
    Truncated,
    /// Neither an opcode nor a type of this version.
    UnknownType(u8),
    /// An opcode or a type that is known and not supported; what it is.
    Unsupported(u8, &'static str),
    /// It holds data of this module, and the options refuse that.
    Module(ModuleName),
    /// It holds metadata that modules keep with a key, and the options refuse that.
    KeyMetadata,
    /// Lengths or strings are damaged.
    Damaged(DecodeError),
    /// The checksum at the end is not that of the bytes.
    Checksum {
        /// The one in the file.
        stated: u64,
        /// The one of the bytes.
        actual: u64,
    },
}

impl fmt::Display for FileVersion {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.family {
            Family::Redis => write!(formatter, "version {}", self.number),
            Family::Valkey => write!(formatter, "Valkey version {}", self.number),
        }
    }
}

impl fmt::Display for FileError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.problem, self.version) {
            (Problem::Version, Some(version)) => return write!(formatter, "RDB {version} is not supported"),
            (Problem::Magic, _) => {
                return formatter.write_str("not an RDB file: it does not begin with REDIS or VALKEY");
            }
            _ => write!(formatter, "at byte {}: {}", self.offset, self.problem)?,
        }
        self.version.map_or(Ok(()), |version| write!(formatter, " (RDB {version})"))
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Problem::Magic => formatter.write_str("no magic"),
            Problem::Version => formatter.write_str("this version is not supported"),
            Problem::Truncated => formatter.write_str("the file ends too early"),
            Problem::UnknownType(kind) => write!(formatter, "unknown type {kind}"),
            Problem::Unsupported(kind, what) => write!(formatter, "{what} are not supported (type {kind})"),
            Problem::Module(name) => write!(formatter, "data of the module type {name}"),
            Problem::KeyMetadata => formatter.write_str("metadata of modules"),
            Problem::Damaged(error) => error.fmt(formatter),
            Problem::Checksum { stated, actual } => {
                write!(formatter, "CRC error: the checksum is {stated:016x}, that of the bytes {actual:016x}")
            }
        }
    }
}

impl std::error::Error for FileError {}
