//! Bytes to requests: arrays of bulk strings as every client library sends them, and plain lines as people type them.
//!
//! The parser keeps no bytes. The caller passes the request from its first byte each time, and the parser remembers how far
//! it got, so that a request that trickles in is still read once:
//!
//! ```text
//!            first byte             '*' line            '$' line
//!   Idle --------------> Header -----------> BulkLength ---------> Payload
//!    ^                     | inline line        ^ |                   |
//!    |                     v                    | | count reached     | len + 2 bytes are there
//!    +--- Complete --------+--------------------|-+                   |
//!    +--- Error (from any) ---                  +---------------------+
//! ```
//!
//! Requests that are there as a whole, nearly all of them, never leave `fast_header` and `take_arguments`: tight loops that
//! give up on anything unusual. What they give up on, the careful path below reads again from the same element and judges.
//!
//! Some leniencies are Redis's own and kept: the byte after a `\r` and the two bytes after a payload are not looked at, and a
//! NUL byte hides the rest of a line from the search for its end.

mod inline;

pub use inline::split_words;

use crate::args::{Args, Span};
use crate::error::ProtocolError;
use crate::number;

/// What a request may not exceed.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The longest argument in bytes (`proto-max-bulk-len`). Requests end at 4 GiB whatever this says.
    pub bulk_len_max: usize,
    /// Whether the client has authenticated, or need not. Until then 10 arguments of 16 KiB each have to do.
    pub authenticated: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Self { bulk_len_max: 512 * 1024 * 1024, authenticated: true }
    }
}

impl Limits {
    fn bulk_len_max_now(&self) -> usize {
        if self.authenticated { self.bulk_len_max } else { self.bulk_len_max.min(UNAUTHENTICATED_BULK_LEN_MAX) }
    }
}

/// What [`Parser::parse`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parsed {
    /// A request, read by [`Parser::args`]. The next one begins `consumed` bytes further on.
    Complete {
        /// The request's length in bytes.
        consumed: usize,
    },
    /// More bytes are needed.
    Incomplete,
    /// The connection is beyond repair: answer with the error and close it.
    Error(ProtocolError),
}

/// Reads the requests of one connection.
///
/// ```
/// use torc_resp::{Limits, Parsed, Parser};
/// let mut parser = Parser::default();
/// let input = b"*2\r\n$3\r\nGET\r\n$3\r\nkey\r\nPING\r\n";
/// assert_eq!(parser.parse(input, &Limits::default()), Parsed::Complete { consumed: 22 });
/// assert_eq!(parser.args(input).get(1), b"key");
/// assert_eq!(parser.parse(&input[22..], &Limits::default()), Parsed::Complete { consumed: 6 });
/// assert_eq!(parser.args(&input[22..]).name(), b"PING");
/// ```
#[derive(Debug, Default)]
pub struct Parser {
    spans: Vec<Span>,
    /// The arguments of an inline request with quotes, without them; `args` then reads from here.
    decoded: Vec<u8>,
    phase: Phase,
    /// Arguments still to come, the one being read included.
    arguments_left: u32,
    /// Where the line or payload being read begins.
    position: usize,
    /// No line end lies before this offset.
    scanned: usize,
    args_are_decoded: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Phase {
    /// Between requests; the spans are those of the last one.
    #[default]
    Idle,
    /// In the first line of a request.
    Header,
    /// At the `$` line of an argument.
    BulkLength,
    /// At the bytes of an argument.
    Payload { len: u32 },
}

/// What one step of the careful path led to: None to go on, otherwise the answer.
type Step = Option<Parsed>;

impl Parser {
    /// Looks for a complete request at the beginning of `input`.
    ///
    /// After [`Parsed::Incomplete`] the next call must pass the same bytes with more appended: nothing is read twice, so a
    /// request that arrives byte by byte costs no more than its length.
    #[inline]
    pub fn parse(&mut self, input: &[u8], limits: &Limits) -> Parsed {
        if self.phase == Phase::Idle {
            self.begin();
            if let Some((count, position)) = fast_header(input, limits) {
                self.phase = Phase::BulkLength;
                self.arguments_left = count;
                self.position = position;
                if let Some(parsed) = self.take_arguments(input, limits) {
                    return parsed;
                }
            } else if input.is_empty() {
                return Parsed::Incomplete;
            } else {
                self.phase = Phase::Header;
            }
        }
        self.parse_carefully(input, limits)
    }

    /// The arguments of the request that [`Parser::parse`] just completed; `input` is what was passed to it.
    #[inline]
    pub fn args<'a>(&'a self, input: &'a [u8]) -> Args<'a> {
        debug_assert!(self.phase == Phase::Idle, "a request must be complete before its arguments are read");
        Args::new(if self.args_are_decoded { &self.decoded } else { input }, &self.spans)
    }

