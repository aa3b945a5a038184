//! Collections beside models made of std collections: bytes become operations, and every reply must be the model's. The fuzz target
//! `collections` and the tests run this same function.
//!
//! ```text
//!   kind 1 | limits 1 | operation 1, arguments.. | operation ..
//! ```
//! What bytes are missing reads as zeros and ends the run. Among the operations are those that change nothing: DUMP and RESTORE in
//! its place, RENAME there and back, COPY over it, other limits of the encodings.

mod list;
mod maps;
mod stream;

use crate::common::{Client, TestCore};

/// Most operations of a run.
const OPERATIONS_MAX: usize = 400;

/// Runs the operations that `bytes` encode on an engine and on a model; panics at the first reply that differs.
pub fn check(bytes: &[u8]) {
    let mut input = Input { rest: bytes };
    let kind = input.byte();
    let core = TestCore::new(1);
    let client = core.client();
    set_limits(&client, input.byte());
    let mut model: Box<dyn Model> = match kind % 5 {
        0 => Box::<list::Model>::default(),
        1 => Box::<maps::Set>::default(),
        2 => Box::<maps::SortedSet>::default(),
        3 => Box::<maps::Hash>::default(),
        _ => Box::<stream::Model>::default(),
    };
    let mut operations = 0;
    while !input.rest.is_empty() && operations < OPERATIONS_MAX {
        operations += 1;
        match input.byte() {
            240.. => keep(&client, &mut input),
            number => model.step(&client, number, &mut input),
        }
        if operations % 16 == 0 {
            model.check(&client);
        }
    }
    model.check(&client);
    assert_eq!(client.send("DEL k"), format!(":{}", u8::from(model.is_there())));
}

/// Runs bytes that follow from a seed.
pub fn check_seed(seed: u64) {
    let mut random = torc_engine::random::Random::new(seed);
    // Half of the runs repeat few operations, so that something grows.
    let mask = if random.below(2) == 0 { 0xff } else { 0x13 };
    let len = random.below(1500) as usize;
    let mut bytes = vec![seed as u8, (seed / 5) as u8];
    bytes.extend((0..len).map(|_| random.next_u64() as u8 & mask));
    check(&bytes);
}

/// A collection made of std's.
trait Model {
    /// One operation on both.
    fn step(&mut self, client: &Client, number: u8, input: &mut Input<'_>);
    /// All of it on both.
    fn check(&self, client: &Client);
    /// Whether it has ever had an element that is left, so that there is a key.
    fn is_there(&self) -> bool;
}

/// The bytes that operations are made of.
struct Input<'a> {
    rest: &'a [u8],
}

impl Input<'_> {
    fn byte(&mut self) -> u8 {
        let Some((&first, rest)) = self.rest.split_first() else { return 0 };
        self.rest = rest;
        first
    }

    /// A small number, below zero too; seldom one at the end of what there is.
    fn index(&mut self) -> i64 {
        match self.byte() {
            255 => i64::MAX,
            254 => i64::MIN + 1,
            253 => 1000,
            byte => i64::from(byte as i8) / 2,
        }
    }

    /// A text from a small world: integers of all widths, strings around the lengths where encodings change.
    fn text(&mut self) -> Vec<u8> {
        let byte = self.byte();
        let number = u64::from(self.byte());
        match byte {
            0..100 => number.to_string().into_bytes(),
            100..120 => (number as i64 - 128).wrapping_shl(u32::from(byte - 100) * 3).to_string().into_bytes(),
            120..220 => format!("t{number}").into_bytes(),
            220..240 => vec![b'a' + (number % 3) as u8; 60 + usize::from(byte - 220)],
            240..250 => vec![b'L'; 120 + (number % 12) as usize],
            250..252 => vec![b'x'; 4085 + (number % 20) as usize],
            252 => vec![b'y'; 9000],
            253 => Vec::new(),
            254 => b"01".to_vec(),
            _ => vec![number as u8],
        }
    }

    fn texts(&mut self) -> Vec<Vec<u8>> {
        let count = 1 + self.byte() % 4;
        (0..count).map(|_| self.text()).collect()
    }
}

/// What DEBUG-free ways there are to give a value other memory without a change.
fn keep(client: &Client, input: &mut Input<'_>) {
    match input.byte() % 6 {
        0 => set_limits(client, input.byte()),
        1 => {
            let payload = client.raw(b"*2\r\n$4\r\nDUMP\r\n$1\r\nk\r\n");
            if payload == b"$-1\r\n" {
                return;
            }
            let start = payload.iter().position(|&byte| byte == b'\n').expect("a bulk string has a head") + 1;
            let payload = &payload[start..payload.len() - 2];
            assert_eq!(client.call(&[b"RESTORE", &b"k"[..], b"0", payload, b"REPLACE"]), "+OK");
        }
        2 => {
            client.send("RENAME k other");
            client.send("RENAME other k");
        }
        3 => {
            client.send("COPY k other");
            client.send("DEL k");
            client.send("RENAME other k");
        }
        4 => {
            client.send("EXPIRE k 100000");
        }
        _ => {
            client.send("PERSIST k");
        }
    }
}

fn set_limits(client: &Client, choice: u8) {
    let [entries, bytes] = [[128, 64], [2, 64], [8, 8], [0, 0], [1000, 5000]][usize::from(choice % 5)];
    let node = [-2, 1, 3, -1, 100][usize::from(choice / 5 % 5)];
    for kind in ["hash", "set", "zset"] {
        client.send(&format!("CONFIG SET {kind}-max-listpack-entries {entries}"));
        client.send(&format!("CONFIG SET {kind}-max-listpack-value {bytes}"));
    }
    client.send(&format!("CONFIG SET set-max-intset-entries {entries}"));
    client.send(&format!("CONFIG SET list-max-listpack-size {node}"));
    client.send(&format!("CONFIG SET stream-node-max-entries {}", entries.min(100)));
}

/// A bulk string in the short notation.
fn quoted(text: &[u8]) -> String {
    format!("\"{}\"", text.escape_ascii())
}

/// An array of bulk strings in the short notation.
fn array<'a>(texts: impl IntoIterator<Item = &'a Vec<u8>>) -> String {
    let texts: Vec<String> = texts.into_iter().map(|text| quoted(text)).collect();
    format!("[{}]", texts.join(", "))
}

/// A request: words, and arguments behind them.
fn request<'a>(words: &[&'a [u8]], rest: impl IntoIterator<Item = &'a Vec<u8>>) -> Vec<&'a [u8]> {
    let mut request = words.to_vec();
    request.extend(rest.into_iter().map(Vec::as_slice));
    request
}

/// Start and end of LRANGE's kind as a range of a collection with so many elements.
fn range(start: i64, stop: i64, len: usize) -> std::ops::Range<usize> {
    let at = |index: i64| if index < 0 { index.saturating_add(len as i64) } else { index };
    let (start, stop) = (at(start).max(0), at(stop).min(len as i64 - 1));
    if start > stop { 0..0 } else { start as usize..stop as usize + 1 }
}
