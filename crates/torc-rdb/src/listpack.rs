//! The listpack: many small strings and integers in one.
//!
//! ```text
//!   total bytes u32 | elements u16 (65,535: too many to say) | element... | 0xff
//!
//!   element = head, data, and the length of both, written so that it can be read backwards
//!   0nnnnnnn                 integer 0..127          1110llll llllllll        string up to 4,095 bytes
//!   10llllll                 string up to 63 bytes   0xf0 + u32               longer string
//!   110nnnnn nnnnnnnn        integer of 13 bits      0xf1 .. 0xf4             integer of 16, 24, 32, 64 bits
//! ```

use torc_resp::number::{I64Text, parse_i64};

use crate::error::DecodeError;
use crate::input::Input;

const HEADER_BYTES: usize = 6;
const COUNT_UNKNOWN: u16 = u16::MAX;
const END: u8 = 0xff;
const DAMAGED: DecodeError = DecodeError::Malformed("listpack");

/// An element of a packed collection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Element<'a> {
    /// A string that was an integer's text.
    Integer(i64),
    /// A string.
    Text(&'a [u8]),
}

impl Element<'_> {
    /// The string.
    pub(crate) fn into_vec(self) -> Vec<u8> {
        match self {
            Element::Integer(integer) => I64Text::new(integer).as_bytes().to_vec(),
            Element::Text(text) => text.to_vec(),
        }
    }

    /// The integer; `None` for other strings, even for the text of one.
    pub(crate) fn as_integer(self) -> Option<i64> {
        match self {
            Element::Integer(integer) => Some(integer),
            Element::Text(_) => None,
        }
    }
}

/// The elements of a listpack, checked on the way; after an error there is nothing more.
#[derive(Debug, Clone)]
pub(crate) struct Listpack<'a> {
    /// What follows: elements and the end mark.
    rest: Input<'a>,
    /// How many elements there must be.
    count: Option<u32>,
    seen: u32,
    is_done: bool,
}

impl<'a> Listpack<'a> {
    /// Of these bytes, all of them.
    pub(crate) fn new(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        let mut rest = Input::new(bytes);
        let total = u32::from_le_bytes(rest.array().map_err(|_| DAMAGED)?);
        let count = u16::from_le_bytes(rest.array().map_err(|_| DAMAGED)?);
        if total as usize != bytes.len() || bytes.len() == HEADER_BYTES {
            return Err(DAMAGED);
        }
        let count = (count != COUNT_UNKNOWN).then_some(u32::from(count));
        Ok(Listpack { rest, count, seen: 0, is_done: false })
    }

    /// The next element, which must be there.
    pub(crate) fn expect(&mut self) -> Result<Element<'a>, DecodeError> {
        self.next().unwrap_or(Err(DAMAGED))
    }

    /// The next element, which must be an integer.
    pub(crate) fn expect_integer(&mut self) -> Result<i64, DecodeError> {
        self.expect()?.as_integer().ok_or(DAMAGED)
    }

    /// Whether elements are left.
    pub(crate) fn has_more(&self) -> bool {
        !matches!(self.rest.rest(), [] | [END])
    }

    fn element(&mut self) -> Result<Option<Element<'a>>, DecodeError> {
        let start = self.rest.rest();
        let head = self.rest.byte()?;
        if head == END {
            let is_whole = self.rest.rest().is_empty() && self.count.is_none_or(|count| count == self.seen);
            return if is_whole { Ok(None) } else { Err(DAMAGED) };
        }
        let element = self.body(head)?;
        let len = start.len() - self.rest.rest().len();
        let (mark, mark_len) = backward_length(len);
        if self.rest.bytes(mark_len)? != &mark[..mark_len] {
            return Err(DAMAGED);
        }
        self.seen += 1;
        Ok(Some(element))
    }

    fn body(&mut self, head: u8) -> Result<Element<'a>, DecodeError> {
        let rest = &mut self.rest;
        let low = usize::from(head);
        let integer = match head {
            0..=0x7f => i64::from(head),
            0x80..=0xbf => return rest.bytes(low & 0x3f).map(Element::Text),
            0xc0..=0xdf => {
                let bits = (i64::from(head) & 0x1f) << 8 | i64::from(rest.byte()?);
                bits << 51 >> 51
            }
            0xe0..=0xef => {
                let len = (low & 0xf) << 8 | usize::from(rest.byte()?);
                return rest.bytes(len).map(Element::Text);
            }
            0xf0 => {
                let len = u32::from_le_bytes(rest.array()?);
                return rest.bytes(len as usize).map(Element::Text);
            }
            0xf1 => i64::from(i16::from_le_bytes(rest.array()?)),
            0xf2 => {
                let [a, b, c] = rest.array()?;
                i64::from(i32::from_le_bytes([0, a, b, c]) >> 8)
            }
            0xf3 => i64::from(i32::from_le_bytes(rest.array()?)),
            0xf4 => i64::from_le_bytes(rest.array()?),
            0xf5..=0xff => return Err(DAMAGED),
        };
        Ok(Element::Integer(integer))
    }
}