    /// Forgets a partial request: the next `parse` starts a new one.
    pub fn reset(&mut self) {
        self.begin();
        self.phase = Phase::Idle;
    }

    /// Whether a request has begun and not ended.
    #[inline]
    pub fn in_progress(&self) -> bool {
        self.phase != Phase::Idle
    }

    /// After [`Parsed::Incomplete`]: how long `input` has to be at least for `parse` to get any further, when that is known
    /// because an argument of announced length is on its way, else 0.
    pub fn bytes_wanted(&self) -> usize {
        match self.phase {
            Phase::Payload { len } => self.position + len as usize + 2,
            _ => 0,
        }
    }

    /// Back to the state before the first byte, keeping a moderate amount of memory for the next request.
    #[inline]
    fn begin(&mut self) {
        self.spans.clear();
        self.position = 0;
        self.scanned = 0;
        self.args_are_decoded = false;
        if self.spans.capacity() > SPANS_KEPT_MAX || self.decoded.capacity() > DECODED_KEPT_MAX {
            self.trim();
        }
    }

    #[cold]
    fn trim(&mut self) {
        self.spans.shrink_to(SPANS_KEPT_MAX);
        self.decoded.clear();
        self.decoded.shrink_to(DECODED_KEPT_MAX);
    }

    /// Takes all the arguments that are there as a whole and in their usual form. None when one is not, or not yet.
    #[inline]
    fn take_arguments(&mut self, input: &[u8], limits: &Limits) -> Step {
        if input.len() > REQUEST_LEN_MAX {
            return None;
        }
        let bulk_len_max = limits.bulk_len_max_now();
        let mut left = self.arguments_left;
        let mut position = self.position;
        while left > 0 {
            let Some((len, start)) = fast_number(input, position, b'$') else {
                break;
            };
            let end = start + len;
            if len > bulk_len_max || end + 2 > input.len() {
                break;
            }
            self.spans.push(Span { start: start as u32, len: len as u32 });
            position = end + 2;
            left -= 1;
        }
        self.arguments_left = left;
        self.position = position;
        (left == 0).then(|| self.complete(position))
    }

    #[inline]
    fn complete(&mut self, consumed: usize) -> Parsed {
        self.phase = Phase::Idle;
        Parsed::Complete { consumed }
    }

    /// One element at a time, with every check.
    #[cold]
    fn parse_carefully(&mut self, input: &[u8], limits: &Limits) -> Parsed {
        assert!(
            input.len() >= self.position.max(self.scanned),
            "a partial request is passed again from its first byte"
        );
        loop {
            let step = match self.phase {
                Phase::Idle => unreachable!("a request has begun"),
                Phase::Header if input[0] == b'*' => self.read_header(input, limits),
                Phase::Header => Some(self.read_inline(input)),
                Phase::BulkLength => {
                    self.take_arguments(input, limits).or_else(|| self.read_bulk_length(input, limits))
                }
                Phase::Payload { len } => self.read_payload(input, len),
            };
            match step {
                None => {}
                Some(Parsed::Error(error)) => {
                    self.reset();
                    return Parsed::Error(error);
                }
                Some(parsed) => return parsed,
            }
        }
    }

    fn read_header(&mut self, input: &[u8], limits: &Limits) -> Step {
        let line_end = match self.find_line_end(input, b'\r', ProtocolError::MultibulkCountTooBig) {
            Ok(line_end) => line_end,
            Err(stop) => return Some(stop),
        };
        let count = number::parse_i64(&input[1..line_end]).filter(|count| *count <= COUNT_MAX);
        let Some(count) = count else {
            return Some(Parsed::Error(ProtocolError::MultibulkLengthInvalid));
        };
        if count > UNAUTHENTICATED_COUNT_MAX && !limits.authenticated {
            return Some(Parsed::Error(ProtocolError::MultibulkLengthUnauthenticated));
        }
        self.position = line_end + 2;
        if count <= 0 {
            return Some(self.complete(line_end + 2));
        }
        self.arguments_left = count as u32;
        self.phase = Phase::BulkLength;
        None
    }

    fn read_bulk_length(&mut self, input: &[u8], limits: &Limits) -> Step {
        let line_end = match self.find_line_end(input, b'\r', ProtocolError::BulkCountTooBig) {
            Ok(line_end) => line_end,
            Err(stop) => return Some(stop),
        };
        let got = input[self.position];
        if got != b'$' {
            return Some(Parsed::Error(ProtocolError::DollarExpected { got }));
        }
        let start = line_end + 2;
        let len = number::parse_i64(&input[self.position + 1..line_end]).and_then(|len| usize::try_from(len).ok());
        let acceptable =
            |len: &usize| *len <= limits.bulk_len_max && *len < REQUEST_LEN_MAX && start + len + 2 <= REQUEST_LEN_MAX;
        let Some(len) = len.filter(acceptable) else {
            return Some(Parsed::Error(ProtocolError::BulkLengthInvalid));
        };
        if len > UNAUTHENTICATED_BULK_LEN_MAX && !limits.authenticated {
            return Some(Parsed::Error(ProtocolError::BulkLengthUnauthenticated));
        }
        self.position = start;
        self.phase = Phase::Payload { len: len as u32 };
        None
    }

