//! Requests that are parsed and have not run: the next few of a pipeline.
//!
//! ```text
//!   input   [ran ran ran | left left left | not parsed ..
//!   window  [         first ^             ]
//! ```
//! They are parsed ahead so that memory can be fetched for all of them at once ([`crate::engine`]'s look-ahead).

use std::ops::Range;

use torc_resp::{Args, Limits, Parsed, Parser, ProtocolError, Span};

use crate::command::Command;
use crate::route::CoreId;

/// Requests parsed ahead.
pub const WINDOW_REQUESTS: usize = torc_store::LOOK_AHEAD_MAX;

/// What is known of a request before it runs.
#[derive(Clone, Copy, Default)]
pub struct Hint {
    /// The command its name stands for, if that was looked up.
    pub command: Option<&'static Command>,
    /// The core that owns its only key, if that was computed.
    pub owner: Option<CoreId>,
}

struct Ahead {
    /// Where the request starts in the input; its spans count from here.
    start: usize,
    /// Where the next one starts.
    end: usize,
    spans_start: usize,
    spans_len: usize,
    hint: Hint,
}

/// Why the window was not filled further.
pub enum End {
    /// It is full, or must run before more is parsed.
    Full,
    /// The input ends, perhaps inside a request.
    Input,
    /// The input is malformed behind the requests in the window.
    Malformed(ProtocolError),
}

/// The requests parsed ahead. A session that stalls in the middle of them keeps them, so that nothing is parsed twice.
#[derive(Default)]
pub struct Window {
    requests: Vec<Ahead>,
    /// The first that has not run.
    first: usize,
    spans: Vec<Span>,
    /// Decoded arguments of an inline request, which then is alone in the window.
    inline: Option<Vec<u8>>,
}

impl Window {
    /// Parses the next requests from `position` on. Before a login they are taken one by one, since the limits of
    /// the parser change with it.
    pub fn fill(&mut self, parser: &mut Parser, bytes: &[u8], mut position: usize, limits: &Limits) -> End {
        self.clear();
        let requests_max = if limits.authenticated { WINDOW_REQUESTS } else { 1 };
        while position < bytes.len() {
            let rest = &bytes[position..];
            let inline = rest[0] != b'*';
            if self.requests.len() == requests_max || (inline && !self.requests.is_empty()) {
                return End::Full;
            }
            match parser.parse(rest, limits) {
                Parsed::Complete { consumed } => {
                    self.push(parser.args(rest), inline, position, position + consumed);
                    position += consumed;
                    if inline {
                        return End::Full;
                    }
                }
                Parsed::Incomplete => return End::Input,
                Parsed::Error(error) => return End::Malformed(error),
            }
        }
        End::Input
    }

    fn push(&mut self, args: Args<'_>, inline: bool, start: usize, end: usize) {
        let spans_start = self.spans.len();
        self.spans.extend_from_slice(args.spans());
        if inline {
            // Its arguments may lie in all of the input; decoded, they are no longer than its line.
            let bytes = args.bytes();
            self.inline = Some(bytes[..bytes.len().min(end - start)].to_vec());
        }
        let spans_len = args.len();
        self.requests.push(Ahead { start, end, spans_start, spans_len, hint: Hint::default() });
    }

    /// Forgets all requests.
    pub fn clear(&mut self) {
        self.requests.clear();
        self.spans.clear();
        self.inline = None;
        self.first = 0;
    }

    /// Those that have not run, by their indexes.
    pub fn left(&self) -> Range<usize> {
        self.first..self.requests.len()
    }

    /// The requests from `first` on are kept. The input was consumed as far as `position`, and begins there from now on.
    pub fn keep_from(&mut self, first: usize, position: usize) {
        assert!(self.left().contains(&first), "a request that stalls is one of those left");
        self.first = first;
        for ahead in &mut self.requests[first..] {
            assert!(ahead.start >= position, "nothing is consumed of what has not run");
            ahead.start -= position;
            ahead.end -= position;
        }
    }

    /// Bytes of its buffers.
    pub fn memory_bytes(&self) -> usize {
        size_of::<Window>()
            + self.requests.capacity() * size_of::<Ahead>()
            + self.spans.capacity() * size_of::<Span>()
            + self.inline.as_ref().map_or(0, Vec::capacity)
    }

    /// A request: its arguments, where the next one starts, and what is known of it.
    #[inline]
    pub fn request<'a>(&'a self, index: usize, bytes: &'a [u8]) -> (Args<'a>, usize, Hint) {
        let ahead = &self.requests[index];
        let spans = &self.spans[ahead.spans_start..ahead.spans_start + ahead.spans_len];
        let bytes = self.inline.as_deref().unwrap_or(&bytes[ahead.start..]);
        (Args::new(bytes, spans), ahead.end, ahead.hint)
    }

    /// Notes what is known of a request.
    pub fn set_hint(&mut self, index: usize, hint: Hint) {
        self.requests[index].hint = hint;
    }
}
