//! Values as bytes: the format that RDB files and DUMP payloads share, and the files themselves, read and written.
//!
//! ```text
//!   DUMP payload --payload::open--> type, body --decode--> Value
//!   Value, or borrowed parts of one --Encoder--> type, body --payload::seal--> DUMP payload
//!   Encoder --file::write_key, file::Assembly--> RDB file --file::Reader--> keys with bodies --decode--> Value
//!
//!   input, output   lengths, strings, numbers           lzf, crc64      what they are wrapped in
//!   listpack, ziplist, zipmap, intset                   packed collections inside of one string
//!   decode, encode  one module for each kind of value
//! ```
//!
//! Input is not trusted. Everything is checked before a value is given out: structure, lengths, counts, duplicates,
//! references between a stream's groups and their consumers. Memory grows with what has been read, never by a number
//! that the input merely states; nothing recurses.
//!
//! **Invariant**: no I/O, no clock, no thread; knows no store and no command.

pub mod crc64;
mod decode;
mod encode;
mod error;
pub mod file;
mod input;
mod intset;
mod listpack;
pub mod lzf;
mod output;
pub mod payload;
pub mod types;
mod value;
mod ziplist;
mod zipmap;

pub use decode::{decode_string, decode_value, decode_whole};
pub use encode::{
    EncodeOptions, Encoder, HashPieces, ListPieces, SetPieces, SortedSetPieces, StreamPieces, StringPieces, Thresholds,
};
pub use error::DecodeError;
pub use input::Input;
pub use value::{
    HashField, PendingEntry, StreamConsumer, StreamEntry, StreamGroup, StreamHead, StreamId, StreamProducer,
    StreamProducers, StreamValue, Value,
};

/// What is written unless something newer is needed: the version of Redis 7.2.
pub const VERSION_DEFAULT: u16 = 11;
/// The oldest version that can be written: that of Redis 5.0 to 6.2.
pub const VERSION_WRITTEN_MIN: u16 = 9;
/// The newest version that can be written.
pub const VERSION_WRITTEN_MAX: u16 = VERSION_PRODUCERS;
/// The version from which on collections are packed as listpacks: that of Redis 7.0.
pub const VERSION_LISTPACK: u16 = 10;
/// The version that hashes with expiring fields need: that of Redis 7.4.
pub const VERSION_FIELD_EXPIRY: u16 = 12;
/// The version that streams need which keep what their producers have added: that of Redis 8.6.
pub const VERSION_PRODUCERS: u16 = 13;
