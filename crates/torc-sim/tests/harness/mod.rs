//! What must hold for any bytes that are given to RESTORE, and for any commands on what comes of them; the fuzz target and the
//! tests run this same function.
//!
//! ```text
//!   seed 4 | choice 1 | rest
//!   choice even: a value made from the seed, encoded in one of many ways; each 3 bytes of the rest damage one byte of it
//!   choice odd:  the rest is version 2, type 1 and value
//!   -> sealed -> RESTORE -> commands of the value's own group, some others -> DUMP -> RESTORE: the same value again
//! ```
//! Nothing panics, whatever the bytes are; a refused payload leaves no key; the value that is left counts its elements rightly, goes
//! through DUMP, and leaves no memory behind when it is deleted.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use torc_engine::command::registry;
use torc_engine::config::DebugAccess;
use torc_engine::random::Random;
use torc_rdb::{
    EncodeOptions, HashField, PendingEntry, StreamConsumer, StreamEntry, StreamGroup, StreamHead, StreamId,
    StreamProducer, StreamProducers, StreamValue, Thresholds, Value, payload,
};
use torc_sim::borders::{self, Values};
use torc_sim::grammar::{Source, Template};

use crate::common::{Client, START_MS, TestCore, render};

/// Commands on one value.
const COMMANDS: u64 = 24;
/// Names that a syntax has for keys.
const KEY_NAMES: [&str; 10] =
    ["key", "key1", "key2", "destination", "source", "newkey", "destkey", "sourcekey", "dst", "src"];
/// Names for which an element of the value is likely to be wanted.
const ELEMENT_NAMES: [&str; 9] =
    ["element", "member", "field", "value", "pivot", "id", "group", "consumer", "comparison-value"];

/// Restores the payload that `bytes` encode and runs commands on it; panics where a promise is broken.
pub fn check(bytes: &[u8]) {
    let [a, b, c, d, choice, rest @ ..] = bytes else {
        return;
    };
    let mut random = Random::new(u64::from(u32::from_le_bytes([*a, *b, *c, *d])));
    let Some(payload) = (if choice & 1 == 0 { damaged(rest, &mut random) } else { sealed(rest) }) else { return };
    let core = TestCore::with_config(1, |config| {
        config.enable_debug_command = DebugAccess::Yes;
        // A string that one command makes is no bigger: half a gigabyte takes a sanitizer many seconds.
        config.proto_max_bulk_len_bytes = 8 << 20;
    });
    let mut client = core.client();
    limits(&client, choice >> 1);
    let reply = client.call(&[b"RESTORE", &b"v"[..], b"0", &payload]);
    if reply != "+OK" {
        assert!(reply.starts_with('-') && client.send("EXISTS v") == ":0", "{reply}");
        return;
    }
    let value = payload::decode(&payload).expect("RESTORE has read it");
    // HLEN counts fields that have expired until they are removed, and RESTORE takes such fields.
    core.upkeep();
    check_value(&client, b"v");
    let source = Pool::of(&value, payload);
    for _ in 0..random.below(COMMANDS) {
        let request = draw(&source, &mut random);
        if client.raw(&encoded(&request)).is_empty() {
            // It waits for a key.
            client.disconnect();
            client = core.client();
        }
        if random.below(16) == 0 {
            core.advance_ms(random.below(100_000) as i64);
            core.upkeep();
        }
    }
    core.upkeep();
    [&b"v"[..], b"w", b"u"].iter().for_each(|key| check_value(&client, key));
    assert_eq!(client.send("FLUSHALL"), "+OK");
}

/// Runs a seed with damage that follows from it too.
pub fn check_seed(seed: u32) {
    let mut random = Random::new(u64::from(seed) << 32);
    let mut bytes = seed.to_le_bytes().to_vec();
    bytes.push((random.next_u64() as u8) & !1);
    for _ in 0..random.below(4) * 3 {
        bytes.push(random.next_u64() as u8);
    }
    check(&bytes);
}

