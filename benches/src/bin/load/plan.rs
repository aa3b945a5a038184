//! The requests of each plan, and the shape of the right reply to each.
//!
//! A key is a prefix and the key's number in twelve digits; with the default prefix `key:` that is 16 bytes. Values
//! are all `x`, so that a fixed-reply server's answer passes the same check.

use std::collections::VecDeque;
use std::str::FromStr;
use torc_benches::resp::Reply;

const KEY_DIGITS: usize = 12;

/// SETs to GETs, as in `1:10`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ratio {
    /// Share of SETs.
    pub sets: u32,
    /// Share of GETs.
    pub gets: u32,
}

impl FromStr for Ratio {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let problem = || format!("expected two numbers such as 1:10, got '{text}'");
        let (sets, gets) = text.split_once(':').ok_or_else(problem)?;
        let sets: u32 = sets.parse().map_err(|_| problem())?;
        let gets: u32 = gets.parse().map_err(|_| problem())?;
        if sets.checked_add(gets).is_none_or(|sum| sum == 0) {
            return Err(problem());
        }
        Ok(Self { sets, gets })
    }
}

/// SETs and GETs of random keys.
#[derive(Debug, Clone, Copy)]
pub struct Mix {
    /// SETs to GETs.
    pub ratio: Ratio,
    /// Every key exists: a GET without a value is an error.
    pub expects_value: bool,
}

/// What comes next on a connection.
#[derive(Debug)]
pub enum Plan {
    /// SET of every key once, in order.
    Fill,
    /// One command for every key once, in order.
    Sequence(Template),
    /// SETs and GETs of random keys.
    Mix(Mix),
    /// One command with a random key.
    Template(Template),
    /// Several random keys at once.
    Group(Group),
}

/// An operation on several random keys, as one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Group {
    /// MULTI, this number of SETs, EXEC; sent together.
    Transaction(u32),
    /// MSET of this number of keys.
    SetAll(u32),
    /// MGET of this number of keys.
    GetAll {
        /// Number of keys.
        keys: u32,
        /// Every key exists: one without a value is an error.
        expects_values: bool,
    },
}

impl Group {
    /// How many keys.
    pub fn keys(self) -> u32 {
        match self {
            Self::Transaction(keys) | Self::SetAll(keys) | Self::GetAll { keys, .. } => keys,
        }
    }
}

/// What a right reply to a request is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// `+OK`.
    Ok,
    /// The value.
    Value,
    /// The value or none.
    ValueOrNull,
    /// Anything but an error.
    Anything,
    /// `+OK` to a MULTI.
    Begun,
    /// `+QUEUED`.
    Queued,
    /// An array of this number of `+OK`.
    Oks(u32),
    /// An array of the value, this number of times.
    Values(u32),
    /// An array of this number of values or nulls.
    ValuesOrNulls(u32),
}

impl Expected {
    /// Whether this is the last reply of an operation, the one that counts and whose latency is the operation's.
    #[inline]
    pub fn ends_operation(self) -> bool {
        !matches!(self, Self::Begun | Self::Queued)
    }
}

/// Keys and values.
#[derive(Debug)]
pub struct Workload {
    key_prefix: Vec<u8>,
    /// How many keys there are.
    keyspace: u32,
    value: Vec<u8>,
    /// The value as an item of an array.
    value_item: Vec<u8>,
}

impl Workload {
    /// So many keys that start with `key_prefix`, values of `data_size` bytes.
    pub fn new(key_prefix: &str, data_size: usize, keyspace: u32) -> Self {
        let value = vec![b'x'; data_size];
        let mut value_item = Vec::new();
        push_argument(&value, &mut value_item);
        Self { key_prefix: key_prefix.as_bytes().to_vec(), keyspace, value, value_item }
    }

