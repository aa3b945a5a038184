//! RDB files: a head, then keys with their values, database after database, then an end with a checksum.
//!
//! ```text
//!   "REDIS0010" | aux* | function* | (SELECTDB | RESIZEDB? | key*)* | EOF | CRC-64 of all before, u64 LE
//!   aux  = 0xfa, name, value           key = (expiry | idle time | frequency)*, type, name, value
//! ```
//!
//! **Writing**: many cores write keys into buffers of their own, and one [`Assembly`] has all buffers pass in the order in
//! which they stand in the file, for the checksum and the version.
//!
//! ```text
//!   core 0: select_db, write_key, write_key ... --> buffer --+
//!   core 1: select_db, write_key, Encoder::begin_hash ... ---+--> Assembly::add --> file; at last the magic is patched
//! ```
//!
//! The pieces of one value must follow each other; apart from that keys may stand in any order, if each buffer says which
//! database its keys belong to.

//!
//! **Reading**: one thread frames the file, which only passes over values, and many cores decode them.
//!
//! ```text
//!   bytes as they are read --Reader::feed--> Reader::next_frame --> Key { kind, key, value: &[u8], .. } --> the key's core
//!                                                                     decode_whole(value, kind, version) --> Value
//! ```

mod assembly;
mod error;
mod frame;
mod libraries;
mod reader;
mod skip;
mod write;

pub use assembly::{Assembly, MAGIC_BYTES, VersionRule, VersionTooLow};
pub use error::{Family, FileError, FileVersion, Problem};
pub use frame::{ChecksumVerdict, Frame, Key, ModuleName};
pub use libraries::{LibrariesError, dump_libraries, restore_libraries};
pub use reader::{ModulePolicy, ReadOptions, Reader, VERSION_REDIS_MAX};
pub use write::{
    FileHead, KeyHead, ReplicationHead, select_db, write_aux, write_function, write_head, write_key, write_resize_db,
};

/// The numbers that stand where else a key's type stands.
mod opcode {
    /// Redis Enterprise: when a key in memory was used last, in a unit of its own.
    pub(super) const RAM_LRU: u8 = 107;
    /// Redis 8.10: the fields that many hashes share.
    pub(super) const HASH_TEMPLATE: u8 = 242;
    /// Under Redis's magic: what modules keep with the next key (8.6).
    pub(super) const KEY_METADATA: u8 = 243;
    /// Under Valkey's magic: slots that are being imported (9.0).
    pub(super) const SLOT_IMPORT: u8 = 243;
    pub(super) const SLOT_INFO: u8 = 244;
    pub(super) const FUNCTION_2: u8 = 245;
    /// Release candidates of Redis 7.0.
    pub(super) const FUNCTION: u8 = 246;
    pub(super) const MODULE_AUX: u8 = 247;
    pub(super) const IDLE: u8 = 248;
    pub(super) const FREQUENCY: u8 = 249;
    pub(super) const AUX: u8 = 250;
    pub(super) const RESIZE_DB: u8 = 251;
    pub(super) const EXPIRE_MS: u8 = 252;
    /// In seconds, up to Redis 2.4.
    pub(super) const EXPIRE_S: u8 = 253;
    pub(super) const SELECT_DB: u8 = 254;
    pub(super) const EOF: u8 = 255;

    /// Whether it is no opcode but a type, and so begins a key.
    pub(super) fn is_type(opcode: u8) -> bool {
        opcode < HASH_TEMPLATE && opcode != RAM_LRU
    }
}
