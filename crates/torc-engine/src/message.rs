//! What cores send to each other: a closed set of owned values.
//!
//! A [`Batch`] carries all that one core wants of another in one turn, and the same box carries the
//! replies home, so memory is freed where it was taken and a steady state allocates nothing. Whatever else
//! cores say to each other are messages to one of their roles ([`RoleMessage`]), which travel in the batches that
//! leave anyway, in either direction.
//!
//! ```text
//!   origin core                                          owner core
//!   requests of many connections  --Requests, messages-->  runs them in order
//!   gather puts replies in place  <--Replies, messages---  (same box)
//! ```

use torc_resp::{Args, CompleteReply, OutputBuffer, Span};
use torc_store::DetachedValue;

use crate::asker::Asker;
use crate::command::{Call, Command, ProgramOrder};
use crate::task::{Answered, Outcome, Task};
use crate::transaction::RoleMessage;

/// A batch whose buffers grew beyond this is not kept for reuse.
const KEPT_BYTES_MAX: usize = 256 * 1024;

/// A message from one core to another.
pub enum Message {
    /// Sent by the core that holds the connections; answered by `Replies` with the same box.
    Requests(Box<Batch>),
    /// Sent by the core that ran the requests; needs no answer.
    Replies(Box<Batch>),
}

/// Requests that are run soon, if each of them is.
const BRIEF_REQUESTS_MAX: usize = 4;

impl Message {
    /// Whether its receiver has done with it soon, and all that follows is for other cores, so that it is as well done by whoever sends it.
    pub fn is_brief(&self) -> bool {
        match self {
            Message::Requests(batch) => batch.is_brief() && batch.messages.iter().all(RoleMessage::is_brief),
            // Replies leave for clients, of whom only their core knows.
            Message::Replies(batch) => batch.is_empty() && batch.messages.iter().all(RoleMessage::is_brief),
        }
    }
}

/// Where on the asking core a reply belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Address {
    /// The reply with this sequence number of the connection's pipeline.
    Pipeline(u64),
    /// This part of the connection's gather.
    Part(u32),
}

impl Address {
    /// The part of the connection's gather, if it is one.
    pub fn part(self) -> Option<u32> {
        match self {
            Address::Pipeline(_) => None,
            Address::Part(part) => Some(part),
        }
    }
}

/// One command for another core's shard; its arguments lie in the batch.
pub struct Request {
    /// Where the reply belongs.
    pub address: Address,
    /// How much of the command is to be done.
    pub task: Task,
    /// Of a request that may wait: the number of the wait, among those of the connection.
    pub wait: u32,
    /// What to run.
    pub command: &'static Command,
    asker: Asker,
    /// First span of the arguments in the batch.
    spans_start: u32,
    /// Number of arguments.
    spans_len: u32,
}

impl Request {
    /// The client that asks.
    pub fn asker(&self) -> Asker {
        self.asker
    }

    /// The call that the request stands for.
    #[inline]
    pub fn call<'a>(&self, args: Args<'a>) -> Call<'a> {
        Call { task: self.task, asker: self.asker, command: self.command, args }
    }
}

/// Requests from one core to another, and then their replies.
#[derive(Default)]
pub struct Batch {
    bytes: Vec<u8>,
    spans: Vec<Span>,
    requests: Vec<Request>,
    replies: OutputBuffer,
    /// Bytes of long replies.
    long_bytes: usize,
    /// Those of them that stay where they lie.
    long_shared_bytes: usize,
    answers: Vec<Answer>,
    /// Up to which number the replies show what is not durable, as far as they do ([`crate::shown`]).
    shows: Vec<u64>,
    /// Messages to the roles of the core that travel along.
    pub messages: Vec<RoleMessage>,
    /// A value that travels along: to the request with this index, or back from one. A transaction moves one at a time.
    pub detached: Option<(usize, DetachedValue)>,
    /// The sender's time when the batch left, Unix microseconds.
    pub sent_us: i64,
}

/// What has become of a request of a batch.
#[derive(Debug)]
struct Answer {
    /// Where its reply ends among the batch's reply bytes.
    end: usize,
    /// A reply that is not among them.
    long: Option<Box<OutputBuffer>>,
    state: Answered,
}

impl Batch {
    /// Appends a request; its arguments are copied, all with one copy when they lie together.
    pub fn push(&mut self, asker: Asker, address: Address, task: Task, command: &'static Command, args: Args<'_>) {
        let spans_start = self.spans.len() as u32;
        self.copy_arguments(args);
        let spans_len = args.len() as u32;
        self.requests.push(Request { address, task, wait: 0, command, asker, spans_start, spans_len });
    }