/// Small or large limits of the encodings.
fn limits(client: &Client, choice: u8) {
    let config = match choice % 3 {
        0 => return,
        1 => [("list-max-listpack-size", "2"), ("entries", "3"), ("value", "8"), ("stream-node-max-entries", "3")],
        _ => [("list-max-listpack-size", "-1"), ("entries", "0"), ("value", "64"), ("stream-node-max-bytes", "60")],
    };
    for (name, value) in config {
        let names = match name {
            "entries" => vec!["hash-max-listpack-entries", "set-max-listpack-entries", "zset-max-listpack-entries"],
            "value" => vec!["hash-max-listpack-value", "set-max-listpack-value", "zset-max-listpack-value"],
            name => vec![name],
        };
        for name in names {
            assert_eq!(client.send(&format!("CONFIG SET {name} {value}")), "+OK", "{name}");
        }
    }
}

/// The value of a key is whole: its length is that of what it holds, and DUMP and RESTORE make the same of it.
fn check_value(client: &Client, key: &[u8]) {
    // Digests tell whether a key expires.
    client.call(&[b"PERSIST", key]);
    let dumped = client.raw(&encoded(&[b"DUMP".to_vec(), key.to_vec()]));
    if dumped == b"$-1\r\n" {
        return;
    }
    let start = dumped.iter().position(|&byte| byte == b'\n').expect("a bulk string has a head") + 1;
    let payload = &dumped[start..dumped.len() - 2];
    let value = payload::decode(payload).expect("what DUMP gives can be read");
    let (command, len) = match &value {
        Value::String(bytes) => ("STRLEN", bytes.len()),
        Value::List(elements) => ("LLEN", elements.len()),
        Value::Set(members) => ("SCARD", members.len()),
        Value::SortedSet(members) => ("ZCARD", members.len()),
        Value::Hash(fields) => ("HLEN", fields.len()),
        Value::Stream(stream) => ("XLEN", stream.entries.len()),
    };
    assert_eq!(client.call(&[command.as_bytes(), key]), format!(":{len}"));
    let reply = client.call(&[b"RESTORE", &b"copy"[..], b"0", payload, b"REPLACE"]);
    assert_eq!(reply, "+OK", "{value:?}");
    if !has_negative_zero(&value) {
        assert_same_digest(client, key, &value);
    }
    assert_eq!(client.send("DEL copy"), ":1");
}

/// As in Redis, a small sorted set knows no negative zero, and a big one does.
fn has_negative_zero(value: &Value) -> bool {
    matches!(value, Value::SortedSet(members) if members.iter().any(|(_, score)| *score == 0.0 && score.is_sign_negative()))
}

fn assert_same_digest(client: &Client, key: &[u8], value: &Value) {
    let digests = client.call(&[b"DEBUG", &b"DIGEST-VALUE"[..], key, b"copy"]);
    let (first, second) = digests.trim_matches(['[', ']']).split_once(", ").expect("two digests");
    assert_eq!(first, second, "{value:?}");
}

/// The bytes with the seal that makes RESTORE read them.
fn sealed(rest: &[u8]) -> Option<Vec<u8>> {
    let [low, high, body @ ..] = rest else { return None };
    let mut bytes = body.to_vec();
    payload::seal(&mut bytes, 0, u16::from_le_bytes([*low, *high]));
    Some(bytes)
}

/// A sound payload, damaged and sealed again.
fn damaged(damage: &[u8], random: &mut Random) -> Option<Vec<u8>> {
    let mut thresholds = Thresholds::default();
    if random.below(2) == 0 {
        thresholds.list_max_listpack_size = 2;
        thresholds.hash_max_listpack_entries = 2;
        thresholds.set_max_intset_entries = 1;
        thresholds.set_max_listpack_entries = 2;
        thresholds.zset_max_listpack_entries = 2;
        thresholds.stream_node_max_entries = 3;
    }
    let version = [10, 11, 12][random.below(3) as usize];
    let options = EncodeOptions { version, compress: random.below(2) == 0, thresholds };
    let mut bytes = payload::encode(&value(random), &options);
    bytes.truncate(bytes.len() - 10);
    for place in damage.chunks_exact(3) {
        let at = usize::from(u16::from_le_bytes([place[0], place[1]])) % bytes.len();
        bytes[at] = place[2];
    }
    payload::seal(&mut bytes, 0, version);
    Some(bytes)
}

