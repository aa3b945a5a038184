//! The zipmap, in which Redis up to 2.4 kept small hashes. Torc only reads it.
//!
//! ```text
//!   pairs u8 (254 and more: too many to say) | len key, len free value free-bytes ... | 0xff
//!   len = 1 byte below 254, or 0xfe and u32
//! ```

use crate::error::DecodeError;
use crate::input::Input;
use crate::listpack::Element;

const COUNT_UNKNOWN: u8 = 254;
const LONG: u8 = 0xfe;
const END: u8 = 0xff;
const DAMAGED: DecodeError = DecodeError::Malformed("zipmap");

/// Keys and values in turn, checked on the way; after an error there is nothing more.
#[derive(Debug, Clone)]
pub(crate) struct Zipmap<'a> {
    rest: Input<'a>,
    count: Option<usize>,
    /// Keys and values.
    seen: usize,
    is_done: bool,
}

impl<'a> Zipmap<'a> {
    /// Of these bytes, all of them.
    pub(crate) fn new(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        let mut rest = Input::new(bytes);
        let count = rest.byte().map_err(|_| DAMAGED)?;
        if rest.rest().is_empty() {
            return Err(DAMAGED);
        }
        Ok(Zipmap { rest, count: (count < COUNT_UNKNOWN).then_some(usize::from(count)), seen: 0, is_done: false })
    }

    fn part(&mut self) -> Result<Option<Element<'a>>, DecodeError> {
        let is_value = self.seen % 2 == 1;
        let len = match self.rest.byte()? {
            END => {
                let is_whole = self.rest.rest().is_empty() && self.count.is_none_or(|count| count * 2 == self.seen);
                return if is_whole && !is_value { Ok(None) } else { Err(DAMAGED) };
            }
            LONG => {
                let len = u32::from_le_bytes(self.rest.array()?);
                if len < u32::from(LONG) {
                    return Err(DAMAGED);
                }
                len as usize
            }
            short => usize::from(short),
        };
        let free = if is_value { self.rest.byte()? } else { 0 };
        let text = self.rest.bytes(len)?;
        self.rest.bytes(usize::from(free))?;
        self.seen += 1;
        Ok(Some(Element::Text(text)))
    }
}

impl<'a> Iterator for Zipmap<'a> {
    type Item = Result<Element<'a>, DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_done {
            return None;
        }
        let part = self.part();
        self.is_done = !matches!(part, Ok(Some(_)));
        part.map_err(|_| DAMAGED).transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(bytes: &[u8]) -> Result<Vec<Element<'_>>, DecodeError> {
        Zipmap::new(bytes)?.collect()
    }

    #[test]
    fn pairs_with_free_bytes_and_long_strings() {
        let mut bytes = b"\x02\x03foo\x03\x00bar\x01a\xfe".to_vec();
        bytes.extend(300_u32.to_le_bytes());
        bytes.push(2);
        bytes.extend([b'v'; 302]);
        bytes.push(END);
        let expected = [&b"foo"[..], b"bar", b"a", &[b'v'; 300]].map(Element::Text).to_vec();
        assert_eq!(read(&bytes), Ok(expected));
        (0..bytes.len()).for_each(|cut| assert_eq!(read(&bytes[..cut]), Err(DAMAGED), "{cut}"));
        bytes[0] = 3;
        assert_eq!(read(&bytes), Err(DAMAGED));
        bytes[0] = 254;
        assert!(read(&bytes).is_ok());
    }

    #[test]
    fn a_key_needs_its_value() {
        assert_eq!(read(b"\x01\x01a\xff"), Err(DAMAGED));
        assert_eq!(read(b"\x00\xff"), Ok(vec![]));
        assert_eq!(read(b"\x00\xff\xff"), Err(DAMAGED));
        assert_eq!(read(b"\x01\xfe\x01\0\0\0a\x01\x00b\xff"), Err(DAMAGED), "a long form of a short length");
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_panic(bytes: Vec<u8>) {
            if let Ok(parts) = read(&bytes) {
                prop_assert!(parts.len() % 2 == 0);
            }
        }
    }
}