impl<'a> Iterator for Listpack<'a> {
    type Item = Result<Element<'a>, DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_done {
            return None;
        }
        let element = self.element();
        self.is_done = !matches!(element, Ok(Some(_)));
        element.map_err(|_| DAMAGED).transpose()
    }
}

/// The length of an element as it stands behind it: 7 bits a byte, high ones first, and a flag in all bytes but the first.
/// The limits are those of Redis, which stop one short of what the bytes could say.
fn backward_length(len: usize) -> ([u8; 5], usize) {
    let bytes = match len {
        0..=127 => 1,
        128..=16_382 => 2,
        16_383..=2_097_150 => 3,
        2_097_151..=268_435_454 => 4,
        _ => 5,
    };
    let mut mark = [0; 5];
    for (at, byte) in mark[..bytes].iter_mut().enumerate() {
        let flag = if at == 0 { 0 } else { 0x80 };
        *byte = (len >> (7 * (bytes - 1 - at)) & 0x7f) as u8 | flag;
    }
    (mark, bytes)
}

/// A listpack that is being made.
#[derive(Debug)]
pub(crate) struct ListpackBuilder {
    bytes: Vec<u8>,
    count: u32,
}

impl ListpackBuilder {
    /// Without elements.
    pub(crate) fn new() -> Self {
        ListpackBuilder { bytes: vec![0; HEADER_BYTES], count: 0 }
    }

    /// Takes all elements out.
    pub(crate) fn clear(&mut self) {
        self.bytes.truncate(HEADER_BYTES);
        self.count = 0;
    }

    /// How many elements there are.
    pub(crate) fn count(&self) -> usize {
        self.count as usize
    }

    /// The size of the whole, had it its end.
    pub(crate) fn len(&self) -> usize {
        self.bytes.len() + 1
    }

    /// Appends a string, as an integer if it is one's text.
    pub(crate) fn push(&mut self, string: &[u8]) {
        match parse_i64(string) {
            Some(integer) => self.push_integer(integer),
            None => self.push_text(string),
        }
    }

    /// Appends an integer.
    pub(crate) fn push_integer(&mut self, integer: i64) {
        let start = self.bytes.len();
        let out = &mut self.bytes;
        match integer {
            0..=127 => out.push(integer as u8),
            -4096..=4095 => out.extend([0xc0 | (integer >> 8) as u8 & 0x1f, integer as u8]),
            -0x8000..=0x7fff => {
                out.push(0xf1);
                out.extend_from_slice(&integer.to_le_bytes()[..2]);
            }
            -0x80_0000..=0x7f_ffff => {
                out.push(0xf2);
                out.extend_from_slice(&integer.to_le_bytes()[..3]);
            }
            -0x8000_0000..=0x7fff_ffff => {
                out.push(0xf3);
                out.extend_from_slice(&integer.to_le_bytes()[..4]);
            }
            _ => {
                out.push(0xf4);
                out.extend_from_slice(&integer.to_le_bytes());
            }
        }
        self.end_element(start);
    }

    /// Appends all elements of another one.
    pub(crate) fn append(&mut self, other: &ListpackBuilder) {
        self.bytes.extend_from_slice(&other.bytes[HEADER_BYTES..]);
        self.count += other.count;
    }

    /// The whole. Nothing may be appended until it is cleared.
    pub(crate) fn finish(&mut self) -> &[u8] {
        self.bytes.push(END);
        let total = u32::try_from(self.bytes.len()).expect("callers keep listpacks far below 4 GiB");
        let count = self.count.min(u32::from(COUNT_UNKNOWN)) as u16;
        self.bytes[..4].copy_from_slice(&total.to_le_bytes());
        self.bytes[4..HEADER_BYTES].copy_from_slice(&count.to_le_bytes());
        &self.bytes
    }

