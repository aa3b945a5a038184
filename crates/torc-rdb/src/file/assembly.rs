//! One file of many buffers: its version and its checksum.
//!
//! ```text
//!   magic(version) | buffer | buffer | ... | EOF | checksum of all before
//!      ^ known only when all values are written, and first in the checksum
//! ```
//! So the checksum is taken over what follows the magic, and combined with that of the magic at the end. Who can write at the
//! beginning of the file once more puts the final magic there; who cannot (a socket) fixes the version before.

use std::fmt;

use super::opcode;
use crate::crc64::{combine, crc64};
use crate::{VERSION_FIELD_EXPIRY, VERSION_LISTPACK, VERSION_WRITTEN_MAX, VERSION_WRITTEN_MIN};

/// The size of the magic: the word and four digits of the version.
pub const MAGIC_BYTES: usize = 9;

/// Which version a file gets.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum VersionRule {
    /// The lowest that holds the data, but not below 10 (Redis 7.0): 12 where fields of a hash expire, 13 where a stream keeps
    /// what its producers have added. Sets are not packed as listpacks, and streams lose when their consumers were active:
    /// both would need 11.
    #[default]
    Lowest,
    /// This one, from 9 to 13, and an error for values that it cannot hold. Version 9 keeps of a stream neither how many entries
    /// were ever added nor how many a group has read; readers infer them.
    Fixed(u16),
}

/// A value needs a newer version of the format than the one that is fixed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VersionTooLow {
    /// The version that is fixed.
    pub fixed: u16,
    /// The version that the value needs.
    pub needed: u16,
}

impl fmt::Display for VersionTooLow {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let VersionTooLow { fixed, needed } = self;
        let what = match *needed {
            VERSION_LISTPACK => "a library of functions",
            VERSION_FIELD_EXPIRY => "a hash with expiring fields",
            _ => "a stream with the identifiers of its producers",
        };
        write!(formatter, "{what} needs RDB version {needed}, and version {fixed} is fixed")
    }
}

impl std::error::Error for VersionTooLow {}

impl VersionRule {
    /// A version that is fixed; `None` for one that cannot be written.
    pub fn fixed(version: u16) -> Option<Self> {
        (VERSION_WRITTEN_MIN..=VERSION_WRITTEN_MAX).contains(&version).then_some(VersionRule::Fixed(version))
    }

    /// The version that values are written for, unless they need a newer one.
    pub fn aimed(self) -> u16 {
        match self {
            VersionRule::Lowest => VERSION_LISTPACK,
            VersionRule::Fixed(version) => version,
        }
    }

    /// Whether a file can hold libraries of functions.
    ///
    /// # Errors
    /// It cannot.
    pub fn check_functions(self) -> Result<(), VersionTooLow> {
        self.check(VERSION_LISTPACK)
    }

    /// Whether a file can hold a value that needs this version.
    ///
    /// # Errors
    /// It cannot.
    pub fn check(self, needed: u16) -> Result<(), VersionTooLow> {
        match self {
            VersionRule::Fixed(fixed) if needed > fixed => Err(VersionTooLow { fixed, needed }),
            _ => Ok(()),
        }
    }
}

/// A file whose buffers pass here in the order of the file.
#[derive(Debug, Clone)]
pub struct Assembly {
    version: u16,
    /// Of what follows the magic; `None`: the file has no checksum.
    checksum: Option<u64>,
    /// Bytes after the magic.
    len: u64,
}

impl Assembly {
    /// An empty file. Without a checksum it ends in zeros, which tell the reader so.
    pub fn new(rule: VersionRule, is_checksummed: bool) -> Self {
        Assembly { version: rule.aimed(), checksum: is_checksummed.then_some(0), len: 0 }
    }

    /// The first bytes of the file, as far as is known yet.
    pub fn magic(&self) -> [u8; MAGIC_BYTES] {
        let mut magic = *b"REDIS0000";
        let mut rest = self.version;
        for digit in magic.iter_mut().rev().take(4) {
            *digit += (rest % 10) as u8;
            rest /= 10;
        }
        magic
    }

    /// A value needs this version.
    pub fn require(&mut self, version: u16) {
        self.version = self.version.max(version);
    }

    /// The next bytes after the magic.
    pub fn add(&mut self, bytes: &[u8]) {
        self.len += bytes.len() as u64;
        if let Some(checksum) = &mut self.checksum {
            *checksum = crc64(*checksum, bytes);
        }
    }

    /// Bytes of the file so far, the magic included.
    pub fn len(&self) -> u64 {
        MAGIC_BYTES as u64 + self.len
    }

    /// Whether nothing has passed.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Appends the end of the file to `out`; returns the final magic. What `out` holds before must have passed already.
    pub fn finish(mut self, out: &mut Vec<u8>) -> [u8; MAGIC_BYTES] {
        let magic = self.magic();
        self.add(&[opcode::EOF]);
        out.push(opcode::EOF);
        let checksum = self.checksum.map_or(0, |rest| combine(crc64(0, &magic), rest, self.len));
        out.extend(checksum.to_le_bytes());
        magic
    }
}
