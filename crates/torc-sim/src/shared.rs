//! Keys that all clients use, and what must hold for them in whatever order the commands run.
//!
//! - Counters: each INCR answers a number of its own, growing on each connection; what was acknowledged is in the
//!   final value, and nothing that was not sent.
//! - A register: each GET answers what some client has written, and what a connection has seen replaced does not
//!   come back to it.
//! - Pairs: two counters that are only ever changed together, inside MULTI, and must therefore never differ.

use std::collections::{BTreeMap, BTreeSet};

use torc_resp::{reader, write_request};

use torc_engine::random::Random;

use crate::peers::Dump;

/// The letter of shared keys.
pub(crate) const SHARED_LETTER: u8 = b'S';

const COUNTERS: u64 = 3;
const REGISTER: &str = "S:register";
const PAIR: [&str; 2] = ["S:left", "S:right"];

/// A request on shared keys.
#[derive(Debug, Clone)]
pub(crate) enum SharedRequest {
    Increment(u64),
    Write(Vec<u8>),
    Read,
    Both,
}

/// What is known of the shared keys.
#[derive(Default)]
pub(crate) struct Shared {
    sent: BTreeMap<u64, i64>,
    answered: BTreeMap<u64, BTreeSet<i64>>,
    pairs_sent: i64,
    pairs_answered: BTreeSet<i64>,
    written: BTreeSet<Vec<u8>>,
}

/// What one connection has seen of the shared keys.
#[derive(Default)]
pub(crate) struct Seen {
    counters: BTreeMap<u64, i64>,
    pair: i64,
    value: Option<Vec<u8>>,
    replaced: BTreeSet<Vec<u8>>,
}

impl Shared {
    /// Makes a request; its bytes and how many replies it has.
    pub fn request(&mut self, random: &mut Random, owner: u8) -> (SharedRequest, Vec<u8>) {
        let mut bytes = Vec::new();
        let request = match random.below(4) {
            0 => {
                let number = random.below(COUNTERS);
                *self.sent.entry(number).or_default() += 1;
                write_request(&mut bytes, &["INCR", &counter(number)]);
                SharedRequest::Increment(number)
            }
            1 => {
                let value = format!("{}{}", char::from(owner), self.written.len()).into_bytes();
                assert!(self.written.insert(value.clone()), "each value is written once");
                write_request(&mut bytes, &[b"SET", REGISTER.as_bytes(), &value]);
                SharedRequest::Write(value)
            }
            2 => {
                write_request(&mut bytes, &["GET", REGISTER]);
                SharedRequest::Read
            }
            _ => {
                self.pairs_sent += 1;
                write_request(&mut bytes, &["MULTI"]);
                PAIR.iter().for_each(|key| write_request(&mut bytes, &["INCR", key]));
                write_request(&mut bytes, &["EXEC"]);
                SharedRequest::Both
            }
        };
        (request, bytes)
    }

    /// Judges the complete answer to a request.
    pub fn judge(&mut self, request: &SharedRequest, answer: &[u8], seen: &mut Seen) {
        match request {
            SharedRequest::Increment(number) => {
                let value = reader::integer(answer).expect("INCR answers a number");
                let fresh = self.answered.entry(*number).or_default().insert(value);
                assert!(fresh, "{value} was answered to two increments of counter {number}");
                let before = seen.counters.insert(*number, value).unwrap_or(0);
                assert!(before < value, "counter {number} went from {before} to {value} on one connection");
            }
            SharedRequest::Write(value) => {
                assert_eq!(answer, b"+OK\r\n", "SET of a shared register");
                seen.observe(Some(value.clone()));
            }
            SharedRequest::Read => {
                let value =
                    (!reader::is_null(answer)).then(|| reader::bulk(answer).expect("GET answers a string").to_vec());
                if let Some(value) = &value {
                    assert!(self.written.contains(value), "nobody has written {}", value.escape_ascii());
                }
                seen.observe(value);
            }
            SharedRequest::Both => {
                let exec = answer.strip_prefix(b"+OK\r\n+QUEUED\r\n+QUEUED\r\n").unwrap_or_default();
                let elements =
                    reader::Elements::new(exec).unwrap_or_else(|| panic!("a transaction: {}", answer.escape_ascii()));
                let values: Vec<i64> = elements.map(|element| reader::integer(element).expect("a number")).collect();
                assert!(values.len() == 2 && values[0] == values[1], "a pair is torn: {values:?}");
                assert!(self.pairs_answered.insert(values[0]), "{values:?} was answered twice");
                assert!(seen.pair < values[0], "a pair went from {} to {values:?} on one connection", seen.pair);
                seen.pair = values[0];
            }
        }
    }

    /// Compares what the shards hold at rest with what was sent and acknowledged.
    pub fn verify(&self, dump: &Dump) {
        let number_at = |key: &str| {
            let stored = dump.get(&(0, key.as_bytes().to_vec()));
            stored.map_or(0, |(value, ..)| torc_resp::number::parse_i64(value).expect("a counter is a number"))
        };
        for number in 0..COUNTERS {
            let value = number_at(&counter(number));
            let acknowledged = self.answered.get(&number).map_or(0, BTreeSet::len) as i64;
            let sent = self.sent.get(&number).copied().unwrap_or(0);
            assert!((acknowledged..=sent).contains(&value), "counter {number}: {acknowledged} <= {value} <= {sent}");
            let highest = self.answered.get(&number).and_then(|answered| answered.last().copied()).unwrap_or(0);
            assert!(highest <= value, "counter {number} answered {highest} and is {value}");
        }
        let [left, right] = PAIR.map(number_at);
        assert_eq!(left, right, "a pair is torn");
        assert!(
            (self.pairs_answered.len() as i64..=self.pairs_sent).contains(&left),
            "pairs: {left} of {}",
            self.pairs_sent
        );
        if let Some((value, ..)) = dump.get(&(0, REGISTER.as_bytes().to_vec())) {
            assert!(self.written.contains(value), "nobody has written {}", value.escape_ascii());
        }
    }
}

impl Seen {
    fn observe(&mut self, value: Option<Vec<u8>>) {
        if value == self.value {
            return;
        }
        let Some(value) = value else { panic!("the register is empty again") };
        assert!(!self.replaced.contains(&value), "{} came back to the register", value.escape_ascii());
        if let Some(old) = self.value.replace(value) {
            self.replaced.insert(old);
        }
    }
}

impl SharedRequest {
    /// Number of replies.
    pub fn replies(&self) -> usize {
        if matches!(self, SharedRequest::Both) { 4 } else { 1 }
    }
}

fn counter(number: u64) -> String {
    format!("S:counter{number}")
}
