//! Packs: the elements of a small collection in one run of bytes.
//!
//! ```text
//! | count 2, little endian | element | element | ..
//!
//! element   | encoding and length 1-5 | data | back length 1-5 |
//!           0xxxxxxx                              integer 0 .. 127
//!           10llllll                              string of up to 63 bytes
//!           110xxxxx xxxxxxxx                     13-bit integer, two's complement
//!           1110llll llllllll                     string of up to 4,095 bytes
//!           11110000 + 4 bytes little endian      string of any length
//!           11110001 / 0010 / 0011 / 0100 + 2/3/4/8 bytes   integer of that width
//! ```
//!
//! Elements are encoded as in Redis's listpack (documented at <https://github.com/antirez/listpack>), so that a pack turns
//! into one by adding header and terminator. The back length is the length of what stands before it, 7 bits per byte, most
//! significant group first, so that it can be read from its end: every byte but the first has the high bit set.
//! Texts that are exactly the printed form of an `i64` are kept as integers.

use crate::text::canonical_integer;

/// Bytes of the count.
pub const PACK_HEADER_BYTES: usize = 2;
/// Most elements of a pack.
pub const PACK_LEN_MAX: usize = u16::MAX as usize;
/// Longest string with a head of one byte.
const SHORT_LEN_MAX: usize = 63;

/// One element.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Packed<'a> {
    /// Bytes that are not the printed form of an integer.
    Bytes(&'a [u8]),
    /// An integer, standing for its printed form.
    Integer(i64),
}

impl<'a> Packed<'a> {
    /// What bytes become as an element.
    #[inline]
    pub fn of(bytes: &'a [u8]) -> Packed<'a> {
        canonical_integer(bytes).map_or(Packed::Bytes(bytes), Packed::Integer)
    }

    /// Shows its bytes to `visit`.
    #[inline]
    pub fn with_bytes<T>(self, visit: impl FnOnce(&[u8]) -> T) -> T {
        match self {
            Packed::Bytes(bytes) => visit(bytes),
            Packed::Integer(value) => visit(IntegerText::new(value).as_bytes()),
        }
    }

    /// A copy of its bytes.
    pub fn to_vec(self) -> Vec<u8> {
        self.with_bytes(<[u8]>::to_vec)
    }

    /// Length of its bytes.
    pub fn byte_len(self) -> usize {
        self.with_bytes(<[u8]>::len)
    }

    /// Bytes it takes in a pack.
    pub fn packed_len(self) -> usize {
        let len = match self {
            Packed::Bytes(bytes) => bytes.len() + string_header_len(bytes.len()),
            Packed::Integer(value) => integer_len(value),
        };
        len + back_length_bytes(len)
    }
}

/// The printed form of an integer, kept in place.
#[derive(Clone, Copy, Debug)]
pub struct IntegerText {
    bytes: [u8; 20],
    start: u8,
}

impl IntegerText {
    /// Prints `value`.
    #[inline]
    pub fn new(value: i64) -> IntegerText {
        let mut bytes = [0; 20];
        let mut at = bytes.len();
        let mut rest = value.unsigned_abs();
        loop {
            at -= 1;
            bytes[at] = b'0' + (rest % 10) as u8;
            rest /= 10;
            if rest == 0 {
                break;
            }
        }
        if value < 0 {
            at -= 1;
            bytes[at] = b'-';
        }
        IntegerText { bytes, start: at as u8 }
    }

    /// The text.
    #[inline]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[self.start as usize..]
    }
}

/// A pack, to be read. Offsets are from the start of the run, count included.
#[derive(Clone, Copy, Debug)]
pub struct Pack<'a>(&'a [u8]);

impl<'a> Pack<'a> {
    /// Without elements.
    pub const EMPTY: Pack<'static> = Pack(&[0; PACK_HEADER_BYTES]);

    /// Of the bytes that the functions of this module have made.
    #[inline]
    pub fn new(bytes: &'a [u8]) -> Pack<'a> {
        assert!(bytes.len() >= PACK_HEADER_BYTES, "a pack begins with its count");
        Pack(bytes)
    }

    /// All of its bytes.
    pub fn bytes(self) -> &'a [u8] {
        self.0
    }

