//! Values to bytes: an encoder bound to a connection's output buffer and to the protocol version its session speaks.
//!
//! Commands say what they mean (a map, a double, a null) and the encoder picks the wire form: RESP3 has types of its own
//! where RESP2 makes do with arrays and bulk strings. Every method reserves its space once, then only stores.

use bytes::Bytes;

use crate::error::ProtocolError;
use crate::number::{self, I64Text};
use crate::output::{LONG_BYTES_MIN, OutputBuffer};

/// The version of the protocol a session speaks; every session starts with version 2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// What clients speak until they ask for something else.
    Resp2,
    /// Chosen with `HELLO 3`: adds maps, sets, doubles, booleans, pushes and one null for everything.
    Resp3,
}

/// Appends replies to a buffer in the wire form of one protocol version.
///
/// Aggregates are written as a header followed by the elements; the caller writes as many as it announced.
pub struct Reply<'a> {
    out: &'a mut OutputBuffer,
    protocol: Protocol,
}

impl<'a> Reply<'a> {
    /// An encoder that appends to `out`.
    #[inline]
    pub fn new(out: &'a mut OutputBuffer, protocol: Protocol) -> Self {
        Self { out, protocol }
    }

    /// The protocol version this encoder writes.
    #[inline]
    pub fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// The buffer itself, for what no method here covers.
    #[inline]
    pub fn buffer(&mut self) -> &mut OutputBuffer {
        self.out
    }

    /// `+OK`.
    #[inline]
    pub fn ok(&mut self) {
        self.out.extend_from_slice(b"+OK\r\n");
    }

    /// A status such as `PONG`. `text` must not hold a line end.
    pub fn simple(&mut self, text: &str) {
        debug_assert!(!text.bytes().any(is_line_end), "a status is one line");
        self.line(b'+', text.as_bytes());
    }

    /// An error; `text` begins with its code (`ERR`, `WRONGTYPE`). Line ends in it become spaces, or they would end the reply.
    #[cold]
    pub fn error(&mut self, text: impl AsRef<[u8]>) {
        let text = text.as_ref();
        if text.iter().copied().any(is_line_end) {
            let flat: Vec<u8> = text.iter().map(|&byte| if is_line_end(byte) { b' ' } else { byte }).collect();
            self.line(b'-', &flat);
        } else {
            self.line(b'-', text);
        }
    }

    /// The error reply that precedes closing a connection over a protocol violation.
    #[cold]
    pub fn protocol_error(&mut self, error: ProtocolError) {
        let mut text = Vec::new();
        error.write_to(&mut text);
        self.line(b'-', &text);
    }

    /// An integer.
    #[inline]
    pub fn integer(&mut self, value: i64) {
        if (0..10).contains(&value) {
            self.out.extend_from_slice(&[b':', b'0' + value as u8, b'\r', b'\n']);
        } else {
            self.header(b':', value);
        }
    }

    /// A string of bytes.
    #[inline]
    pub fn bulk(&mut self, bytes: &[u8]) {
        if bytes.len() >= LONG_BYTES_MIN {
            return self.long_bulk(bytes);
        }
        self.out.reserve(bytes.len() + BULK_OVERHEAD_MAX);
        self.length_header(b'$', bytes.len());
        self.out.extend_from_slice(bytes);
        self.out.extend_from_slice(b"\r\n");
    }

    #[cold]
    #[inline(never)]
    fn long_bulk(&mut self, bytes: &[u8]) {
        self.length_header(b'$', bytes.len());
        self.out.extend_long(bytes);
        self.out.extend_from_slice(b"\r\n");
    }

    /// A string of bytes that somebody else keeps as well; a long one is not copied.
    pub fn shared_bulk(&mut self, bytes: Bytes) {
        self.length_header(b'$', bytes.len());
        self.out.share(bytes);
        self.out.extend_from_slice(b"\r\n");
    }

