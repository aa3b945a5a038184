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
//! The parts of one value must follow each other; apart from that keys may stand in any order, if each buffer says which
//! database its keys belong to.

mod assembly;
mod write;

pub use assembly::{Assembly, MAGIC_BYTES, VersionRule, VersionTooLow};
pub use write::{
    FileHead, KeyHead, ReplicationHead, select_db, write_aux, write_function, write_head, write_key, write_resize_db,
};

/// The numbers that stand where else a key's type stands.
mod opcode {
    pub(super) const FUNCTION_2: u8 = 245;
    pub(super) const FREQUENCY: u8 = 249;
    pub(super) const IDLE: u8 = 248;
    pub(super) const AUX: u8 = 250;
    pub(super) const RESIZE_DB: u8 = 251;
    pub(super) const EXPIRE_MS: u8 = 252;
    pub(super) const SELECT_DB: u8 = 254;
    pub(super) const EOF: u8 = 255;
}
