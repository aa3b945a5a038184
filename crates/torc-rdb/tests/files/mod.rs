//! What must hold for any bytes that claim to be an RDB file; the fuzz target and the property tests run this same function.
//!
//! Reading ends in a whole file, in "more bytes are needed" or in an error, never in a panic; it is the same however the bytes
//! are cut; a value ends where its decoding does; and the reader holds no more memory than it was fed, whatever lengths the bytes state.

#![allow(dead_code)] // Each test file uses its own part of this.

use torc_rdb::file::{FileError, Frame, Key, KeyHead, ModulePolicy, ReadOptions, Reader};
use torc_rdb::{DecodeError, Value, decode_whole};

/// Modules are passed over.
pub const SKIPPING: ReadOptions = ReadOptions { modules: ModulePolicy::Skip, ignores_checksum: false };
/// The smallest buffer that a vector may take at once.
const BUFFER_SLACK: usize = 64;

/// A key with its value decoded.
#[derive(Debug, Clone, PartialEq)]
pub struct ReadKey {
    /// The database.
    pub db: u64,
    /// Expiry and use.
    pub head: KeyHead,
    /// The key.
    pub key: Vec<u8>,
    /// The type.
    pub kind: u8,
    /// The value, or why it is none.
    pub value: Result<Value, DecodeError>,
}

/// All that a file was found to be.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ReadFile {
    /// Keys in their order.
    pub keys: Vec<ReadKey>,
    /// Other frames in their order, as text.
    pub others: Vec<String>,
    /// Where reading stopped before the end.
    pub error: Option<FileError>,
    /// What follows the end.
    pub rest: Vec<u8>,
}

impl ReadFile {
    fn take(&mut self, frame: Frame<'_>, version: u16) {
        match frame {
            Frame::Key(Key { db, head, key, kind, value, .. }) => {
                let value = decode_whole(value, kind, version);
                self.keys.push(ReadKey { db, head, key: key.into_owned(), kind, value });
            }
            frame => self.others.push(format!("{frame:?}")),
        }
    }

    /// Whether the file was read to its end.
    pub fn is_whole(&self) -> bool {
        self.error.is_none()
    }
}

/// Reads bytes that come in pieces of these sizes, in turn; 0 counts as 1.
pub fn read(bytes: &[u8], options: ReadOptions, sizes: &[usize]) -> ReadFile {
    let mut reader = Reader::new(options);
    let mut file = ReadFile::default();
    let (mut rest, mut fed) = (bytes, 0);
    let mut sizes = sizes.iter().cycle();
    loop {
        match reader.next_frame() {
            Ok(Some(frame)) => {
                // The version is known since the first frame; the borrow of the frame is in the way of asking for it here.
                let version = version_of(bytes);
                file.take(frame, version);
                continue;
            }
            Ok(None) => {}
            Err(error) => {
                assert_eq!(reader.next_frame(), Err(error), "an error stays");
                file.error = Some(error);
                return file;
            }
        }
        if rest.is_empty() {
            break;
        }
        let (piece, more) = rest.split_at(sizes.next().copied().unwrap_or(rest.len()).clamp(1, rest.len()));
        reader.feed(piece);
        (rest, fed) = (more, fed + piece.len());
        assert!(reader.memory() <= 4 * fed + BUFFER_SLACK, "{} bytes for {fed}", reader.memory());
    }
    file.error = reader.close().err();
    file.rest = reader.rest().to_vec();
    file
}

fn version_of(bytes: &[u8]) -> u16 {
    let digits = bytes[..9].iter().filter(|byte| byte.is_ascii_digit());
    digits.fold(0, |sum, digit| sum * 10 + u16::from(digit - b'0'))
}

/// Checks every property on `bytes`: the first says how the rest is cut.
pub fn check(bytes: &[u8]) {
    let [cut, file @ ..] = bytes else {
        return;
    };
    let whole = read(file, SKIPPING, &[]);
    let cut = usize::from(*cut);
    for sizes in [&[1][..], &[cut, 7 * cut, 1]] {
        assert_eq!(read(file, SKIPPING, sizes), whole, "cut as {sizes:?}");
    }
    // Passing over a value and decoding it agree on where it ends.
    let disagrees = |key: &&ReadKey| matches!(key.value, Err(DecodeError::Truncated | DecodeError::Trailing));
    assert_eq!(whole.keys.iter().find(disagrees), None);
    let refusing = read(file, ReadOptions { ignores_checksum: true, ..ReadOptions::default() }, &[]);
    assert!(refusing.keys.len() <= whole.keys.len());
}