    fn read_payload(&mut self, input: &[u8], len: u32) -> Step {
        if input.len() < self.bytes_wanted() {
            return Some(Parsed::Incomplete);
        }
        self.spans.push(Span { start: self.position as u32, len });
        self.position = self.bytes_wanted();
        self.arguments_left -= 1;
        if self.arguments_left == 0 {
            return Some(self.complete(self.position));
        }
        self.phase = Phase::BulkLength;
        None
    }

    fn read_inline(&mut self, input: &[u8]) -> Parsed {
        let line_end = match self.find_line_end(input, b'\n', ProtocolError::InlineTooBig) {
            Ok(line_end) => line_end,
            Err(stop) => return stop,
        };
        let line = &input[..line_end];
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if inline::is_plain(line) {
            inline::split_plain(line, &mut self.spans);
        } else {
            self.decoded.clear();
            self.args_are_decoded = true;
            if inline::split_quoted(line, &mut self.spans, &mut self.decoded).is_err() {
                return Parsed::Error(ProtocolError::UnbalancedQuotes);
            }
        }
        self.complete(line_end + 1)
    }

    /// Offset of the `terminator` of the line at `position`, or what to answer while there is none.
    fn find_line_end(&mut self, input: &[u8], terminator: u8, too_big: ProtocolError) -> Result<usize, Parsed> {
        let from = self.scanned.max(self.position);
        let stop = input.len().min(self.position + LINE_LEN_MAX + 1);
        let found = input[from..stop].iter().position(|byte| *byte == terminator || *byte == 0);
        self.scanned = found.map_or(stop, |offset| from + offset);
        // A line that ends in \r has one byte more, whichever; a NUL stays in the way of the search for good.
        let needed = if terminator == b'\r' { 2 } else { 1 };
        if found.is_some() && input[self.scanned] == terminator {
            if self.scanned + needed > input.len() { Err(Parsed::Incomplete) } else { Ok(self.scanned) }
        } else if input.len() - self.position > LINE_LEN_MAX {
            Err(Parsed::Error(too_big))
        } else {
            Err(Parsed::Incomplete)
        }
    }
}

/// The count of a `*` line and the offset behind it, when the line is there, plain, and allowed as it is.
#[inline]
fn fast_header(input: &[u8], limits: &Limits) -> Option<(u32, usize)> {
    let (count, position) = fast_number(input, 0, b'*')?;
    let acceptable = count > 0 && (count <= UNAUTHENTICATED_COUNT_MAX as usize || limits.authenticated);
    acceptable.then_some((count as u32, position))
}

/// The number of the line at `position`, which begins with `marker`, and the offset behind the line; None when it is not
/// there as a whole, has more digits than any sane request, or needs a closer look.
#[inline]
fn fast_number(input: &[u8], position: usize, marker: u8) -> Option<(usize, usize)> {
    let line = input.get(position..)?;
    let [first, digit, rest @ ..] = line else {
        return None;
    };
    let mut value = usize::from(digit.wrapping_sub(b'0'));
    if *first != marker || value > 9 {
        return None;
    }
    // "0" is a number, "01" is not.
    let digits_max = if value == 0 { 1 } else { FAST_DIGITS_MAX };
    for (digits, pair) in (1..=digits_max).zip(rest.windows(2)) {
        let digit = usize::from(pair[0].wrapping_sub(b'0'));
        if digit <= 9 {
            value = value * 10 + digit;
        } else if pair[0] == b'\r' {
            return Some((value, position + digits + 3));
        } else {
            return None;
        }
    }
    None
}

/// Redis's `PROTO_INLINE_MAX_SIZE`: how long any line may be.
const LINE_LEN_MAX: usize = 64 * 1024;
/// The most arguments a request may announce.
const COUNT_MAX: i64 = i32::MAX as i64;
const UNAUTHENTICATED_COUNT_MAX: i64 = 10;
const UNAUTHENTICATED_BULK_LEN_MAX: usize = 16 * 1024;
/// So that every offset fits into a `Span`.
const REQUEST_LEN_MAX: usize = u32::MAX as usize;
/// Nine digits fit into the `u32` of a count and of a span.
const FAST_DIGITS_MAX: usize = 9;
/// Spans kept between requests: 2 KiB a connection, enough for requests of everyday size.
const SPANS_KEPT_MAX: usize = 256;
/// Bytes kept for quoted inline requests, which people type.
const DECODED_KEPT_MAX: usize = 1024;

#[cfg(test)]
mod tests;
