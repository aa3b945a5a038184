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
//! Whoever has no use for whole transactions asks for their requests [one by one](Reader::one_by_one): then no more than one
//! request is kept.
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
    /// A request, where they are given out one by one.
    Request {
        /// What stands there; MULTI and EXEC are given out, too.
        request: Request<'a>,
        /// Where it stands.
        role: Role,
    },
    /// What follows was written in this second of Unix time, or later.
    Timestamp {
        /// Unix seconds.
        seconds: u64,
        /// Where the line begins in the file.
        offset: u64,
    },
}

/// Where a request stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Outside of any transaction.
    Alone,
    /// It is the MULTI of a transaction.
    Begins,
    /// Between the two.
    Within,
    /// It is the EXEC of the transaction.
    Ends,
    /// It is a MULTI between MULTI and EXEC, which no server writes. Servers pass over it.
    Nested,
    /// It is an EXEC without a MULTI, which no server writes. Servers pass over it.
    Unpaired,
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

/// What stands around a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Bracket {
    Multi,
    Exec,
}

/// How the reader goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Reads,
    /// The file is too short for the record that has begun.
    Torn,
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
    /// Where the open transaction began, if requests are given out one by one.
    transaction_at: Option<u64>,
    is_one_by_one: bool,
    /// With fewer bytes of the open record there is nothing new to be found.
    needed: usize,
    /// Length of the file, if it is known.
    bytes: Option<u64>,
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
            transaction_at: None,
            is_one_by_one: false,
            needed: 0,
            bytes: None,
            given: 0,
            fed: offset,
            state: State::Reads,
        }
    }

    /// The same for a file of this length: a record that says that it is longer than that is torn at once, and not kept.
    #[must_use]
    pub fn of_length(mut self, bytes: u64) -> Reader {
        self.bytes = Some(bytes);
        self
    }

    /// The same with [`Passage::Request`] in place of [`Passage::Record`]. How the file ends is found alike.
    #[must_use]
    pub fn one_by_one(mut self) -> Reader {
        self.is_one_by_one = true;
        self
    }

    /// Takes the next bytes of the file. All passages should have been taken before: they only become more.
    pub fn feed(&mut self, chunk: &[u8]) {
        self.leave_given();
        self.fed += chunk.len() as u64;
        match &mut self.state {
            State::Reads => {}
            State::Torn => return,
            State::Broken { is_zero, .. } => {
                *is_zero &= chunk.iter().all(|byte| *byte == 0);
                return;
            }
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
            if bytes.len() < self.needed {
                return None;
            }
            match framing::read(bytes, self.parsed, &mut self.spans) {
                Ok(Frame::Incomplete { needed }) => self.wait_for(needed),
                Ok(Frame::Annotation(line)) => {
                    if let Some(seconds) = self.take_annotation(line) {
                        return Some(Passage::Timestamp { seconds, offset: self.offset });
                    }
                }
                Ok(Frame::Request { end, arguments }) if self.is_one_by_one => {
                    let role = self.give_request(end, arguments);
                    return Some(Passage::Request { request: self.request(), role });
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
            State::Reads | State::Torn => None,
            State::Broken { at, .. } => Some(at),
        }
    }

    /// How the file ends, when all of it has been fed and all passages have been taken.
    pub fn finish(mut self) -> End {
        self.leave_given();
        let at = self.transaction_at.unwrap_or(self.offset);
        match self.state {
            State::Broken { is_zero: true, .. } => End::Zeros { at, bytes: self.fed - at },
            State::Broken { what, .. } => End::Corrupt { at, what },
            State::Reads if at == self.fed => End::Whole,
            State::Reads | State::Torn => End::Torn { at },
        }
    }

    /// Notes a request that is whole; tells whether it is the end of a record.
    fn take_request(&mut self, end: usize, arguments: usize) -> bool {
        let bracket = self.bracket(arguments);
        self.is_transaction |= bracket == Some(Bracket::Multi) && self.requests.is_empty();
        let first = self.spans.len() - arguments;
        self.requests.push(RequestSpan { start: self.parsed, arguments: (first, self.spans.len()) });
        self.parsed = end;
        let is_whole = !self.is_transaction || bracket == Some(Bracket::Exec);
        if is_whole {
            self.given = end;
        }
        is_whole
    }

    /// Gives out a request by itself.
    fn give_request(&mut self, end: usize, arguments: usize) -> Role {
        let role = match (self.bracket(arguments), self.transaction_at) {
            (Some(Bracket::Multi), None) => Role::Begins,
            (Some(Bracket::Exec), Some(_)) => Role::Ends,
            (Some(Bracket::Multi), Some(_)) => Role::Nested,
            (Some(Bracket::Exec), None) => Role::Unpaired,
            (None, Some(_)) => Role::Within,
            (None, None) => Role::Alone,
        };
        match role {
            Role::Begins => self.transaction_at = Some(self.offset),
            Role::Ends => self.transaction_at = None,
            Role::Alone | Role::Within | Role::Nested | Role::Unpaired => {}
        }
        self.given = end;
        role
    }

    fn request(&self) -> Request<'_> {
        let bytes = &self.buffer[self.start..self.start + self.given];
        Request { offset: self.offset, arguments: Arguments { bytes, spans: &self.spans } }
    }

    /// Whether the request at the end of the spans begins or ends a transaction. Only alone, as in every file, do the two
    /// words mean that.
    fn bracket(&self, arguments: usize) -> Option<Bracket> {
        let (from, to) = self.spans[self.spans.len() - arguments];
        match &self.buffer[self.start + from..self.start + to] {
            _ if arguments != 1 => None,
            name if name.eq_ignore_ascii_case(b"MULTI") => Some(Bracket::Multi),
            name if name.eq_ignore_ascii_case(b"EXEC") => Some(Bracket::Exec),
            _ => None,
        }
    }

    /// The open record goes at least so far.
    fn wait_for(&mut self, needed: usize) {
        self.needed = needed;
        let has_begun = self.buffer.len() > self.start;
        if has_begun && self.bytes.is_some_and(|bytes| self.offset + needed as u64 > bytes) {
            self.state = State::Torn;
            self.buffer = Vec::new();
            self.start = 0;
        }
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
        if self.transaction_at.is_some() {
            self.given = line.end;
            self.leave_given();
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
            (self.parsed, self.needed) = (0, 0);
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