    /// The elements' bytes, without the count.
    pub fn body(self) -> &'a [u8] {
        &self.0[PACK_HEADER_BYTES..]
    }

    /// Number of elements.
    #[inline]
    pub fn len(self) -> usize {
        usize::from(u16::from_le_bytes([self.0[0], self.0[1]]))
    }

    /// Whether there are none.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// Offset of the first element.
    pub fn start(self) -> usize {
        PACK_HEADER_BYTES
    }

    /// Offset behind the last element.
    pub fn end(self) -> usize {
        self.0.len()
    }

    /// The element at an offset, and the offset of the next.
    #[inline]
    pub fn read(self, offset: usize) -> (Packed<'a>, usize) {
        read(self.0, offset)
    }

    /// Offset of the element behind the one at `offset`.
    #[inline]
    pub fn next(self, offset: usize) -> usize {
        match self.0[offset] {
            0..0x80 => offset + 2,
            head @ 0x80..0xC0 => offset + 2 + usize::from(head & 0x3F),
            _ => self.read(offset).1,
        }
    }

    /// Offset of the element before `offset`, which is not the first's.
    #[inline]
    pub fn previous(self, offset: usize) -> usize {
        previous(self.0, offset)
    }

    /// Offset of the element with this index, from either end, whichever is nearer; `index` at most the count.
    pub fn offset_of(self, index: usize) -> usize {
        let len = self.len();
        assert!(index <= len, "the pack has {len} elements");
        if index <= len / 2 {
            (0..index).fold(self.start(), |offset, _| self.next(offset))
        } else {
            (index..len).fold(self.end(), |offset, _| self.previous(offset))
        }
    }

    /// The element with this index.
    pub fn get(self, index: usize) -> Option<Packed<'a>> {
        (index < self.len()).then(|| self.read(self.offset_of(index)).0)
    }

    /// The elements in order.
    #[inline]
    pub fn iter(self) -> PackIter<'a> {
        PackIter { bytes: self.0, offset: PACK_HEADER_BYTES }
    }

    /// Offset of the first of every `stride` elements that equals `wanted`, from the first on.
    #[inline]
    pub fn find(self, wanted: Packed<'_>, stride: usize) -> Option<usize> {
        match wanted {
            Packed::Bytes(text) if (1..=SHORT_LEN_MAX).contains(&text.len()) => self.find_short(text, stride),
            _ => self.find_any(wanted, stride),
        }
    }

    /// A short string is found by its first byte, which holds its length, and its last, in which names of one length differ
    /// most often.
    #[inline]
    fn find_short(self, text: &[u8], stride: usize) -> Option<usize> {
        let (len, last) = (text.len(), text[text.len() - 1]);
        let head = 0x80 | len as u8;
        let mut offset = self.start();
        while offset < self.0.len() {
            if self.0[offset] == head && self.0[offset + len] == last && &self.0[offset + 1..offset + 1 + len] == text {
                return Some(offset);
            }
            for _ in 0..stride {
                offset = self.next(offset);
            }
        }
        None
    }

    fn find_any(self, wanted: Packed<'_>, stride: usize) -> Option<usize> {
        let mut offset = self.start();
        while offset < self.0.len() {
            if self.read(offset).0 == wanted {
                return Some(offset);
            }
            for _ in 0..stride {
                offset = self.next(offset);
            }
        }
        None
    }
}

/// Iterates the elements of a pack from the front.
#[derive(Clone, Debug)]
pub struct PackIter<'a> {
    bytes: &'a [u8],
    offset: usize,
}

impl<'a> Iterator for PackIter<'a> {
    type Item = Packed<'a>;

    #[inline]
    fn next(&mut self) -> Option<Packed<'a>> {
        if self.offset >= self.bytes.len() {
            return None;
        }
        let (element, next) = read(self.bytes, self.offset);
        self.offset = next;
        Some(element)
    }
}