    fn push_text(&mut self, text: &[u8]) {
        let start = self.bytes.len();
        match text.len() {
            len @ 0..64 => self.bytes.push(0x80 | len as u8),
            len @ 64..4096 => self.bytes.extend([0xe0 | (len >> 8) as u8, len as u8]),
            len => {
                self.bytes.push(0xf0);
                let len = u32::try_from(len).expect("callers keep elements far below 4 GiB");
                self.bytes.extend(len.to_le_bytes());
            }
        }
        self.bytes.extend_from_slice(text);
        self.end_element(start);
    }

    fn end_element(&mut self, start: usize) {
        let (mark, mark_len) = backward_length(self.bytes.len() - start);
        self.bytes.extend_from_slice(&mark[..mark_len]);
        self.count += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(bytes: &[u8]) -> Result<Vec<Vec<u8>>, DecodeError> {
        Listpack::new(bytes)?.map(|element| element.map(Element::into_vec)).collect()
    }

    #[test]
    fn known_bytes() {
        let mut pack = ListpackBuilder::new();
        pack.push(b"a");
        pack.push(b"1");
        pack.push(b"-1");
        let bytes = pack.finish();
        assert_eq!(bytes, [16, 0, 0, 0, 3, 0, 0x81, b'a', 2, 1, 1, 0xdf, 0xff, 2, 0xff][..].to_vec().tap_total());
        assert_eq!(read(bytes), Ok(vec![b"a".to_vec(), b"1".to_vec(), b"-1".to_vec()]));
    }

    trait TapTotal {
        fn tap_total(self) -> Self;
    }

    impl TapTotal for Vec<u8> {
        /// The first byte says how many there are.
        fn tap_total(mut self) -> Self {
            self[0] = self.len() as u8;
            self
        }
    }

    #[test]
    fn lengths_around_the_limits() {
        for len in
            [0, 63, 64, 123, 124, 125, 126, 127, 4095, 4096, 16_373, 16_374, 16_378, 16_400, 2_097_140, 2_097_150]
        {
            let text = vec![b'x'; len];
            let mut pack = ListpackBuilder::new();
            pack.push(&text);
            assert_eq!(read(pack.finish()), Ok(vec![text]), "{len}");
        }
        assert_eq!(backward_length(16_383), ([0, 0xff, 0xff, 0, 0], 3));
        assert_eq!(backward_length(16_382), ([0x7f, 0xfe, 0, 0, 0], 2));
    }

    #[test]
    fn damage_is_an_error() {
        let mut pack = ListpackBuilder::new();
        pack.push(b"hello");
        pack.push(b"1000");
        let good = pack.finish().to_vec();
        assert!(read(&good).is_ok());
        for at in 0..good.len() {
            assert!(read(&good[..at]).is_err(), "cut at {at}");
            // Text and the integer's low byte may be anything.
            let is_content = (7..12).contains(&at) || at == 14;
            for bit in (0..8).filter(|_| !is_content) {
                let mut bad = good.clone();
                bad[at] ^= 1 << bit;
                // An integer's high bits share a byte with the head.
                assert!(read(&bad).is_err() || at == 13, "{at} {bit}");
            }
        }
        assert!(read(&[8, 0, 0, 0, 1, 0, 5, 1]).is_err(), "no end mark");
        assert!(read(&[7, 0, 0, 0, 0, 0, 0xff]).is_ok_and(|elements| elements.is_empty()));
        assert!(read(&[6, 0, 0, 0, 0, 0]).is_err());
    }

    proptest! {
        #[test]
        fn what_is_pushed_is_read(strings in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 0..50), integers: Vec<i64>, shift in 0..64_u32) {
            let mut pack = ListpackBuilder::new();
            let integers = integers.iter().map(|integer| (integer >> shift).to_string().into_bytes());
            let all: Vec<Vec<u8>> = strings.into_iter().chain(integers).collect();
            all.iter().for_each(|string| pack.push(string));
            prop_assert_eq!(read(pack.finish()), Ok(all));
        }

        #[test]
        fn any_bytes_are_read_without_panic(mut bytes: Vec<u8>) {
            if bytes.len() >= 4 {
                let total = bytes.len() as u32;
                bytes[..4].copy_from_slice(&total.to_le_bytes());
            }
            if let Ok(elements) = read(&bytes) {
                prop_assert!(elements.len() <= bytes.len());
            }
        }
    }
}