    /// Appends key number `number`.
    pub fn push_key(&self, number: u32, out: &mut Vec<u8>) {
        let mut digits = [b'0'; KEY_DIGITS];
        let mut rest = number;
        for digit in digits.iter_mut().rev() {
            *digit = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
        out.extend_from_slice(&self.key_prefix);
        out.extend_from_slice(&digits);
    }

    /// Appends a SET of key `number`.
    pub fn push_set(&self, number: u32, out: &mut Vec<u8>) -> Expected {
        out.extend_from_slice(b"*3\r\n$3\r\nSET\r\n");
        self.push_key_argument(number, out);
        push_argument(&self.value, out);
        Expected::Ok
    }

    /// Appends a GET of key `number`.
    pub fn push_get(&self, number: u32, expects_value: bool, out: &mut Vec<u8>) -> Expected {
        out.extend_from_slice(b"*2\r\n$3\r\nGET\r\n");
        self.push_key_argument(number, out);
        if expects_value { Expected::Value } else { Expected::ValueOrNull }
    }

    /// Appends `group` on keys that `next_key` draws, and what is expected for each of its replies.
    pub fn push_group(
        &self,
        group: Group,
        mut next_key: impl FnMut() -> u32,
        out: &mut Vec<u8>,
        expected: &mut VecDeque<Expected>,
    ) {
        match group {
            Group::Transaction(keys) => {
                out.extend_from_slice(b"*1\r\n$5\r\nMULTI\r\n");
                expected.push_back(Expected::Begun);
                for _ in 0..keys {
                    self.push_set(next_key(), out);
                    expected.push_back(Expected::Queued);
                }
                out.extend_from_slice(b"*1\r\n$4\r\nEXEC\r\n");
                expected.push_back(Expected::Oks(keys));
            }
            Group::SetAll(keys) => {
                push_length(b'*', 1 + 2 * keys as usize, out);
                push_argument(b"MSET", out);
                for _ in 0..keys {
                    self.push_key_argument(next_key(), out);
                    push_argument(&self.value, out);
                }
                expected.push_back(Expected::Ok);
            }
            Group::GetAll { keys, expects_values } => {
                push_length(b'*', 1 + keys as usize, out);
                push_argument(b"MGET", out);
                (0..keys).for_each(|_| self.push_key_argument(next_key(), out));
                let values = if expects_values { Expected::Values } else { Expected::ValuesOrNulls };
                expected.push_back(values(keys));
            }
        }
    }

    /// Whether `reply` is one that `expected` allows.
    #[inline]
    pub fn accepts(&self, expected: Expected, reply: Reply<'_>) -> bool {
        match (expected, reply) {
            (Expected::Ok | Expected::Begun, Reply::Status(text)) => text == b"OK",
            (Expected::Queued, Reply::Status(text)) => text == b"QUEUED",
            (Expected::Value | Expected::ValueOrNull, Reply::Bulk(value)) => value == self.value,
            (Expected::ValueOrNull, Reply::Null) => true,
            (Expected::Anything, reply) => !matches!(reply, Reply::Error(_)),
            (Expected::Oks(wanted), Reply::Array { count, items }) => {
                count == wanted as usize && is_repeated(items, b"+OK\r\n", count)
            }
            (Expected::Values(wanted), Reply::Array { count, items }) => {
                count == wanted as usize && is_repeated(items, &self.value_item, count)
            }
            (Expected::ValuesOrNulls(wanted), Reply::Array { count, items }) => {
                count == wanted as usize && self.holds_values_or_nulls(items)
            }
            _ => false,
        }
    }

    fn holds_values_or_nulls(&self, mut items: &[u8]) -> bool {
        while !items.is_empty() {
            let rest = [&self.value_item[..], b"$-1\r\n", b"_\r\n"].iter().find_map(|item| items.strip_prefix(*item));
            let Some(rest) = rest else { return false };
            items = rest;
        }
        true
    }

    fn push_key_argument(&self, number: u32, out: &mut Vec<u8>) {
        push_length(b'$', self.key_prefix.len() + KEY_DIGITS, out);
        self.push_key(number, out);
        out.extend_from_slice(b"\r\n");
    }
}

/// Whether `items` is `item`, `count` times.
fn is_repeated(items: &[u8], item: &[u8], count: usize) -> bool {
    items.len() == count * item.len() && items.chunks_exact(item.len()).all(|it| it == item)
}

/// A command of the user's with places for a key and a value.
#[derive(Debug)]
pub struct Template {
    arguments: Vec<Vec<Piece>>,
}

#[derive(Debug, Clone, PartialEq)]
enum Piece {
    Text(String),
    Key,
    Data,
    /// The key's number in decimal.
    Number,
    /// That plus half the number of keys.
    Shifted,
    /// A number below 2^31 that looks random, the same for the same key.
    Scattered,
    /// A longitude and a latitude likewise.
    Longitude,
    Latitude,
}

/// What can stand in a template.
const PLACES: [(&str, Piece); 7] = [
    ("__key__", Piece::Key),
    ("__data__", Piece::Data),
    ("__num__", Piece::Number),
    ("__shifted__", Piece::Shifted),
    ("__scattered__", Piece::Scattered),
    ("__lon__", Piece::Longitude),
    ("__lat__", Piece::Latitude),
];

impl Template {
    /// Splits `text` at white space into arguments and finds `__key__`, `__data__` and the other places in them.
    ///
    /// # Errors
    /// There is no argument at all.
    pub fn parse(text: &str) -> Result<Self, String> {
        let arguments: Vec<_> = text.split_whitespace().map(parse_argument).collect();
        if arguments.is_empty() {
            return Err("--command needs at least the name of a command".into());
        }
        Ok(Self { arguments })
    }