/// Reads the element at `offset` of a run of elements; returns the offset behind it.
#[inline]
pub fn read(bytes: &[u8], offset: usize) -> (Packed<'_>, usize) {
    let first = bytes[offset];
    let (value, len) = if first & 0x80 == 0 {
        (Packed::Integer(i64::from(first)), 1)
    } else if first & 0xC0 == 0x80 {
        let len = usize::from(first & 0x3F);
        (Packed::Bytes(&bytes[offset + 1..offset + 1 + len]), 1 + len)
    } else {
        read_long(bytes, offset, first)
    };
    (value, offset + len + back_length_bytes(len))
}

fn read_long(bytes: &[u8], offset: usize, first: u8) -> (Packed<'_>, usize) {
    let data = &bytes[offset + 1..];
    let integer = |width: usize| {
        let mut wide = [if data[width - 1] & 0x80 != 0 { 0xFF } else { 0 }; 8];
        wide[..width].copy_from_slice(&data[..width]);
        (Packed::Integer(i64::from_le_bytes(wide)), 1 + width)
    };
    match first {
        0xC0..=0xDF => {
            let raw = i64::from(first & 0x1F) << 8 | i64::from(data[0]);
            (Packed::Integer(if raw >= 1 << 12 { raw - (1 << 13) } else { raw }), 2)
        }
        0xE0..=0xEF => {
            let len = usize::from(first & 0x0F) << 8 | usize::from(data[0]);
            (Packed::Bytes(&data[1..1 + len]), 2 + len)
        }
        0xF0 => {
            let len = u32::from_le_bytes([data[0], data[1], data[2], data[3]]) as usize;
            (Packed::Bytes(&data[4..4 + len]), 5 + len)
        }
        0xF1 => integer(2),
        0xF2 => integer(3),
        0xF3 => integer(4),
        0xF4 => integer(8),
        _ => unreachable!("no element is written with the encoding {first:#x}"),
    }
}

/// Offset of the element that ends where the one at `offset` begins.
#[inline]
pub fn previous(bytes: &[u8], offset: usize) -> usize {
    let (mut len, mut shift, mut at) = (0usize, 0, offset - 1);
    loop {
        let byte = bytes[at];
        len |= usize::from(byte & 0x7F) << shift;
        if byte & 0x80 == 0 {
            return at - len;
        }
        shift += 7;
        at -= 1;
    }
}

/// Appends an element.
#[inline]
pub fn push(out: &mut Vec<u8>, element: Packed<'_>) {
    let len = match element {
        Packed::Integer(value) => push_integer(out, value),
        Packed::Bytes(bytes) => push_string(out, bytes),
    };
    push_back_length(out, len);
}

/// Writes an element over bytes that are exactly as long as it is in a pack.
#[inline]
pub(crate) fn write(to: &mut [u8], element: Packed<'_>) {
    let len = match element {
        Packed::Bytes(bytes) if bytes.len() < 64 => {
            to[0] = 0x80 | bytes.len() as u8;
            to[1..=bytes.len()].copy_from_slice(bytes);
            to[bytes.len() + 1] = bytes.len() as u8 + 1;
            return;
        }
        Packed::Bytes(bytes) => write_long(to, bytes),
        Packed::Integer(value) => {
            let (head, len) = integer_head(value);
            to[..len].copy_from_slice(&head[..len]);
            len
        }
    };
    let groups = back_length_bytes(len);
    for (at, group) in (0..groups).rev().enumerate() {
        let more = if at == 0 { 0 } else { 0x80 };
        to[len + at] = (len >> (7 * group)) as u8 & 0x7F | more;
    }
}

/// A string of 64 bytes or more, without its back length.
fn write_long(to: &mut [u8], bytes: &[u8]) -> usize {
    let len = bytes.len();
    let header = string_header_len(len);
    if header == 2 {
        to[..2].copy_from_slice(&[0xE0 | (len >> 8) as u8, len as u8]);
    } else {
        to[0] = 0xF0;
        to[1..5].copy_from_slice(&u32::try_from(len).expect("elements are shorter than 4 GiB").to_le_bytes());
    }
    to[header..header + len].copy_from_slice(bytes);
    header + len
}