fn value(random: &mut Random) -> Value {
    let len = match random.below(6) {
        0 => 1,
        1 => 100 + random.below(200),
        _ => 1 + random.below(12),
    };
    let texts = |random: &mut Random| (0..len).map(|_| borders::text(random)).collect::<Vec<_>>();
    let distinct = |random: &mut Random| texts(random).into_iter().collect::<BTreeSet<_>>();
    match random.below(7) {
        0 => Value::String(texts(random).concat()),
        1 => Value::List(texts(random)),
        2 => Value::Set(distinct(random).into_iter().collect()),
        3 => {
            let integers: BTreeSet<i64> = (0..len).map(|_| (random.next_u64() as i64) >> random.below(64)).collect();
            Value::Set(integers.iter().map(|integer| integer.to_string().into_bytes()).collect())
        }
        4 => {
            let score = |random: &mut Random| match random.below(8) {
                0 => f64::INFINITY,
                1 => f64::NEG_INFINITY,
                2 => random.next_u64() as f64 / 3.0,
                3 => -0.0,
                _ => random.below(9) as f64 / 2.0,
            };
            Value::SortedSet(distinct(random).into_iter().map(|member| (member, score(random))).collect())
        }
        5 => {
            let expires = random.below(3) == 0;
            let fields = distinct(random).into_iter().map(|name| HashField {
                name,
                value: borders::text(random),
                expire_at: (expires && random.below(2) == 0).then(|| START_MS + random.below(200_000) as i64 + 1),
            });
            Value::Hash(fields.collect())
        }
        _ => Value::Stream(Box::new(stream(len, random))),
    }
}

fn stream(len: u64, random: &mut Random) -> StreamValue {
    let mut id = StreamId { ms: 0, seq: 0 };
    let mut entries = Vec::new();
    for _ in 0..len {
        let skip = if random.below(20) == 0 { random.next_u64() >> 20 } else { random.below(3) };
        id = StreamId { ms: id.ms + skip, seq: if skip == 0 { id.seq + 1 } else { random.below(4) } };
        let fields = (0..1 + random.below(3)).map(|at| (vec![b'a' + at as u8].into(), borders::text(random)));
        entries.push(StreamEntry { id, fields: fields.collect() });
    }
    let head = StreamHead { last_id: id, first_id: entries[0].id, entries_added: len, ..StreamHead::default() };
    let group = |number: u64, random: &mut Random| {
        let pending = entries.iter().filter(|_| random.below(2) == 0).map(|entry| entry.id).collect::<Vec<_>>();
        let pending = pending.into_iter().map(|id| PendingEntry {
            id,
            delivered_at: START_MS - random.below(1000) as i64,
            delivery_count: if random.below(9) == 0 { u64::MAX - random.below(2) } else { random.below(4) },
        });
        let pending: Vec<PendingEntry> = pending.collect();
        let consumer = |number: usize| StreamConsumer {
            name: format!("c{number}").into_bytes(),
            seen_at: START_MS,
            active_at: Some(START_MS),
            pending: pending.iter().skip(number).step_by(2).map(|entry| entry.id).collect(),
        };
        let consumers = (0..2).map(consumer).collect();
        let last_id = entries[random.below(len) as usize].id;
        let entries_read = (random.below(2) == 0).then(|| random.below(len + 1));
        StreamGroup { name: format!("g{number}").into_bytes(), last_id, entries_read, pending, consumers }
    };
    let groups = (0..random.below(3)).map(|number| group(number, random)).collect();
    let producer = |number: u64, random: &mut Random| {
        let added = entries.iter().map(|entry| (borders::text(random), entry.id)).step_by(3);
        let identifiers: BTreeMap<Vec<u8>, StreamId> = added.collect();
        StreamProducer { name: format!("p{number}").into_bytes(), identifiers: identifiers.into_iter().collect() }
    };
    let producers = (random.below(3) == 0).then(|| StreamProducers {
        duration_seconds: 1 + random.below(100),
        identifiers_max: 1 + random.below(100),
        producers: (0..random.below(3)).map(|number| producer(number, random)).collect(),
        added: len,
        duplicates: random.below(3),
    });
    StreamValue { entries, head, groups, producers }
}

