//! What cores say to each other: one closed enum of owned values.
//!
//! A [`Batch`] carries all that one core wants of another in one turn, and the same box carries the
//! replies home, so memory is freed where it was taken and a steady state allocates nothing. Whatever else
//! cores say to each other are letters, which travel in the batches that leave anyway, in either direction.
//!
//! ```text
//!   origin core                                          owner core
//!   requests of many connections  --Requests, letters-->   runs them in order
//!   gather puts replies in place  <--Replies, letters---   (same box)
//! ```

use torc_resp::{Args, Protocol, Span};
use torc_store::Parcel;

use crate::command::Command;
use crate::session::ConnectionId;
use crate::transaction::Letter;

/// A batch whose buffers grew beyond this is not kept for reuse.
const KEPT_BYTES_MAX: usize = 256 * 1024;

/// A message from one core to another.
pub enum Message {
    /// Sent by the core that holds the connections; answered by `Replies` with the same box.
    Requests(Box<Batch>),
    /// Sent by the core that ran the requests; needs no answer.
    Replies(Box<Batch>),
}

/// Where on the origin core a reply belongs, and with it how much of a command the request is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReplyTo {
    /// A whole command: the reply with this sequence number of the connection's pipeline.
    Pipeline(u64),
    /// A whole command of a transaction: this part of the connection's gather. Counted where it runs.
    Element(u32),
    /// A share of a command: this part of the connection's gather. The command is counted where it is gathered.
    Part(u32),
    /// The fetch of a relay, for all keys of this core: this part of the connection's gather.
    Fetch(u32),
    /// Keys that follow from what a relay has fetched, and a word for each: the last `count` arguments, in turn.
    Follow {
        /// Part of the connection's gather.
        part: u32,
        /// Number of arguments behind those of the command.
        count: u32,
    },
    /// The value of a relay's first key is taken out of it and travels back with the batch: this part of the connection's gather.
    HandOver(u32),
    /// The share in applying a relay; the last `fetched` arguments are what was fetched.
    Apply {
        /// Part of the connection's gather.
        part: u32,
        /// Number of arguments behind those of the command.
        fetched: u32,
    },
    /// A whole command that takes from a key or, if none is ready, waits: this part of the connection's gather.
    TakeOrWait {
        /// Part of the connection's gather.
        part: u32,
        /// The number of the wait, among those of the connection.
        wait: u32,
    },
    /// The same with keys on several cores: a share, with what was fetched as for `Apply`.
    ApplyOrWait {
        /// Part of the connection's gather.
        part: u32,
        /// Number of arguments behind those of the command.
        fetched: u32,
        /// The number of the wait, among those of the connection.
        wait: u32,
    },
    /// Whether watched keys have changed: keys and versions in turn. If they have, nothing behind it in its unit runs.
    Check(u32),
}

impl ReplyTo {
    /// The part of the connection's gather, if it is one.
    pub fn part(self) -> Option<u32> {
        match self {
            ReplyTo::Pipeline(_) => None,
            ReplyTo::Element(part)
            | ReplyTo::Part(part)
            | ReplyTo::Fetch(part)
            | ReplyTo::Follow { part, .. }
            | ReplyTo::HandOver(part)
            | ReplyTo::Apply { part, .. }
            | ReplyTo::TakeOrWait { part, .. }
            | ReplyTo::ApplyOrWait { part, .. }
            | ReplyTo::Check(part) => Some(part),
        }
    }
}

/// One command for another core's shard; its arguments lie in the batch.
pub struct Request {
    /// Where the reply belongs.
    pub reply_to: ReplyTo,
    /// What to run.
    pub command: &'static Command,
    asker: Asker,
    /// First span of the arguments in the batch.
    spans_start: u32,
    /// Number of arguments.
    spans_len: u32,
}

impl Request {
    /// Who asks.
    pub fn asker(&self) -> Asker {
        self.asker
    }
}

/// Requests from one core to another, and then their replies.
#[derive(Default)]
pub struct Batch {
    bytes: Vec<u8>,
    spans: Vec<Span>,
    requests: Vec<Request>,
    replies: Vec<u8>,
    reply_ends: Vec<usize>,
    /// Letters that travel along.
    pub letters: Vec<Letter>,
    /// A value that travels along: to the request with this index, or back from one. A transaction moves one at a time.
    pub parcel: Option<(usize, Parcel)>,
    /// The sender's time when the batch left, Unix microseconds.
    pub sent_us: i64,
}

/// Who asks: all that the owner of the keys needs to know of the session.
#[derive(Clone, Copy)]
pub struct Asker {
    /// The connection.
    pub connection: ConnectionId,
    /// Its client id.
    pub client_id: u64,
    /// Its database number.
    pub db: u16,
    /// Its protocol.
    pub protocol: Protocol,
    /// Whether its reads move the access clock.
    pub touch: bool,
    /// Which request it is.
    #[cfg(feature = "simulation")]
    pub request: crate::journal::RequestId,
}

impl Batch {
    /// Appends a request; its arguments are copied, all with one copy when they lie together.
    pub fn push(&mut self, asker: Asker, reply_to: ReplyTo, command: &'static Command, args: Args<'_>) {
        let spans_start = self.spans.len() as u32;
        self.copy_arguments(args);
        self.requests.push(Request { reply_to, command, asker, spans_start, spans_len: args.len() as u32 });
    }

