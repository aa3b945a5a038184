//! The seal around a DUMP payload: the type before the value; behind it the version and a checksum.
//!
//! ```text
//!   type u8 | value | version u16 LE | CRC-64 of all before u64 LE
//! ```

use crate::crc64::crc64;
use crate::decode::decode_whole;
use crate::encode::{EncodeOptions, Encoder};
use crate::error::DecodeError;
use crate::value::Value;

const SEAL_BYTES: usize = 10;
/// The newest version of Redis that is read. Types it does not share with version 12 are refused by their number.
pub const VERSION_REDIS_MAX: u16 = 16;
/// The first version of Valkey's own.
pub const VERSION_VALKEY_MIN: u16 = 80;
/// The newest version of Valkey that is read.
pub const VERSION_VALKEY_MAX: u16 = 81;

/// Appends version and checksum to what `out` holds from `start` on.
pub fn seal(out: &mut Vec<u8>, start: usize, version: u16) {
    out.extend(version.to_le_bytes());
    let crc = crc64(0, &out[start..]);
    out.extend(crc.to_le_bytes());
}

/// The seal of a payload that is long and comes in pieces: its checksum is reckoned as it grows.
#[derive(Debug, Default)]
pub struct GrowingSeal {
    crc: u64,
}

impl GrowingSeal {
    /// The next piece of the payload.
    pub fn follow(&mut self, piece: &[u8]) {
        self.crc = crc64(self.crc, piece);
    }

    /// What follows the last piece: version and checksum.
    pub fn finish(mut self, version: u16) -> [u8; SEAL_BYTES] {
        self.follow(&version.to_le_bytes());
        let mut seal = [0; SEAL_BYTES];
        seal[..2].copy_from_slice(&version.to_le_bytes());
        seal[2..].copy_from_slice(&self.crc.to_le_bytes());
        seal
    }
}

/// Whether a checksum must fit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Checksum {
    /// It must.
    #[default]
    Checked,
    /// It is not looked at: for tests of what is behind it.
    Ignored,
}

/// Checks the seal. Returns type and value, and the version.
///
/// # Errors
/// [`DecodeError::Seal`].
pub fn open(payload: &[u8], checksum: Checksum) -> Result<(&[u8], u16), DecodeError> {
    let (body, seal) = payload.split_last_chunk::<SEAL_BYTES>().ok_or(DecodeError::Seal)?;
    let (version, crc) = seal.split_first_chunk::<2>().expect("a seal has ten bytes");
    let version = u16::from_le_bytes(*version);
    let is_known = version <= VERSION_REDIS_MAX || (VERSION_VALKEY_MIN..=VERSION_VALKEY_MAX).contains(&version);
    let fits = || checksum == Checksum::Ignored || crc64(0, &payload[..payload.len() - 8]).to_le_bytes() == crc;
    if is_known && fits() { Ok((body, version)) } else { Err(DecodeError::Seal) }
}

/// The value of a payload.
///
/// # Errors
/// [`DecodeError::Seal`], or whatever is wrong with the value.
pub fn decode(payload: &[u8]) -> Result<Value, DecodeError> {
    decode_with(payload, Checksum::Checked)
}

/// The value of a payload whose checksum need not fit.
///
/// # Errors
/// As [`decode`].
pub fn decode_with(payload: &[u8], checksum: Checksum) -> Result<Value, DecodeError> {
    let (body, version) = open(payload, checksum)?;
    let (kind, body) = body.split_first().ok_or(DecodeError::Truncated)?;
    decode_whole(body, *kind, version)
}

/// The payload of a value.
pub fn encode(value: &Value, options: &EncodeOptions) -> Vec<u8> {
    let mut out = Vec::new();
    let mut encoder = Encoder::new(&mut out, options);
    encoder.value(value);
    let version = encoder.version();
    seal(&mut out, 0, version);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seal_holds_only_what_it_sealed() {
        let payload = encode(&Value::String(b"hello".to_vec()), &EncodeOptions::default());
        // As redis-server 7.2 writes it, but for the checksum, which is held by its own test.
        assert_eq!(payload[..9], *b"\x00\x05hello\x0b\x00");
        assert_eq!(decode(&payload), Ok(Value::String(b"hello".to_vec())));
        for at in 0..payload.len() {
            let mut bad = payload.clone();
            bad[at] ^= 4;
            assert_eq!(decode(&bad), Err(DecodeError::Seal), "{at}");
            let is_version = (7..9).contains(&at);
            assert!(is_version || decode_with(&bad, Checksum::Ignored) != Err(DecodeError::Seal), "{at}");
            assert_eq!(decode(&payload[..at]), Err(DecodeError::Seal), "{at}");
        }
    }

    #[test]
    fn a_seal_that_grows_is_the_same() {
        let (mut whole, mut seal) = (b"one and another".to_vec(), GrowingSeal::default());
        [&b"one and "[..], b"another"].into_iter().for_each(|piece| seal.follow(piece));
        super::seal(&mut whole, 0, 12);
        assert_eq!([&b"one and another"[..], &seal.finish(12)].concat(), whole);
    }

    #[test]
    fn versions_that_nobody_knows_are_refused() {
        for (version, is_read) in
            [(0, true), (6, true), (12, true), (16, true), (17, false), (79, false), (80, true), (82, false)]
        {
            let mut payload = b"\x00\x01a".to_vec();
            seal(&mut payload, 0, version);
            assert_eq!(decode(&payload).is_ok(), is_read, "{version}");
        }
    }

    #[test]
    fn bytes_behind_the_value_are_refused() {
        let mut payload = b"\x00\x01ab".to_vec();
        seal(&mut payload, 0, 11);
        assert_eq!(decode(&payload), Err(DecodeError::Trailing));
    }
}