    /// A string that holds what is in another buffer, which is empty then.
    pub fn bulk_of(&mut self, content: &mut OutputBuffer) {
        self.length_header(b'$', content.len());
        self.out.append(content);
        self.out.extend_from_slice(b"\r\n");
    }

    /// Strings of `len` bytes each, which lie one behind another. Their common head is made once.
    pub fn bulks(&mut self, bytes: &[u8], len: usize) {
        assert!(len > 0, "the number of empty strings cannot be told from their bytes");
        if len >= LONG_BYTES_MIN {
            return bytes.chunks_exact(len).for_each(|string| self.long_bulk(string));
        }
        let mut head = [0; BULK_OVERHEAD_MAX];
        let head_len = bulk_head(&mut head, len);
        let unit = head_len + len + 2;
        if len >= FILLED_BYTES_MIN {
            // Zeros that are written over would take as long as the copy.
            for string in bytes.chunks_exact(len) {
                self.out.reserve(unit);
                self.out.extend_from_slice(&head[..head_len]);
                self.out.extend_from_slice(string);
                self.out.extend_from_slice(b"\r\n");
            }
            return;
        }
        for group in bytes.chunks(len * (LONG_BYTES_MIN / unit).max(1)) {
            let places = self.out.extend_by(group.len() / len * unit).chunks_exact_mut(unit);
            for (place, string) in places.zip(group.chunks_exact(len)) {
                place[..head_len].copy_from_slice(&head[..head_len]);
                place[head_len..head_len + len].copy_from_slice(string);
                place[head_len + len..].copy_from_slice(b"\r\n");
            }
        }
    }

    /// An integer as a string of its decimal digits, as GET answers for a counter.
    #[inline]
    pub fn bulk_integer(&mut self, value: i64) {
        self.bulk(I64Text::new(value).as_bytes());
    }

    /// Nothing: no such key, no such field.
    #[inline]
    pub fn null(&mut self) {
        match self.protocol {
            Protocol::Resp2 => self.out.extend_from_slice(b"$-1\r\n"),
            Protocol::Resp3 => self.out.extend_from_slice(b"_\r\n"),
        }
    }

    /// Nothing where an array was expected: a blocking pop that timed out, an aborted EXEC.
    #[inline]
    pub fn null_array(&mut self) {
        match self.protocol {
            Protocol::Resp2 => self.out.extend_from_slice(b"*-1\r\n"),
            Protocol::Resp3 => self.out.extend_from_slice(b"_\r\n"),
        }
    }

    /// The header of an array of `len` elements.
    #[inline]
    pub fn array(&mut self, len: usize) {
        self.length_header(b'*', len);
    }

    /// The header of a map of `pairs` keys and values; RESP2 shows it as an array twice as long.
    #[inline]
    pub fn map(&mut self, pairs: usize) {
        match self.protocol {
            Protocol::Resp2 => self.length_header(b'*', pairs * 2),
            Protocol::Resp3 => self.length_header(b'%', pairs),
        }
    }

    /// The header of a set of `len` members; RESP2 shows it as an array.
    #[inline]
    pub fn set(&mut self, len: usize) {
        self.aggregate(b'~', len);
    }

    /// The header of an out-of-band message of `len` elements; RESP2 shows it as an array.
    #[inline]
    pub fn push(&mut self, len: usize) {
        self.aggregate(b'>', len);
    }

    /// A floating-point number, in the notation of [`number::format_f64`]; RESP2 shows it as a string.
    pub fn double(&mut self, value: f64) {
        match self.protocol {
            Protocol::Resp2 => {
                let mut text = number::F64Text::new();
                text.set(value);
                self.bulk(text.as_bytes());
            }
            Protocol::Resp3 => {
                let mut text = number::F64Text::new();
                text.set(value);
                self.line(b',', text.as_bytes());
            }
        }
    }

