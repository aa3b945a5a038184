//! What a reader finds in a file, one after another.

use std::borrow::Cow;
use std::fmt;

use super::write::KeyHead;

/// A part of a file, complete in memory. Strings are borrowed where they are kept as they are.
#[derive(Debug, Clone, PartialEq)]
pub enum Frame<'a> {
    /// A field of the head.
    Aux {
        /// Names that begin with `%` are for people; unknown ones are to be ignored.
        name: Cow<'a, [u8]>,
        /// Any bytes; numbers come as text.
        value: Cow<'a, [u8]>,
    },
    /// The source of a library of functions.
    Function(Cow<'a, [u8]>),
    /// Keys from here on belong to this database. [`Key::db`] says so as well.
    SelectDb(u64),
    /// How many keys to expect in this database: a hint, which may be wrong.
    ResizeDb {
        /// All keys.
        keys: u64,
        /// Those that expire.
        expires: u64,
    },
    /// How many keys to expect in a slot of a cluster: a hint, which may be wrong in every number.
    SlotInfo {
        /// The slot as the file has it, which may be none.
        slot: u64,
        /// All keys.
        keys: u64,
        /// Those that expire.
        expires: u64,
    },
    /// Valkey 9: slots that were being imported when the file was written. Keys of theirs are no part of the data yet.
    SlotImport {
        /// The name of the import.
        job: Cow<'a, [u8]>,
        /// First and last slot of each range, as the file has them.
        ranges: Vec<(u64, u64)>,
    },
    /// Data of a module beside all keys, which is skipped.
    ModuleAux(ModuleName),
    /// A key whose value is a module's, which is skipped.
    ModuleKey {
        /// The key.
        key: Cow<'a, [u8]>,
        /// Whose value it is.
        module: ModuleName,
    },
    /// A key and its value.
    Key(Key<'a>),
    /// Nothing more comes.
    End(ChecksumVerdict),
}

/// A key and its value, which is not decoded: [`decode_whole`](crate::decode_whole) does, on whatever core.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key<'a> {
    /// The database.
    pub db: u64,
    /// When it expires and how it was used.
    pub head: KeyHead,
    /// The key.
    pub key: Cow<'a, [u8]>,
    /// The type: one of [`types`](crate::types).
    pub kind: u8,
    /// The value's bytes, all of them and nothing else.
    pub value: &'a [u8],
    /// Where in the file the value begins.
    pub value_offset: u64,
}

/// What became of the checksum at the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChecksumVerdict {
    /// It fits.
    Fits,
    /// It is zero: whoever wrote the file had checksums switched off.
    Off,
    /// Versions below 5 have none.
    Absent,
    /// It was not looked at, as the options say.
    Ignored,
}

/// The name of a module's type: nine characters.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ModuleName([u8; 9]);

impl ModuleName {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    /// Behind the name stands a version that only the module understands.
    const VERSION_BITS: u32 = 10;

    /// From a module's identifier: six bits a character, the first highest.
    pub(super) fn of(identifier: u64) -> Self {
        let mut name = [0; 9];
        for (at, character) in name.iter_mut().rev().enumerate() {
            let index = identifier >> (ModuleName::VERSION_BITS + 6 * at as u32) & 0x3f;
            *character = ModuleName::ALPHABET[index as usize];
        }
        ModuleName(name)
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        str::from_utf8(&self.0).expect("the alphabet is ASCII")
    }
}

impl fmt::Display for ModuleName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl fmt::Debug for ModuleName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}
