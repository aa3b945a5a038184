//! Looking ahead in a pipeline: the next few complete requests are parsed before the first of them runs, so that the
//! memory they will touch is on its way into the cache while those before them still run.
//!
//! ```text
//!   parse 16 requests -> fetch the table groups of their keys -> fetch their entries -> run them in order
//!                                                                  \-> the same for elements of big collections
//! ```
//! A lookup is two dependent cache misses, and two more for a field of a hash or a member of a set in a table. One request after the other pays each of them in full; sixteen at once
//! overlap them. Nothing else changes: requests are admitted, planned and run one by one, in order.

use torc_resp::{Args, Limits, Parsed, Parser, ProtocolError, Span};
use torc_store::Prefetched;

use crate::command::{Command, Registry, Route};
use crate::message::Batch;
use crate::route::CoreId;
use crate::state::CoreState;

/// Requests parsed ahead, at most.
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

/// The requests parsed ahead.
#[derive(Default)]
pub struct Window {
    requests: Vec<Ahead>,
    spans: Vec<Span>,
    /// Decoded arguments of an inline request, which then is alone in the window.
    inline: Option<Vec<u8>>,
}

impl Window {
    /// Parses the next requests from `position` on, at most so many. Before a login they are taken one by one, since the
    /// limits of the parser change with it.
    pub fn fill(
        &mut self,
        parser: &mut Parser,
        bytes: &[u8],
        mut position: usize,
        limits: &Limits,
        requests_max: usize,
    ) -> End {
        self.requests.clear();
        self.spans.clear();
        self.inline = None;
        let requests_max = if limits.authenticated { requests_max } else { 1 };
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
            self.inline = Some(args.bytes().to_vec());
        }
        let spans_len = args.len();
        self.requests.push(Ahead { start, end, spans_start, spans_len, hint: Hint::default() });
    }

    /// Number of requests.
    pub fn len(&self) -> usize {
        self.requests.len()
    }

    /// A request: its arguments, where the next one starts, and what is known of it.
    #[inline]
    pub fn request<'a>(&'a self, index: usize, bytes: &'a [u8]) -> (Args<'a>, usize, Hint) {
        let ahead = &self.requests[index];
        let spans = &self.spans[ahead.spans_start..ahead.spans_start + ahead.spans_len];
        let bytes = self.inline.as_deref().unwrap_or(&bytes[ahead.start..]);
        (Args::new(bytes, spans), ahead.end, ahead.hint)
    }

    /// Looks up the commands of all requests, and has the memory of the keys that are here fetched.
    pub fn prepare(&mut self, state: &CoreState, db: u16, bytes: &[u8]) {
        if self.requests.len() < 2 {
            return;
        }
        let mut keys = [Prefetched::default(); WINDOW_REQUESTS];
        let mut has_elements = false;
        for (index, key) in (0..self.requests.len()).zip(&mut keys) {
            let (args, _, _) = self.request(index, bytes);
            if args.is_empty() {
                continue;
            }
            let hint = hint(state, state.registry, args);
            if hint.owner == Some(state.core)
                && let Some(command) = hint.command
            {
                has_elements |= command.row.element_at > 0;
                *key = state.keyspace.prefetch(db, args.get(command.only_key));
            }
            self.requests[index].hint = hint;
        }
        let keys = &keys[..self.requests.len()];
        keys.iter().for_each(|key| key.fetch_entry());
        if has_elements {
            state.keyspace.prefetch_elements(keys.iter().enumerate().filter_map(|(index, &key)| {
                let (args, _, hint) = self.request(index, bytes);
                let element_at = hint.command?.row.element_at;
                (element_at > 0 && element_at < args.len()).then(|| (key, args.get(element_at)))
            }));
        }
    }
}

/// The same for the next requests of another core's batch, from `first` on.
pub fn prepare_batch(state: &CoreState, batch: &Batch, first: usize) {
    let mut keys = [Prefetched::default(); WINDOW_REQUESTS];
    let window = first..batch.len().min(first + WINDOW_REQUESTS);
    for (index, key) in window.clone().zip(&mut keys) {
        let (request, args) = batch.request(index);
        let first_key = request.command.first_key;
        if first_key > 0 && first_key < args.len() {
            *key = state.keyspace.prefetch(request.asker().db, args.get(first_key));
        }
    }
    let keys = &keys[..window.len()];
    keys.iter().for_each(|key| key.fetch_entry());
    state.keyspace.prefetch_elements(window.zip(keys).filter_map(|(index, &key)| {
        let (request, args) = batch.request(index);
        let element_at = request.command.row.element_at;
        (element_at > 0 && element_at < args.len()).then(|| (key, args.get(element_at)))
    }));
}

/// The command of a request and the owner of its key, for commands with one key.
#[inline]
fn hint(state: &CoreState, registry: &'static Registry, args: Args<'_>) -> Hint {
    let Some(command) = registry.find_name(args.name()).filter(|command| command.subcommands.is_empty()) else {
        return Hint::default();
    };
    let one_key = matches!(command.row.route, Route::Owner) && command.only_key > 0;
    let owner = (one_key && command.row.arity_fits(args.len())).then(|| state.owner(args.get(command.only_key)));
    Hint { command: Some(command), owner }
}
