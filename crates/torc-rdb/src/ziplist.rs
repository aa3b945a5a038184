//! The ziplist, which listpacks replaced in Redis 7.0. Torc only reads it.
//!
//! ```text
//!   total bytes u32 | offset of the last entry u32 | entries u16 (65,535: too many to say) | entry... | 0xff
//!
//!   entry = length of the entry before it (1 byte, or 0xfe and u32), head, data
//!   00llllll            string up to 63 bytes       0xc0 0xd0 0xe0 0xf0 0xfe   integer of 16, 32, 64, 24, 8 bits
//!   01llllll llllllll   string up to 16,383 bytes   0xf1 .. 0xfd               integer 0..12
//!   10------ + u32 BE   longer string
//! ```

use crate::error::DecodeError;
use crate::input::Input;
use crate::listpack::Element;

const HEADER_BYTES: usize = 10;
const COUNT_UNKNOWN: u16 = u16::MAX;
const LONG: u8 = 0xfe;
const END: u8 = 0xff;
const DAMAGED: DecodeError = DecodeError::Malformed("ziplist");

/// The entries of a ziplist, checked on the way; after an error there is nothing more.
#[derive(Debug, Clone)]
pub(crate) struct Ziplist<'a> {
    bytes: &'a [u8],
    rest: Input<'a>,
    last_start: usize,
    count: Option<u32>,
    seen: u32,
    is_done: bool,
    /// Length of the entry before, and where it starts.
    before: (usize, usize),
}

impl<'a> Ziplist<'a> {
    /// Of these bytes, all of them.
    pub(crate) fn new(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        let mut rest = Input::new(bytes);
        let total = u32::from_le_bytes(rest.array().map_err(|_| DAMAGED)?);
        let last_start = u32::from_le_bytes(rest.array().map_err(|_| DAMAGED)?) as usize;
        let count = u16::from_le_bytes(rest.array().map_err(|_| DAMAGED)?);
        if total as usize != bytes.len() || bytes.len() == HEADER_BYTES {
            return Err(DAMAGED);
        }
        let count = (count != COUNT_UNKNOWN).then_some(u32::from(count));
        Ok(Ziplist { bytes, rest, last_start, count, seen: 0, before: (0, HEADER_BYTES), is_done: false })
    }

    fn entry(&mut self) -> Result<Option<Element<'a>>, DecodeError> {
        let start = self.bytes.len() - self.rest.rest().len();
        let before_len = match self.rest.byte()? {
            END => {
                let is_whole = self.rest.rest().is_empty() && self.count.is_none_or(|count| count == self.seen);
                return if is_whole && self.last_start == self.before.1 { Ok(None) } else { Err(DAMAGED) };
            }
            LONG => u32::from_le_bytes(self.rest.array()?) as usize,
            short => usize::from(short),
        };
        if before_len != self.before.0 {
            return Err(DAMAGED);
        }
        let element = self.body()?;
        let end = self.bytes.len() - self.rest.rest().len();
        self.before = (end - start, start);
        self.seen += 1;
        Ok(Some(element))
    }

    fn body(&mut self) -> Result<Element<'a>, DecodeError> {
        let rest = &mut self.rest;
        let head = rest.byte()?;
        let low = usize::from(head & 0x3f);
        let integer = match head {
            0..=0x3f => return rest.bytes(low).map(Element::Text),
            0x40..=0x7f => {
                let len = low << 8 | usize::from(rest.byte()?);
                return rest.bytes(len).map(Element::Text);
            }
            0x80..=0xbf => {
                let len = u32::from_be_bytes(rest.array()?);
                return rest.bytes(len as usize).map(Element::Text);
            }
            0xc0 => i64::from(i16::from_le_bytes(rest.array()?)),
            0xd0 => i64::from(i32::from_le_bytes(rest.array()?)),
            0xe0 => i64::from_le_bytes(rest.array()?),
            0xf0 => {
                let [a, b, c] = rest.array()?;
                i64::from(i32::from_le_bytes([0, a, b, c]) >> 8)
            }
            0xf1..=0xfd => i64::from(head - 0xf1),
            0xfe => i64::from(i8::from_le_bytes(rest.array()?)),
            _ => return Err(DAMAGED),
        };
        Ok(Element::Integer(integer))
    }
}

impl<'a> Iterator for Ziplist<'a> {
    type Item = Result<Element<'a>, DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_done {
            return None;
        }
        let entry = self.entry();
        self.is_done = !matches!(entry, Ok(Some(_)));
        entry.map_err(|_| DAMAGED).transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(bytes: &[u8]) -> Result<Vec<Element<'_>>, DecodeError> {
        Ziplist::new(bytes)?.collect()
    }

    /// Entries given as head and data.
    fn ziplist(entries: &[&[u8]]) -> Vec<u8> {
        let mut bytes = vec![0; HEADER_BYTES];
        let (mut before, mut last) = (0_usize, HEADER_BYTES);
        for entry in entries {
            last = bytes.len();
            if before < 254 {
                bytes.push(before as u8);
            } else {
                bytes.push(LONG);
                bytes.extend((before as u32).to_le_bytes());
            }
            bytes.extend_from_slice(entry);
            before = bytes.len() - last;
        }
        bytes.push(END);
        let total = bytes.len() as u32;
        bytes[..4].copy_from_slice(&total.to_le_bytes());
        bytes[4..8].copy_from_slice(&(last as u32).to_le_bytes());
        bytes[8..10].copy_from_slice(&(entries.len() as u16).to_le_bytes());
        bytes
    }

    #[test]
    fn every_form_of_entry() {
        let long = [&[0x40 | 1, 44][..], &[b'y'; 300]].concat();
        let longer = [&[0x80, 0, 0, 0, 2][..], b"zz"].concat();
        let bytes = ziplist(&[
            b"\x03abc",
            &long,
            &longer,
            &[0xc0, 0xfe, 0xff],
            &[0xd0, 0, 0, 0, 0x80],
            &[0xe0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f],
            &[0xf0, 0, 0, 0x80],
            &[0xfe, 0x80],
            &[0xf1],
            &[0xfd],
        ]);
        let integers = [-2, i64::from(i32::MIN), i64::MAX, -0x80_0000, -128, 0, 12];
        let texts = [Element::Text(b"abc"), Element::Text(&[b'y'; 300]), Element::Text(b"zz")];
        let expected: Vec<_> = texts.into_iter().chain(integers.map(Element::Integer)).collect();
        assert_eq!(read(&bytes), Ok(expected));
        (0..bytes.len()).for_each(|cut| assert_eq!(read(&bytes[..cut]), Err(DAMAGED), "{cut}"));
    }

    #[test]
    fn lengths_and_offsets_must_agree() {
        let good = ziplist(&[b"\x03abc", b"\x01d"]);
        assert!(read(&good).is_ok());
        for at in [0, 4, 8, 10, 11, 15, 16, good.len() - 1] {
            let mut bad = good.clone();
            bad[at] ^= 1;
            assert_eq!(read(&bad), Err(DAMAGED), "{at}");
        }
        assert_eq!(read(&ziplist(&[])), Ok(vec![]));
        assert_eq!(read(&ziplist(&[&[0xff]])), Err(DAMAGED));
        assert_eq!(read(&ziplist(&[&[0xc1, 0, 0]])), Err(DAMAGED));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_panic(mut bytes in prop::collection::vec(any::<u8>(), 11..200)) {
            let total = bytes.len() as u32;
            bytes[..4].copy_from_slice(&total.to_le_bytes());
            if let Ok(elements) = read(&bytes) {
                prop_assert!(elements.len() <= bytes.len());
            }
        }
    }
}