    /// Appends the command for key `number`.
    pub fn push(&self, workload: &Workload, number: u32, scratch: &mut Vec<u8>, out: &mut Vec<u8>) -> Expected {
        push_length(b'*', self.arguments.len(), out);
        for argument in &self.arguments {
            scratch.clear();
            for piece in argument {
                match piece {
                    Piece::Text(text) => scratch.extend_from_slice(text.as_bytes()),
                    Piece::Key => workload.push_key(number, scratch),
                    Piece::Data => scratch.extend_from_slice(&workload.value),
                    Piece::Number => push_number(u64::from(number), scratch),
                    Piece::Shifted => push_number(u64::from(number) + u64::from(workload.keyspace / 2), scratch),
                    Piece::Scattered => push_number(u64::from(scatter(number) >> 1), scratch),
                    Piece::Longitude => push_degrees(scatter(number), 180, scratch),
                    Piece::Latitude => push_degrees(scatter(!number), 85, scratch),
                }
            }
            push_argument(scratch, out);
        }
        Expected::Anything
    }
}

fn parse_argument(mut text: &str) -> Vec<Piece> {
    let mut pieces = Vec::new();
    while !text.is_empty() {
        let next = PLACES.into_iter().filter_map(|(name, piece)| Some((text.find(name)?, name, piece)));
        let Some((at, name, piece)) = next.min_by_key(|found| found.0) else {
            pieces.push(Piece::Text(text.to_owned()));
            break;
        };
        if at > 0 {
            pieces.push(Piece::Text(text[..at].to_owned()));
        }
        pieces.push(piece);
        text = &text[at + name.len()..];
    }
    pieces
}

fn push_number(number: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(number.to_string().as_bytes());
}

/// Mixes the bits of a key's number (a multiplication by 2^32 over the golden ratio, and shifts).
fn scatter(number: u32) -> u32 {
    let mixed = (number ^ number >> 16).wrapping_mul(0x9E37_79B1);
    (mixed ^ mixed >> 15).wrapping_mul(0x85EB_CA77)
}

/// Degrees between plus and minus `limit`.
fn push_degrees(random: u32, limit: i32, out: &mut Vec<u8>) {
    let degrees = (f64::from(random) / f64::from(u32::MAX) * 2.0 - 1.0) * f64::from(limit);
    out.extend_from_slice(format!("{degrees:.6}").as_bytes());
}

/// Appends `bytes` as a bulk string.
fn push_argument(bytes: &[u8], out: &mut Vec<u8>) {
    push_length(b'$', bytes.len(), out);
    out.extend_from_slice(bytes);
    out.extend_from_slice(b"\r\n");
}

fn push_length(kind: u8, length: usize, out: &mut Vec<u8>) {
    let mut digits = [0; 20];
    let mut start = digits.len();
    let mut rest = length;
    loop {
        start -= 1;
        digits[start] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    out.push(kind);
    out.extend_from_slice(&digits[start..]);
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_and_a_get_are_whole_requests() {
        let workload = Workload::new("key:", 3, 1);
        let mut out = Vec::new();
        assert_eq!(workload.push_set(42, &mut out), Expected::Ok);
        assert_eq!(out, b"*3\r\n$3\r\nSET\r\n$16\r\nkey:000000000042\r\n$3\r\nxxx\r\n");
        out.clear();
        assert_eq!(workload.push_get(7, true, &mut out), Expected::Value);
        assert_eq!(out, b"*2\r\n$3\r\nGET\r\n$16\r\nkey:000000000007\r\n");
    }

    #[test]
    fn a_template_fills_its_places() {
        let template = Template::parse("HSET h:__key__ f __data____data__").unwrap();
        let mut out = Vec::new();
        template.push(&Workload::new("k", 1, 1), 5, &mut Vec::new(), &mut out);
        assert_eq!(out, b"*4\r\n$4\r\nHSET\r\n$15\r\nh:k000000000005\r\n$1\r\nf\r\n$2\r\nxx\r\n");
        assert!(Template::parse("  ").is_err());
        out.clear();
        let template = Template::parse("ZADD z __num__ m:__shifted__").unwrap();
        template.push(&Workload::new("k", 1, 100), 7, &mut Vec::new(), &mut out);
        assert_eq!(out, b"*4\r\n$4\r\nZADD\r\n$1\r\nz\r\n$1\r\n7\r\n$4\r\nm:57\r\n");
    }

    #[test]
    fn places_on_earth_are_places() {
        let template = Template::parse("__lon__ __lat__").unwrap();
        for number in 0..1000 {
            let mut out = Vec::new();
            template.push(&Workload::new("", 1, 1000), number, &mut Vec::new(), &mut out);
            let text = String::from_utf8(out).unwrap();
            let degrees: Vec<f64> =
                text.lines().filter(|line| line.contains('.')).map(|line| line.parse().unwrap()).collect();
            assert!(degrees[0].abs() <= 180.0 && degrees[1].abs() <= 85.0, "{degrees:?}");
        }
    }

    #[test]
    fn wrong_replies_are_told_from_right_ones() {
        let workload = Workload::new("", 2, 1);
        assert!(workload.accepts(Expected::Ok, Reply::Status(b"OK")));
        assert!(!workload.accepts(Expected::Ok, Reply::Status(b"QUEUED")));
        assert!(!workload.accepts(Expected::Ok, Reply::Error(b"OOM")));
        assert!(workload.accepts(Expected::Value, Reply::Bulk(b"xx")));
        assert!(!workload.accepts(Expected::Value, Reply::Bulk(b"xy")));
        assert!(!workload.accepts(Expected::Value, Reply::Null));
        assert!(workload.accepts(Expected::ValueOrNull, Reply::Null));
        assert!(!workload.accepts(Expected::Anything, Reply::Error(b"ERR")));
    }

    #[test]
    fn a_transaction_is_sent_whole_and_ends_with_its_last_reply() {
        let (workload, mut keys) = (Workload::new("k", 1, 1), [3, 9].into_iter());
        let (mut out, mut expected) = (Vec::new(), VecDeque::new());
        workload.push_group(Group::Transaction(2), || keys.next().unwrap(), &mut out, &mut expected);
        let set = |number| format!("*3\r\n$3\r\nSET\r\n$13\r\nk{number:012}\r\n$1\r\nx\r\n");
        let wanted = format!("*1\r\n$5\r\nMULTI\r\n{}{}*1\r\n$4\r\nEXEC\r\n", set(3), set(9));
        assert_eq!(String::from_utf8(out).unwrap(), wanted);
        assert_eq!(expected, [Expected::Begun, Expected::Queued, Expected::Queued, Expected::Oks(2)]);
        assert_eq!(expected.iter().filter(|it| it.ends_operation()).count(), 1);
    }

    #[test]
    fn several_keys_are_one_request() {
        let (workload, mut out, mut expected) = (Workload::new("k", 1, 1), Vec::new(), VecDeque::new());
        workload.push_group(Group::SetAll(2), || 7, &mut out, &mut expected);
        let key = "$13\r\nk000000000007\r\n";
        assert_eq!(out, format!("*5\r\n$4\r\nMSET\r\n{key}$1\r\nx\r\n{key}$1\r\nx\r\n").as_bytes());
        out.clear();
        let group = Group::GetAll { keys: 2, expects_values: true };
        workload.push_group(group, || 7, &mut out, &mut expected);
        assert_eq!(out, format!("*3\r\n$4\r\nMGET\r\n{key}{key}").as_bytes());
        assert_eq!(expected, [Expected::Ok, Expected::Values(2)]);
    }

    #[test]
    fn arrays_are_checked_to_the_last_item() {
        let workload = Workload::new("", 1, 1);
        let accepts = |expected, count, items: &[u8]| workload.accepts(expected, Reply::Array { count, items });
        assert!(accepts(Expected::Oks(2), 2, b"+OK\r\n+OK\r\n"));
        assert!(!accepts(Expected::Oks(2), 1, b"+OK\r\n"));
        assert!(!accepts(Expected::Oks(2), 2, b"+OK\r\n-NO\r\n"));
        assert!(!workload.accepts(Expected::Oks(2), Reply::Null));
        assert!(!workload.accepts(Expected::Oks(2), Reply::Error(b"EXECABORT")));
        assert!(accepts(Expected::Values(2), 2, b"$1\r\nx\r\n$1\r\nx\r\n"));
        assert!(!accepts(Expected::Values(2), 2, b"$1\r\nx\r\n$-1\r\n"));
        assert!(accepts(Expected::ValuesOrNulls(2), 2, b"$1\r\nx\r\n$-1\r\n"));
        assert!(!accepts(Expected::ValuesOrNulls(2), 2, b"$1\r\nx\r\n:1\r\n"));
        assert!(workload.accepts(Expected::Queued, Reply::Status(b"QUEUED")));
        assert!(!workload.accepts(Expected::Queued, Reply::Status(b"OK")));
    }

    #[test]
    fn ratios_are_two_numbers_with_a_sum() {
        assert_eq!("1:10".parse(), Ok(Ratio { sets: 1, gets: 10 }));
        for text in ["1", "0:0", "a:1", "1:-1", "4294967295:1"] {
            assert!(text.parse::<Ratio>().is_err(), "{text}");
        }
    }
}
