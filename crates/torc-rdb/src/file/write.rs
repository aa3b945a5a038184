//! What stands in a file around its values. Each function appends to a buffer.

use super::assembly::{VersionRule, VersionTooLow};
use super::opcode;
use crate::encode::{EncodeOptions, Encoder};
use crate::output::{write_number, write_string};

/// What the head of a file says about the file; readers may ignore all of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileHead<'a> {
    /// `redis-ver`: the server's version.
    pub server_version: &'a str,
    /// `ctime`: when the file was begun, Unix seconds.
    pub created_at_s: u64,
    /// `used-mem`: memory in use then, in bytes.
    pub used_memory: u64,
    /// The position in the replication stream that the file is at; where there is one.
    pub replication: Option<ReplicationHead<'a>>,
    /// `aof-base`: whether the file is the base of an append-only file.
    pub is_aof_base: bool,
}

/// The position in a replication stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReplicationHead<'a> {
    /// `repl-stream-db`: the database selected in the stream there.
    pub db: u64,
    /// `repl-id`: 40 hexadecimal digits.
    pub id: &'a str,
    /// `repl-offset`, in bytes.
    pub offset: u64,
}

/// What a file keeps of a key besides its value.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct KeyHead {
    /// When the key expires, Unix milliseconds.
    pub expire_at_ms: Option<i64>,
    /// For how many seconds nobody has used it: kept under an LRU policy.
    pub idle_s: Option<u64>,
    /// The logarithmic counter of its uses: kept under an LFU policy.
    pub frequency: Option<u8>,
}

/// Writes the head's fields, with the names and in the order of Redis.
pub fn write_head(out: &mut Vec<u8>, head: &FileHead<'_>) {
    write_aux(out, b"redis-ver", head.server_version.as_bytes());
    write_aux(out, b"redis-bits", b"64");
    write_aux(out, b"ctime", head.created_at_s.to_string().as_bytes());
    write_aux(out, b"used-mem", head.used_memory.to_string().as_bytes());
    if let Some(replication) = &head.replication {
        write_aux(out, b"repl-stream-db", replication.db.to_string().as_bytes());
        write_aux(out, b"repl-id", replication.id.as_bytes());
        write_aux(out, b"repl-offset", replication.offset.to_string().as_bytes());
    }
    write_aux(out, b"aof-base", if head.is_aof_base { b"1" } else { b"0" });
}

/// Writes one field of the head. Readers ignore names that they do not know.
pub fn write_aux(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    out.push(opcode::AUX);
    write_string(out, name, false);
    write_string(out, value, false);
}

/// Writes the source of a library of functions. They stand before all keys. Not every version has them:
/// [`VersionRule::check_functions`].
pub fn write_function(out: &mut Vec<u8>, source: &[u8], compress: bool) {
    out.push(opcode::FUNCTION_2);
    write_string(out, source, compress);
}

/// Says which database the keys from here on belong to.
pub fn select_db(out: &mut Vec<u8>, db: u64) {
    out.push(opcode::SELECT_DB);
    write_number(out, db);
}

/// Says how many keys this database will have, and how many of them expire, as a hint to the reader.
pub fn write_resize_db(out: &mut Vec<u8>, keys: u64, expires: u64) {
    out.push(opcode::RESIZE_DB);
    write_number(out, keys);
    write_number(out, expires);
}

/// Writes a key: what `head` says, and the value, which `body` writes with the one call it makes of the encoder: a whole
/// value, or the beginning of one that is written in pieces. `options.version` is not looked at; `rule` decides. Returns what
/// `body` does, and the version that the file must have for this key.
///
/// # Errors
/// The version is fixed and cannot hold the value. Then nothing was appended.
pub fn write_key<R>(
    out: &mut Vec<u8>,
    key: &[u8],
    head: &KeyHead,
    options: &EncodeOptions,
    rule: VersionRule,
    body: impl FnOnce(&mut Encoder<'_>) -> R,
) -> Result<(R, u16), VersionTooLow> {
    let start = out.len();
    if let Some(expire_at_ms) = head.expire_at_ms {
        out.push(opcode::EXPIRE_MS);
        out.extend(expire_at_ms.to_le_bytes());
    }
    if let Some(idle_s) = head.idle_s {
        out.push(opcode::IDLE);
        write_number(out, idle_s);
    }
    if let Some(frequency) = head.frequency {
        out.extend([opcode::FREQUENCY, frequency]);
    }
    let options = EncodeOptions { version: rule.aimed(), ..*options };
    let mut encoder = Encoder::new(out, &options).with_key(key);
    let result = body(&mut encoder);
    let needed = encoder.version();
    rule.check(needed).inspect_err(|_| out.truncate(start))?;
    Ok((result, needed))
}