/// Writes a string over the element at `offset` if that is a string of the same length. False: nothing was done.
#[inline]
pub fn overwrite(bytes: &mut [u8], offset: usize, element: Packed<'_>) -> bool {
    let Packed::Bytes(text) = element else { return false };
    let Packed::Bytes(old) = read(bytes, offset).0 else { return false };
    if old.len() != text.len() {
        return false;
    }
    let start = offset + string_header_len(text.len());
    bytes[start..start + text.len()].copy_from_slice(text);
    true
}

/// A new pack of these elements.
pub fn pack_of<'a>(elements: impl IntoIterator<Item = Packed<'a>>) -> Vec<u8> {
    let mut out = vec![0; PACK_HEADER_BYTES];
    let mut count = 0;
    for element in elements {
        push(&mut out, element);
        count += 1;
    }
    set_count(&mut out, count);
    out
}

/// Writes the number of elements into the head of a pack.
pub fn set_count(pack: &mut [u8], count: usize) {
    let count = u16::try_from(count).expect("a pack has a limited number of elements");
    pack[..PACK_HEADER_BYTES].copy_from_slice(&count.to_le_bytes());
}

fn push_integer(out: &mut Vec<u8>, value: i64) -> usize {
    let (head, len) = integer_head(value);
    out.extend_from_slice(&head[..len]);
    len
}

/// An integer's encoding and data, and how many bytes they are.
#[inline]
fn integer_head(value: i64) -> ([u8; 9], usize) {
    let len = integer_len(value);
    let mut head = [0; 9];
    match len {
        1 => head[0] = value as u8,
        2 => head[..2].copy_from_slice(&[0xC0 | (value >> 8 & 0x1F) as u8, value as u8]),
        _ => {
            head[0] = match len {
                3 => 0xF1,
                4 => 0xF2,
                5 => 0xF3,
                _ => 0xF4,
            };
            head[1..].copy_from_slice(&value.to_le_bytes());
        }
    }
    (head, len)
}

fn push_string(out: &mut Vec<u8>, bytes: &[u8]) -> usize {
    let len = bytes.len();
    match string_header_len(len) {
        1 => out.push(0x80 | len as u8),
        2 => out.extend_from_slice(&[0xE0 | (len >> 8) as u8, len as u8]),
        _ => {
            let len = u32::try_from(len).expect("elements of packs are shorter than 4 GiB");
            out.push(0xF0);
            out.extend_from_slice(&len.to_le_bytes());
        }
    }
    out.extend_from_slice(bytes);
    string_header_len(len) + len
}

fn push_back_length(out: &mut Vec<u8>, len: usize) {
    let bytes = back_length_bytes(len);
    for group in (0..bytes).rev() {
        let more = if group + 1 == bytes { 0 } else { 0x80 };
        out.push((len >> (7 * group)) as u8 & 0x7F | more);
    }
}

/// Bytes of encoding and data.
fn integer_len(value: i64) -> usize {
    match value {
        0..=127 => 1,
        -4096..=4095 => 2,
        -32_768..=32_767 => 3,
        -8_388_608..=8_388_607 => 4,
        -2_147_483_648..=2_147_483_647 => 5,
        _ => 9,
    }
}

fn string_header_len(len: usize) -> usize {
    match len {
        0..64 => 1,
        64..4096 => 2,
        _ => 5,
    }
}

