//! The front of the bytes that are still to be read: lengths, strings and numbers.
//!
//! ```text
//!   00nnnnnn                a length of 6 bits        10000000 + 4 bytes   of 32 bits, big-endian
//!   01nnnnnn + 1 byte       of 14 bits                10000001 + 8 bytes   of 64 bits
//!   110000tt                instead of a string's length: an integer of 8, 16 or 32 bits, or (3) a compressed string
//! ```

use std::borrow::Cow;

use torc_resp::number::I64Text;

use crate::error::DecodeError;
use crate::lzf;
use crate::value::StreamId;

/// The longest string. Requests end at 4 GiB, so that a longer one could come only compressed.
const STRING_LEN_MAX: usize = u32::MAX as usize;

/// Bytes that are read from the front.
#[derive(Debug, Clone, Copy)]
pub struct Input<'a> {
    rest: &'a [u8],
}

/// A length, or the sign of a string that is not kept as plain bytes.
enum Length {
    Plain(u64),
    Special(u8),
}

impl<'a> Input<'a> {
    /// At the start of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Input { rest: bytes }
    }

    /// What has not been read yet.
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// The next `len` bytes.
    #[inline]
    pub(crate) fn bytes(&mut self, len: usize) -> Result<&'a [u8], DecodeError> {
        let (bytes, rest) = self.rest.split_at_checked(len).ok_or(DecodeError::Truncated)?;
        self.rest = rest;
        Ok(bytes)
    }

    #[inline]
    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let (bytes, rest) = self.rest.split_first_chunk::<N>().ok_or(DecodeError::Truncated)?;
        self.rest = rest;
        Ok(*bytes)
    }

    #[inline]
    pub(crate) fn byte(&mut self) -> Result<u8, DecodeError> {
        self.array::<1>().map(|[byte]| byte)
    }

    /// A number in the notation of lengths.
    #[inline]
    pub(crate) fn number(&mut self) -> Result<u64, DecodeError> {
        match self.length()? {
            Length::Plain(number) => Ok(number),
            Length::Special(_) => Err(DecodeError::Malformed("length")),
        }
    }

    /// How many elements follow, and a capacity to begin with: each element takes at least one byte.
    pub(crate) fn count(&mut self) -> Result<(u64, usize), DecodeError> {
        let count = self.number()?;
        if count > self.rest.len() as u64 {
            return Err(DecodeError::Truncated);
        }
        Ok((count, count as usize))
    }

    /// The next string.
    pub(crate) fn string(&mut self) -> Result<Cow<'a, [u8]>, DecodeError> {
        let integer = match self.length()? {
            Length::Plain(len) => {
                let len = usize::try_from(len).map_err(|_| DecodeError::Truncated)?;
                return self.bytes(len).map(Cow::Borrowed);
            }
            Length::Special(0) => i64::from(i8::from_le_bytes(self.array()?)),
            Length::Special(1) => i64::from(i16::from_le_bytes(self.array()?)),
            Length::Special(2) => i64::from(i32::from_le_bytes(self.array()?)),
            Length::Special(3) => {
                let (packed, len) = (self.number()?, self.number()?);
                let packed = self.bytes(usize::try_from(packed).map_err(|_| DecodeError::Truncated)?)?;
                let len = usize::try_from(len).ok().filter(|len| *len <= STRING_LEN_MAX);
                let len = len.ok_or(DecodeError::Malformed("compressed string"))?;
                return lzf::decompress(packed, len).map(Cow::Owned);
            }
            Length::Special(_) => return Err(DecodeError::Malformed("string")),
        };
        Ok(Cow::Owned(I64Text::new(integer).as_bytes().to_vec()))
    }

    /// Passes the next string without making it.
    pub(crate) fn skip_string(&mut self) -> Result<(), DecodeError> {
        let len = match self.length()? {
            Length::Plain(len) => len,
            Length::Special(width @ 0..=2) => 1 << width,
            Length::Special(3) => {
                let packed = self.number()?;
                self.number()?;
                packed
            }
            Length::Special(_) => return Err(DecodeError::Malformed("string")),
        };
        // Whoever waits for the bytes of a string need not wait for more than there can be.
        let len = usize::try_from(len).ok().filter(|len| *len <= STRING_LEN_MAX);
        self.bytes(len.ok_or(DecodeError::Malformed("string"))?).map(drop)
    }

    pub(crate) fn owned_string(&mut self) -> Result<Vec<u8>, DecodeError> {
        self.string().map(Cow::into_owned)
    }

    /// A time, Unix milliseconds.
    pub(crate) fn millis(&mut self) -> Result<i64, DecodeError> {
        self.array().map(i64::from_le_bytes)
    }

    /// An identifier as two numbers in the notation of lengths.
    pub(crate) fn stream_id(&mut self) -> Result<StreamId, DecodeError> {
        Ok(StreamId { ms: self.number()?, seq: self.number()? })
    }

    #[inline]
    fn length(&mut self) -> Result<Length, DecodeError> {
        let first = self.byte()?;
        let low = first & 0x3f;
        Ok(match first >> 6 {
            0 => Length::Plain(u64::from(low)),
            1 => Length::Plain(u64::from(low) << 8 | u64::from(self.byte()?)),
            2 if first == 0x80 => Length::Plain(u64::from(u32::from_be_bytes(self.array()?))),
            2 if first == 0x81 => Length::Plain(u64::from_be_bytes(self.array()?)),
            3 => Length::Special(low),
            _ => return Err(DecodeError::Malformed("length")),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The declared length is in proportion to the bytes present, and yet no request could bring such a string.
    #[test]
    fn no_compressed_string_claims_four_gibibytes() {
        let packed_len: u32 = 60 << 20;
        for len in [1 << 32, u64::MAX] {
            let mut bytes = vec![0xc3, 0x80];
            bytes.extend(packed_len.to_be_bytes());
            bytes.push(0x81);
            bytes.extend(len.to_be_bytes());
            bytes.resize(bytes.len() + packed_len as usize, 0);
            let expected = Err(DecodeError::Malformed("compressed string"));
            assert_eq!(Input::new(&bytes).string(), expected);
        }
    }
}
