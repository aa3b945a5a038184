//! A file of the log, read: bytes in chunks to records, and how the file ends.
//!
//! ```text
//!   feed(chunk) --> next(): record, record, ... None --> feed(chunk) --> ... --> finish(): End --> judge: Verdict
//!
//!   |  record  |  record  |  MULTI  request  request    <- the end of the file: torn
//!                         ^ the last whole record ends here: so much of the file is loaded
//! ```
//! A record is one request, or all from MULTI to EXEC: no part of a transaction is given out before its EXEC is there.
//! Lines that begin with `#` stand between requests and mean nothing, but for `#TS:seconds`; servers skip them too.
//!
//! An old file, and a base, may begin with an RDB file ([`begins_with_rdb`]). Whoever reads that says how long it is and
//! gives the reader what follows, with its offset.

mod framing;
mod verdict;

use framing::{Frame, Line, Problem, Span};
pub use verdict::{End, LoadPolicy, Verdict, judge};

/// Whether a file that begins with these bytes (at least 6, unless it is shorter) begins with an RDB file: of Redis or of
/// Valkey 9.
pub fn begins_with_rdb(head: &[u8]) -> bool {
    head.starts_with(b"REDIS") || head.starts_with(b"VALKEY")
}

/// What stands in a file.
#[derive(Debug, Clone, Copy)]
pub enum Passage<'a> {
    /// What is applied as a whole.
    Record(Record<'a>),
    /// What follows was written in this second of Unix time, or later.
    Timestamp {
        /// Unix seconds.
        seconds: u64,
        /// Where the line begins in the file.
        offset: u64,
    },
}

/// One request, or a transaction.
#[derive(Debug, Clone, Copy)]
pub struct Record<'a> {
    /// Where it begins in the file.
    pub offset: u64,
    /// Where it ends.
    pub end: u64,
    /// Whether MULTI and EXEC stood around it; they are not among its requests.
    pub is_transaction: bool,
    bytes: &'a [u8],
    requests: &'a [RequestSpan],
    spans: &'a [Span],
}

impl<'a> Record<'a> {
    /// Its requests in order.
    pub fn requests(self) -> impl ExactSizeIterator<Item = Request<'a>> {
        let last = self.requests.len() - usize::from(self.is_transaction);
        let inner = &self.requests[usize::from(self.is_transaction)..last];
        inner.iter().map(move |request| Request {
            offset: self.offset + request.start as u64,
            arguments: Arguments { bytes: self.bytes, spans: &self.spans[request.arguments.0..request.arguments.1] },
        })
    }
}

/// One request of a record.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// Where it begins in the file.
    pub offset: u64,
    /// Its arguments, the command's name first.
    pub arguments: Arguments<'a>,
}

/// The arguments of a request: slices of what was fed.
#[derive(Debug, Clone, Copy)]
pub struct Arguments<'a> {
    bytes: &'a [u8],
    spans: &'a [Span],
}

impl<'a> Arguments<'a> {
    /// All of them; there is at least one.
    pub fn iter(self) -> impl ExactSizeIterator<Item = &'a [u8]> {
        self.spans.iter().map(move |&(start, end)| &self.bytes[start..end])
    }

    /// The command's name, as it stands.
    pub fn name(self) -> &'a [u8] {
        let (start, end) = self.spans[0];
        &self.bytes[start..end]
    }
}

/// A request within the open record; offsets are from the record's first byte.
#[derive(Debug, Clone, Copy)]
struct RequestSpan {
    start: usize,
    arguments: (usize, usize),
}

/// How the reader goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Reads,
    /// Something is wrong: what follows is only looked at for zeros.
    Broken {
        what: &'static str,
        /// Where in the file.
        at: u64,
        /// From the wrong byte on there were only zeros.
        is_zero: bool,
    },
}

/// Reads one file, or what follows an RDB file at its beginning.
///
/// ```
/// use torc_log::{End, Passage, Reader};
/// let mut reader = Reader::new(0);
/// reader.feed(b"*2\r\n$3\r\nDEL\r\n$1\r\nk\r\n*1\r\n$4\r\nPI");
/// while let Some(passage) = reader.next() {
///     if let Passage::Record(record) = passage {
///         let names: Vec<&[u8]> = record.requests().map(|request| request.arguments.name()).collect();
///         assert_eq!((names, record.end), (vec![&b"DEL"[..]], 20));
///     }
/// }
/// assert_eq!(reader.finish(), End::Torn { at: 20 });
/// ```
#[derive(Debug)]
pub struct Reader {
    /// What was fed, from the last whole record or annotation on.
    buffer: Vec<u8>,
    /// Where the open record begins in the buffer, and in the file.
    start: usize,
    offset: u64,
    /// How far the open record has been read, from its start.
    parsed: usize,
    requests: Vec<RequestSpan>,
    spans: Vec<Span>,
    /// The open record began with MULTI.
    is_transaction: bool,
    /// What the last `next` gave out, to be left behind by the following one.
    given: usize,
    /// Bytes of the file so far, those before the reader included.
    fed: u64,
    state: State,
}