    /// The same with arguments that lie anywhere.
    pub fn push_words<'w>(
        &mut self,
        asker: Asker,
        reply_to: ReplyTo,
        command: &'static Command,
        words: impl Iterator<Item = &'w [u8]>,
    ) {
        let spans_start = self.spans.len() as u32;
        for word in words {
            self.spans.push(Span { start: self.bytes.len() as u32, len: word.len() as u32 });
            self.bytes.extend_from_slice(word);
        }
        let spans_len = self.spans.len() as u32 - spans_start;
        self.requests.push(Request { reply_to, command, asker, spans_start, spans_len });
    }

    fn copy_arguments(&mut self, args: Args<'_>) {
        let spans = args.spans();
        let (Some(first), Some(last)) = (spans.first(), spans.last()) else { return };
        let payload: usize = spans.iter().map(|span| span.len as usize).sum();
        let together =
            first.start <= last.start && ((last.start + last.len - first.start) as usize) < payload + spans.len() * 24;
        if together {
            let base = self.bytes.len() as u32;
            let range = first.start as usize..(last.start + last.len) as usize;
            self.bytes.extend_from_slice(&args.bytes()[range]);
            self.spans.extend(spans.iter().map(|span| Span { start: span.start - first.start + base, len: span.len }));
            return;
        }
        for argument in args.iter() {
            self.spans.push(Span { start: self.bytes.len() as u32, len: argument.len() as u32 });
            self.bytes.extend_from_slice(argument);
        }
    }

    /// Number of requests.
    pub fn len(&self) -> usize {
        self.requests.len()
    }

    /// Whether there is no request.
    pub fn is_empty(&self) -> bool {
        self.requests.is_empty()
    }

    /// Bytes of all arguments.
    pub fn request_bytes(&self) -> usize {
        self.bytes.len()
    }

    /// A request and its arguments.
    #[inline]
    pub fn request(&self, index: usize) -> (&Request, Args<'_>) {
        let request = &self.requests[index];
        let start = request.spans_start as usize;
        (request, Args::new(&self.bytes, &self.spans[start..start + request.spans_len as usize]))
    }

    /// Runs `execute` on the next request; it appends the reply to the buffer it is given. Requests run in order.
    #[inline]
    pub fn execute_next(&mut self, execute: impl FnOnce(&Request, Args<'_>, &mut Vec<u8>)) {
        let request = &self.requests[self.reply_ends.len()];
        let start = request.spans_start as usize;
        let args = Args::new(&self.bytes, &self.spans[start..start + request.spans_len as usize]);
        execute(request, args, &mut self.replies);
        self.reply_ends.push(self.replies.len());
    }

    /// The next request is answered later, by a letter.
    pub fn defer_next(&mut self) {
        self.reply_ends.push(self.replies.len());
    }

    /// Whether all requests have run, or were deferred or left out.
    pub fn is_complete(&self) -> bool {
        self.reply_ends.len() == self.requests.len()
    }

    /// The request that runs next, and its arguments.
    pub fn next(&self) -> (&Request, Args<'_>) {
        self.request(self.reply_ends.len())
    }

    /// What travels along for the request that runs next.
    pub fn take_parcel_for_next(&mut self) -> Option<Parcel> {
        let next = self.reply_ends.len();
        self.parcel.take_if(|(index, _)| *index == next).map(|(_, parcel)| parcel)
    }

    /// The reply to the request that ran last.
    pub fn last_reply(&self) -> &[u8] {
        let ends = &self.reply_ends;
        let start = if ends.len() < 2 { 0 } else { ends[ends.len() - 2] };
        &self.replies[start..*ends.last().expect("a request ran")]
    }

    /// Leaves out all requests that have not run; their replies are empty.
    pub fn leave_out_rest(&mut self) {
        self.reply_ends.resize(self.requests.len(), self.replies.len());
    }

    /// The requests with their replies, in order. An empty reply: it was deferred, or left out.
    pub fn replies(&self) -> impl Iterator<Item = (&Request, &[u8])> {
        assert_eq!(self.requests.len(), self.reply_ends.len(), "a batch comes home with all its replies");
        let starts = std::iter::once(0).chain(self.reply_ends.iter().copied());
        let ranges = starts.zip(&self.reply_ends).map(|(start, &end)| start..end);
        self.requests.iter().zip(ranges.map(|range| &self.replies[range]))
    }

    /// Forgets everything but the buffers, and those too when they are large.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.spans.clear();
        self.requests.clear();
        self.replies.clear();
        self.reply_ends.clear();
        assert!(self.letters.is_empty(), "letters are taken out where they arrive");
        assert!(self.parcel.is_none(), "so are values");
        self.bytes.shrink_to(KEPT_BYTES_MAX);
        self.replies.shrink_to(KEPT_BYTES_MAX);
        self.spans.shrink_to(KEPT_BYTES_MAX / size_of::<Span>());
        self.requests.shrink_to(KEPT_BYTES_MAX / size_of::<Request>());
    }
}
