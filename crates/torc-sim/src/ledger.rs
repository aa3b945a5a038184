//! What one connection is owed, in order, and the comparison with what it gets, byte by byte.

use std::collections::VecDeque;

use torc_resp::reader;

use crate::compare::Way;
use crate::shared::{Seen, Shared, SharedRequest};
use crate::trace::shown;

/// How an answer is judged.
#[derive(Debug, Clone)]
pub(crate) enum Judgement {
    /// As that of the oracle, compared in this way.
    As(Way),
    /// By what holds for shared keys.
    Shared(SharedRequest),
}

struct Entry {
    judgement: Judgement,
    /// The oracle's answer; unused for shared keys.
    expected: Vec<u8>,
    matched: usize,
    /// Length of the oracle's log with this request.
    log_len: usize,
    /// What was sent, for the message of a failure.
    request: String,
}

/// The account of one connection.
#[derive(Default)]
pub(crate) struct Ledger {
    entries: VecDeque<Entry>,
    partial: Vec<u8>,
    seen: Seen,
    acknowledged: usize,
}

impl Ledger {
    /// Of a new connection, made when the oracle's log had this length.
    pub fn new(log_len: usize) -> Self {
        Ledger { acknowledged: log_len, ..Ledger::default() }
    }

    /// A request was sent. An answer that is empty is none at all.
    pub fn expect(&mut self, judgement: Judgement, expected: Vec<u8>, log_len: usize, request: &[u8]) {
        if expected.is_empty() && !matches!(judgement, Judgement::Shared(_)) {
            return;
        }
        self.entries.push_back(Entry { judgement, expected, matched: 0, log_len, request: shown(request) });
    }

    /// Whether nothing is owed.
    pub fn is_settled(&self) -> bool {
        self.entries.is_empty() && self.partial.is_empty()
    }

    /// The request whose answer is owed first.
    pub fn first_owed(&self) -> &str {
        self.entries.front().map_or("", |entry| &entry.request)
    }

    /// At rest, everything in the oracle's log has taken effect, answered or not.
    pub fn acknowledge(&mut self, log_len: usize) {
        self.acknowledged = log_len;
    }

    /// Length of the oracle's log that is known to have taken effect.
    pub fn acknowledged(&self) -> usize {
        self.acknowledged
    }

    /// Bytes from the server.
    pub fn receive(&mut self, mut bytes: &[u8], shared: &mut Shared) {
        while !bytes.is_empty() {
            let Some(entry) = self.entries.front_mut() else {
                panic!("nothing is owed, yet this came: {}", shown(bytes));
            };
            let complete = match &entry.judgement {
                Judgement::As(Way::Exact) => entry.match_exactly(&mut bytes),
                judgement => {
                    let replies = if let Judgement::Shared(request) = judgement { request.replies() } else { 1 };
                    let complete = take_replies(&mut self.partial, &mut bytes, replies);
                    if complete {
                        entry.judge(&self.partial, shared, &mut self.seen);
                        self.partial.clear();
                    }
                    complete
                }
            };
            if complete {
                self.acknowledged = entry.log_len;
                self.entries.pop_front();
            }
        }
    }
}

impl Entry {
    /// True when the whole answer is there.
    fn match_exactly(&mut self, bytes: &mut &[u8]) -> bool {
        let wanted = &self.expected[self.matched..];
        let len = wanted.len().min(bytes.len());
        let (got, rest) = bytes.split_at(len);
        if got != &wanted[..len] {
            panic!("{}\n  oracle: {}\n  server: {}", self.request, shown(wanted), shown(bytes));
        }
        self.matched += len;
        *bytes = rest;
        self.matched == self.expected.len()
    }

    fn judge(&self, answer: &[u8], shared: &mut Shared, seen: &mut Seen) {
        let equal = match &self.judgement {
            Judgement::As(way) => way.holds(answer, &self.expected),
            Judgement::Shared(request) => {
                shared.judge(request, answer, seen);
                true
            }
        };
        assert!(equal, "{}\n  oracle: {}\n  server: {}", self.request, shown(&self.expected), shown(answer));
    }
}

/// Moves bytes until `partial` holds so many replies. True when it does.
fn take_replies(partial: &mut Vec<u8>, bytes: &mut &[u8], replies: usize) -> bool {
    let before = partial.len();
    partial.extend_from_slice(bytes);
    let mut end = 0;
    for _ in 0..replies {
        match reader::reply_len(&partial[end..]) {
            Some(Ok(len)) => end += len,
            Some(Err(())) => panic!("this is no reply: {}", shown(&partial[end..])),
            None => {
                *bytes = &[];
                return false;
            }
        }
    }
    *bytes = &bytes[end - before..];
    partial.truncate(end);
    true
}