/// What the arguments of commands are made of: three keys, the elements of the value, and odd things.
struct Pool {
    values: Values,
    elements: Vec<Vec<u8>>,
    groups: &'static [&'static str],
}

impl Pool {
    fn of(value: &Value, payload: Vec<u8>) -> Pool {
        let mut elements: Vec<Vec<u8>> = Vec::new();
        let groups: &[&str] = match value {
            Value::String(_) => &["string", "bitmap", "hyperloglog"],
            Value::List(list) => {
                elements.extend(list.iter().take(40).cloned());
                &["list"]
            }
            Value::Set(members) => {
                elements.extend(members.iter().take(40).cloned());
                &["set"]
            }
            Value::SortedSet(members) => {
                elements.extend(members.iter().take(40).map(|(member, _)| member.clone()));
                &["sorted-set", "geo"]
            }
            Value::Hash(fields) => {
                elements.extend(fields.iter().take(40).map(|field| field.name.clone()));
                &["hash"]
            }
            Value::Stream(stream) => {
                let ids = stream.entries.iter().take(40).map(|entry| format!("{}-{}", entry.id.ms, entry.id.seq));
                elements.extend(ids.map(String::into_bytes));
                &["stream"]
            }
        };
        let values = Values {
            group: groups[0],
            reforms: false,
            is_queued: false,
            now_ms: START_MS,
            payloads: vec![payload].into(),
        };
        Pool { values, elements, groups }
    }
}

impl Source for Pool {
    fn value_of(&self, name: &str, command: &str, random: &mut Random) -> Vec<u8> {
        if KEY_NAMES.contains(&name) {
            let keys: [&[u8]; 6] = [b"v", b"v", b"v", b"v", b"w", b"u"];
            return keys[random.below(6) as usize].to_vec();
        }
        let is_element = ELEMENT_NAMES.contains(&name) && !matches!(command, "setbit" | "bitfield");
        if is_element && !self.elements.is_empty() && !matches!(name, "group" | "consumer") && random.below(2) == 0 {
            return self.elements[random.below(self.elements.len() as u64) as usize].clone();
        }
        self.values.value_of(name, command, random)
    }

    fn surplus(&self, random: &mut Random) -> Vec<u8> {
        borders::text(random)
    }
}

fn draw(source: &Pool, random: &mut Random) -> Vec<Vec<u8>> {
    static TEMPLATES: LazyLock<Vec<Template>> = LazyLock::new(|| {
        let suits = |command: &&torc_engine::command::Command| {
            let row = command.row;
            !row.keys.is_empty()
                && command.subcommands.is_empty()
                && !matches!(row.group, "server" | "transactions" | "scripting" | "cluster" | "pubsub")
        };
        registry().all().filter(suits).map(Template::new).collect()
    });
    let groups: &[&str] = match random.below(10) {
        0 => &[],
        1 | 2 => &["generic"],
        _ => source.groups,
    };
    loop {
        let template = &TEMPLATES[random.below(TEMPLATES.len() as u64) as usize];
        if groups.is_empty() || groups.contains(&template.command.row.group) {
            return template.request(source, random);
        }
    }
}

fn encoded(request: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = Vec::new();
    torc_resp::write_request(&mut bytes, request);
    bytes
}

/// Everything that came back is whole replies.
#[allow(dead_code)] // Used where a failure is looked into.
pub fn replies(mut out: &[u8]) -> Vec<String> {
    let mut replies = Vec::new();
    while !out.is_empty() {
        replies.push(render(&mut out));
    }
    replies
}