impl Reader {
    /// A reader of what begins at this offset of the file.
    pub fn new(offset: u64) -> Reader {
        Reader {
            buffer: Vec::new(),
            start: 0,
            offset,
            parsed: 0,
            requests: Vec::new(),
            spans: Vec::new(),
            is_transaction: false,
            given: 0,
            fed: offset,
            state: State::Reads,
        }
    }

    /// Takes the next bytes of the file. All passages should have been taken before: they only become more.
    pub fn feed(&mut self, chunk: &[u8]) {
        self.leave_given();
        self.fed += chunk.len() as u64;
        if let State::Broken { is_zero, .. } = &mut self.state {
            *is_zero &= chunk.iter().all(|byte| *byte == 0);
            return;
        }
        self.buffer.drain(..self.start);
        self.start = 0;
        self.buffer.extend_from_slice(chunk);
    }

    /// The next passage of what was fed, if it is whole.
    #[expect(clippy::should_implement_trait, reason = "an passage borrows the reader")]
    pub fn next(&mut self) -> Option<Passage<'_>> {
        self.leave_given();
        while self.state == State::Reads {
            let bytes = &self.buffer[self.start..];
            match framing::read(bytes, self.parsed, &mut self.spans) {
                Ok(Frame::Incomplete) => return None,
                Ok(Frame::Annotation(line)) => {
                    if let Some(seconds) = self.take_annotation(line) {
                        return Some(Passage::Timestamp { seconds, offset: self.offset });
                    }
                }
                Ok(Frame::Request { end, arguments }) => {
                    if self.take_request(end, arguments) {
                        return Some(Passage::Record(self.record()));
                    }
                }
                Err(problem) => self.fail(problem),
            }
        }
        None
    }

    /// Which byte of the file is the first that is wrong; `None`: so far none is.
    pub fn wrong_at(&self) -> Option<u64> {
        match self.state {
            State::Reads => None,
            State::Broken { at, .. } => Some(at),
        }
    }

    /// How the file ends, when all of it has been fed and all passages have been taken.
    pub fn finish(mut self) -> End {
        self.leave_given();
        let at = self.offset;
        match self.state {
            State::Broken { is_zero: true, .. } => End::Zeros { at, bytes: self.fed - at },
            State::Broken { what, .. } => End::Corrupt { at, what },
            State::Reads if at == self.fed => End::Whole,
            State::Reads => End::Torn { at },
        }
    }

    /// Notes a request that is whole; tells whether it is the end of a record.
    fn take_request(&mut self, end: usize, arguments: usize) -> bool {
        let first = self.spans.len() - arguments;
        let (from, to) = self.spans[first];
        let name = &self.buffer[self.start + from..self.start + to];
        // Only alone, as in every file, do these two words begin and end something.
        let is_word = |word: &[u8]| arguments == 1 && name.eq_ignore_ascii_case(word);
        let (begins, ends) = (is_word(b"MULTI"), is_word(b"EXEC"));
        self.is_transaction |= begins && self.requests.is_empty();
        self.requests.push(RequestSpan { start: self.parsed, arguments: (first, self.spans.len()) });
        self.parsed = end;
        let is_whole = !self.is_transaction || ends;
        if is_whole {
            self.given = end;
        }
        is_whole
    }

    fn record(&self) -> Record<'_> {
        Record {
            offset: self.offset,
            end: self.offset + self.given as u64,
            is_transaction: self.is_transaction,
            bytes: &self.buffer[self.start..self.start + self.given],
            requests: &self.requests,
            spans: &self.spans,
        }
    }

    /// Passes over a line; gives its time if it is one that is told: between records.
    fn take_annotation(&mut self, line: Line) -> Option<u64> {
        self.parsed = line.end;
        if self.is_transaction {
            return None;
        }
        self.given = line.end;
        if line.seconds.is_none() {
            self.leave_given();
        }
        line.seconds
    }

    /// The passage that was given out is behind us.
    fn leave_given(&mut self) {
        let given = std::mem::take(&mut self.given);
        if given > 0 {
            self.start += given;
            self.offset += given as u64;
            self.parsed = 0;
            self.requests.clear();
            self.spans.clear();
            self.is_transaction = false;
        }
    }

    fn fail(&mut self, problem: Problem) {
        let rest = &self.buffer[self.start + problem.at..];
        let at = self.offset + problem.at as u64;
        self.state = State::Broken { what: problem.what, at, is_zero: rest.iter().all(|byte| *byte == 0) };
        self.buffer = Vec::new();
        self.start = 0;
    }
}

#[cfg(test)]
mod tests;