    /// A truth value; RESP2 shows it as 1 or 0.
    #[inline]
    pub fn boolean(&mut self, value: bool) {
        let text = match (self.protocol, value) {
            (Protocol::Resp2, true) => b":1\r\n",
            (Protocol::Resp2, false) => b":0\r\n",
            (Protocol::Resp3, true) => b"#t\r\n",
            (Protocol::Resp3, false) => b"#f\r\n",
        };
        self.out.extend_from_slice(text);
    }

    /// Text meant for people, `extension` (`txt`, `mkd`; three bytes) says of which kind; RESP2 shows a plain string.
    pub fn verbatim(&mut self, extension: &str, text: &[u8]) {
        assert!(extension.len() == 3, "the kind of a verbatim string is three bytes");
        match self.protocol {
            Protocol::Resp2 => self.bulk(text),
            Protocol::Resp3 => {
                self.out.reserve(text.len() + 4 + BULK_OVERHEAD_MAX);
                self.length_header(b'=', text.len() + 4);
                self.out.extend_from_slice(extension.as_bytes());
                self.out.push(b':');
                self.out.extend_from_slice(text);
                self.out.extend_from_slice(b"\r\n");
            }
        }
    }

    /// An integer of any size, as decimal digits; RESP2 shows a string.
    pub fn big_number(&mut self, digits: &str) {
        debug_assert!(!digits.bytes().any(is_line_end), "a number is one line");
        match self.protocol {
            Protocol::Resp2 => self.bulk(digits.as_bytes()),
            Protocol::Resp3 => self.line(b'(', digits.as_bytes()),
        }
    }

    /// Bytes that are encoded already, in the protocol this encoder writes.
    #[inline]
    pub fn raw(&mut self, encoded: &[u8]) {
        self.out.extend_from_slice(encoded);
    }

    #[inline]
    fn aggregate(&mut self, marker_resp3: u8, len: usize) {
        let marker = match self.protocol {
            Protocol::Resp2 => b'*',
            Protocol::Resp3 => marker_resp3,
        };
        self.length_header(marker, len);
    }

    /// `marker`, a length, CRLF. Lengths below 100 are stored with a size known to the compiler, which is what makes short
    /// replies cheap: no digit loop and no call to `memcpy`.
    #[inline]
    fn length_header(&mut self, marker: u8, len: usize) {
        if len < 10 {
            self.out.extend_from_slice(&[marker, b'0' + len as u8, b'\r', b'\n']);
        } else if len < 100 {
            let (tens, ones) = (len as u8 / 10, len as u8 % 10);
            self.out.extend_from_slice(&[marker, b'0' + tens, b'0' + ones, b'\r', b'\n']);
        } else {
            self.header(marker, i64::try_from(len).expect("no buffer is longer than isize::MAX"));
        }
    }

    /// `marker`, any number, CRLF.
    fn header(&mut self, marker: u8, value: i64) {
        let mut line = [0; number::I64_TEXT_MAX + 3];
        let end = line.len() - 2;
        line[end..].copy_from_slice(b"\r\n");
        let start = number::write_digits_before(&mut line[..end], value) - 1;
        line[start] = marker;
        self.out.extend_from_slice(&line[start..]);
    }

    fn line(&mut self, marker: u8, text: &[u8]) {
        self.out.reserve(text.len() + 3);
        self.out.push(marker);
        self.out.extend_from_slice(text);
        self.out.extend_from_slice(b"\r\n");
    }
}

/// Writes the head of a string of `len` bytes to the beginning of `head`; gives its length.
fn bulk_head(head: &mut [u8; BULK_OVERHEAD_MAX], len: usize) -> usize {
    let digits = I64Text::new(i64::try_from(len).expect("no buffer is longer than isize::MAX"));
    let digits = digits.as_bytes();
    head[0] = b'$';
    head[1..=digits.len()].copy_from_slice(digits);
    head[digits.len() + 1..digits.len() + 3].copy_from_slice(b"\r\n");
    digits.len() + 3
}

/// Strings from this length on are appended one by one; shorter ones are written into a place for many.
const FILLED_BYTES_MIN: usize = 128;