/// Bytes that the back length of an element of `len` bytes takes.
#[inline]
fn back_length_bytes(len: usize) -> usize {
    match len {
        0..128 => 1,
        128..16_384 => 2,
        16_384..2_097_152 => 3,
        2_097_152..268_435_456 => 4,
        _ => 5,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples() -> Vec<Vec<u8>> {
        let mut samples: Vec<Vec<u8>> =
            [0, 1, 63, 64, 100, 127, 128, 4095, 4096, 20_000].map(|len| vec![b'x'; len]).into();
        let edges =
            [0i64, 127, 128, 4095, 4096, 32_767, 32_768, 8_388_607, 8_388_608, i64::from(i32::MAX), 1 << 40, i64::MAX];
        for value in edges {
            samples.extend([value, -value, -value - 1].map(|value| value.to_string().into_bytes()));
        }
        samples.extend([&b"007"[..], b"-0", b"+1", b"1.5"].map(<[u8]>::to_vec));
        samples
    }

    #[test]
    fn what_is_pushed_is_read_in_both_directions() {
        let samples = samples();
        let bytes = pack_of(samples.iter().map(|sample| Packed::of(sample)));
        let pack = Pack::new(&bytes);
        assert_eq!(pack.len(), samples.len());
        assert!(pack.iter().map(Packed::to_vec).eq(samples.iter().cloned()));
        let mut offset = pack.end();
        for (index, sample) in samples.iter().enumerate().rev() {
            offset = pack.previous(offset);
            assert_eq!(&pack.read(offset).0.to_vec(), sample);
            assert_eq!(pack.offset_of(index), offset);
            let len = Packed::of(sample).packed_len();
            assert_eq!(pack.next(offset) - offset, len);
            let mut written = vec![0xEE; len];
            write(&mut written, Packed::of(sample));
            assert_eq!(written, bytes[offset..offset + len]);
        }
        assert_eq!(offset, pack.start());
        assert_eq!(pack.get(samples.len()), None);
    }

    #[test]
    fn elements_are_found_at_their_stride_only() {
        let bytes = pack_of([&b"a"[..], b"b", b"b", b"7", b"7", b"a"].map(Packed::of));
        let pack = Pack::new(&bytes);
        assert_eq!(pack.find(Packed::of(b"b"), 1), Some(pack.offset_of(1)));
        assert_eq!(pack.find(Packed::of(b"b"), 2), Some(pack.offset_of(2)));
        assert_eq!(pack.find(Packed::of(b"7"), 2), Some(pack.offset_of(4)));
        assert_eq!(pack.find(Packed::of(b"07"), 1), None);
    }

    #[test]
    fn names_of_any_length_are_found() {
        let names: Vec<Vec<u8>> = [0, 1, 2, 62, 63, 64, 65, 4095, 4096].map(|len| vec![b'x'; len]).into();
        let bytes = pack_of(names.iter().flat_map(|name| [Packed::of(name), Packed::Integer(7)]));
        let pack = Pack::new(&bytes);
        for (index, name) in names.iter().enumerate() {
            assert_eq!(pack.find(Packed::of(name), 2), Some(pack.offset_of(index * 2)), "{}", name.len());
            let mut other = name.clone();
            other.push(b'y');
            assert_eq!(pack.find(Packed::of(&other), 2), None);
            if let Some(first) = other.first_mut() {
                *first = b'z';
            }
            assert_eq!(pack.find(Packed::of(&other[..name.len().max(1)]), 2), None);
        }
    }

    #[test]
    fn only_strings_of_one_length_are_overwritten() {
        for len in [1, 63, 64, 5000] {
            let old = vec![b'x'; len];
            let mut bytes = pack_of([Packed::of(&old), Packed::Integer(5)]);
            let integer_at = Pack::new(&bytes).offset_of(1);
            assert!(!overwrite(&mut bytes, 2, Packed::of(&vec![b'y'; len + 1])));
            assert!(!overwrite(&mut bytes, 2, Packed::Integer(1)));
            assert!(!overwrite(&mut bytes, integer_at, Packed::Bytes(b"y")));
            let new = vec![b'y'; len];
            assert!(overwrite(&mut bytes, 2, Packed::of(&new)));
            assert_eq!(bytes, pack_of([Packed::of(&new), Packed::Integer(5)]));
        }
    }

    #[test]
    fn integers_print_as_they_were() {
        for value in [0, 9, 10, -1, i64::MAX, i64::MIN] {
            assert_eq!(IntegerText::new(value).as_bytes(), value.to_string().as_bytes());
        }
    }
}