    /// The same with arguments that lie anywhere.
    pub fn push_words<'w>(
        &mut self,
        asker: Asker,
        address: Address,
        task: Task,
        command: &'static Command,
        words: impl Iterator<Item = &'w [u8]>,
    ) {
        let spans_start = self.spans.len() as u32;
        for word in words {
            self.spans.push(Span { start: self.bytes.len() as u32, len: word.len() as u32 });
            self.bytes.extend_from_slice(word);
        }
        assert!(self.bytes.len() <= u32::MAX as usize, "what a relay carries is bounded");
        let spans_len = self.spans.len() as u32 - spans_start;
        self.requests.push(Request { address, task, wait: 0, command, asker, spans_start, spans_len });
    }

    /// Names the wait that the request pushed last begins if nothing is there.
    pub fn set_wait(&mut self, wait: u32) {
        self.requests.last_mut().expect("a request was pushed").wait = wait;
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
        self.bytes.reserve(payload);
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

    /// Whether its requests are few, none of them may take long, and none is about the server.
    pub fn is_brief(&self) -> bool {
        let is_brief =
            |command: &Command, args: Args<'_>| command.order != ProgramOrder::Alone && !command.takes_long(args);
        let mut requests = (0..self.len()).map(|index| self.request(index));
        self.len() <= BRIEF_REQUESTS_MAX && requests.all(|(request, args)| is_brief(request.command, args))
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

    /// Runs `execute` on the next request; it appends the reply to the buffer it is given. Requests run in order. Returns what
    /// has become of the request.
    #[inline]
    pub fn execute_next(&mut self, execute: impl FnOnce(&Request, Args<'_>, &mut OutputBuffer) -> Outcome) -> &Outcome {
        let request = &self.requests[self.answers.len()];
        let start = request.spans_start as usize;
        let args = Args::new(&self.bytes, &self.spans[start..start + request.spans_len as usize]);
        let reply_start = self.replies.begin_reply();
        let outcome = execute(request, args, &mut self.replies);
        let long = self.replies.end_reply(reply_start);
        if let Some(long) = &long {
            self.long_bytes += long.len();
            self.long_shared_bytes += long.shared_bytes();
        }
        self.answers.push(Answer { end: self.replies.len(), long, state: Answered::Ran(outcome) });
        match self.answers.last() {
            Some(Answer { state: Answered::Ran(outcome), .. }) => outcome,
            _ => unreachable!("it was pushed just now"),
        }
    }

    /// Bytes of the replies.
    #[inline]
    pub fn reply_bytes(&self) -> usize {
        self.replies.len() + self.long_bytes
    }

    /// Bytes of the replies, but those that stay where they lie.
    pub fn copied_reply_bytes(&self) -> usize {
        self.replies.len() + self.long_bytes - self.long_shared_bytes
    }

    /// Has a reply that is longer than this cut.
    pub fn set_reply_limit(&mut self, bytes: usize) {
        self.replies.set_limit(bytes);
    }

    /// The reply of the last request that has run shows what is durable up to this number.
    pub fn note_shows(&mut self, number: u64) {
        self.shows.resize(self.answers.len(), 0);
        *self.shows.last_mut().expect("a request has run") = number;
    }

    /// What the reply to a request shows; 0: nothing that is not durable.
    #[inline]
    pub fn shows(&self, index: usize) -> u64 {
        self.shows.get(index).copied().unwrap_or(0)
    }

    /// The request that was run last has no answer: it runs again.
    pub fn retract_last(&mut self) {
        let last = self.answers.pop().expect("a request has run");
        let start = self.answers.last().map_or(0, |answer| answer.end);
        assert!(last.end == start && last.long.is_none(), "it has written nothing");
    }

    /// The next request is answered later, in a message of its own.
    pub fn defer_next(&mut self) {
        self.answers.push(Answer { end: self.replies.len(), long: None, state: Answered::Deferred });
    }

    /// Whether all requests have run, or were deferred or left out.
    pub fn is_complete(&self) -> bool {
        self.answers.len() == self.requests.len()
    }

    /// The request that runs next, and its arguments.
    pub fn next(&self) -> (&Request, Args<'_>) {
        self.request(self.answers.len())
    }

    /// What travels along for the request that runs next.
    pub fn take_detached_for_next(&mut self) -> Option<DetachedValue> {
        let next = self.answers.len();
        self.detached.take_if(|(index, _)| *index == next).map(|(_, value)| value)
    }

    /// Leaves out all requests that have not run.
    pub fn leave_out_rest(&mut self) {
        let end = self.replies.len();
        self.answers.resize_with(self.requests.len(), || Answer { end, long: None, state: Answered::LeftOut });
    }

    /// A request, what has become of it, and its reply. Each is asked for once, when the batch has come home.
    #[inline]
    pub fn answer(&mut self, index: usize) -> (&Request, Answered, CompleteReply<'_>) {
        assert_eq!(self.requests.len(), self.answers.len(), "a batch comes home with all its answers");
        let start = if index == 0 { 0 } else { self.answers[index - 1].end };
        let answer = &mut self.answers[index];
        let state = std::mem::replace(&mut answer.state, Answered::Deferred);
        let reply = match answer.long.take() {
            None => CompleteReply::Short(&self.replies.complete()[start..answer.end]),
            Some(long) => CompleteReply::Long(long),
        };
        (&self.requests[index], state, reply)
    }

    /// Forgets everything but the buffers, and those too when they are large.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.spans.clear();
        self.requests.clear();
        self.replies.clear();
        self.answers.clear();
        self.shows.clear();
        (self.long_bytes, self.long_shared_bytes) = (0, 0);
        assert!(self.messages.is_empty(), "messages are taken out where they arrive");
        assert!(self.detached.is_none(), "so are values");
        self.bytes.shrink_to(KEPT_BYTES_MAX);
        self.replies.shrink_to(KEPT_BYTES_MAX);
        self.spans.shrink_to(KEPT_BYTES_MAX / size_of::<Span>());
        self.requests.shrink_to(KEPT_BYTES_MAX / size_of::<Request>());
    }
}