/// `$`, the digits of a length, two line ends.
const BULK_OVERHEAD_MAX: usize = 1 + number::I64_TEXT_MAX + 4;

fn is_line_end(byte: u8) -> bool {
    matches!(byte, b'\r' | b'\n')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn both(write: impl Fn(&mut Reply)) -> [String; 2] {
        [Protocol::Resp2, Protocol::Resp3].map(|protocol| {
            let mut out = OutputBuffer::new();
            write(&mut Reply::new(&mut out, protocol));
            String::from_utf8(out.into_vec()).expect("the tests write text").replace("\r\n", "|")
        })
    }

    #[test]
    fn values_in_both_protocols() {
        type Row = (fn(&mut Reply), &'static str, &'static str);
        let table: &[Row] = &[
            (|reply| reply.ok(), "+OK|", "+OK|"),
            (|reply| reply.simple("PONG"), "+PONG|", "+PONG|"),
            (|reply| reply.error("ERR a\r\nb\n"), "-ERR a  b |", "-ERR a  b |"),
            (|reply| reply.null(), "$-1|", "_|"),
            (|reply| reply.null_array(), "*-1|", "_|"),
            (|reply| reply.array(0), "*0|", "*0|"),
            (|reply| reply.array(10), "*10|", "*10|"),
            (|reply| reply.map(60), "*120|", "%60|"),
            (|reply| reply.set(3), "*3|", "~3|"),
            (|reply| reply.push(2), "*2|", ">2|"),
            (|reply| reply.double(1.5), "$3|1.5|", ",1.5|"),
            (|reply| reply.double(f64::NEG_INFINITY), "$4|-inf|", ",-inf|"),
            (|reply| reply.boolean(true), ":1|", "#t|"),
            (|reply| reply.boolean(false), ":0|", "#f|"),
            (|reply| reply.verbatim("txt", b"hi"), "$2|hi|", "=6|txt:hi|"),
            (|reply| reply.big_number("123"), "$3|123|", "(123|"),
            (|reply| reply.bulks(b"abcdef", 2), "$2|ab|$2|cd|$2|ef|", "$2|ab|$2|cd|$2|ef|"),
            (|reply| reply.bulks(b"", 2), "", ""),
            (|reply| reply.bulk_integer(-7), "$2|-7|", "$2|-7|"),
            (|reply| reply.raw(b":1\r\n"), ":1|", ":1|"),
            (|reply| reply.protocol_error(ProtocolError::BulkLengthInvalid), PROTOCOL_ERROR, PROTOCOL_ERROR),
        ];
        for (row, (write, resp2, resp3)) in table.iter().enumerate() {
            assert_eq!(both(write), [*resp2, *resp3], "row {row}");
        }
    }

    const PROTOCOL_ERROR: &str = "-ERR Protocol error: invalid bulk length|";

    #[test]
    fn integers_of_every_width() {
        let mut values = vec![i64::MIN, i64::MAX, 0, -1];
        for power in 0..19 {
            let value = 10_i64.pow(power);
            values.extend([value, value - 1, value + 1, -value, 1 - value]);
        }
        for value in values {
            assert_eq!(both(|reply| reply.integer(value))[0], format!(":{value}|"));
        }
    }

    #[test]
    fn many_strings_are_written_as_one_by_one() {
        for len in [1, 127, 128, 1000, 16_383, 16_384, 70_000] {
            let text: Vec<u8> = (0..len * 3).map(|index| b'a' + (index % 23) as u8).collect();
            let one_by_one = both(|reply| text.chunks(len).for_each(|string| reply.bulk(string)));
            assert!(both(|reply| reply.bulks(&text, len)) == one_by_one, "{len}");
        }
    }

    #[test]
    fn bulks_of_every_header_width() {
        for len in [0, 1, 9, 10, 11, 99, 100, 101, 999, 1000, 65_536] {
            let text = "x".repeat(len);
            assert_eq!(both(|reply| reply.bulk(text.as_bytes()))[0], format!("${len}|{text}|"));
        }
    }
}
