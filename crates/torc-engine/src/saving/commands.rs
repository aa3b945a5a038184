//! Keys as the commands that make them: the base of a log under `aof-use-rdb-preamble no`, in the forms in which Redis writes it.
//!
//! ```text
//!   string       SET                                  list    RPUSH    64 elements a command
//!   set          SADD     64 members a command        hash    HSET     64 fields a command, then HPEXPIREAT for each that expires
//!   sorted set   ZADD     64 members a command        stream  XADD .. XSETID, XGROUP CREATE, CREATECONSUMER, XCLAIM
//!   and last, if it expires: PEXPIREAT
//! ```
//! A stream of which no commands tell all (what producers have added, references to entries that are deleted) is one RESTORE. When keys
//! were used is lost, as in Redis.

use torc_rdb::{VERSION_DEFAULT, payload};
use torc_resp::number::{I64Text, format_f64};
use torc_store::pack::Packed;
use torc_store::sorted_set::SortedSetRef;
use torc_store::{Group, HashRef, IdText, Kind, ListRef, Piece, SetRef, Stream, StreamId, UnixMillis, ValueRef};

use crate::config::Config;
use crate::snapshot::{self, Writing};

/// Elements of one command.
const ELEMENTS_MAX: usize = 64;

/// Appends the request that selects a database.
pub(super) fn select(out: &mut Vec<u8>, db: u16) {
    put_request(out, &[b"SELECT", I64Text::new(db.into()).as_bytes()]);
}

/// Appends what makes a key, of whose value something is left.
pub(super) fn write(out: &mut Vec<u8>, value: ValueRef<'_>, now_ms: UnixMillis, config: &Config) {
    if let Some(stream) = value.as_stream() {
        if !can_be_told(stream) {
            return restore(out, value, now_ms, config);
        }
        write_stream(out, value.key(), stream);
        return expire(out, value.key(), value.expire_at());
    }
    let len = if value.kind() == Kind::String { value.as_string().expect("the kind says so").len() } else { 0 };
    let mut pieces = CommandPieces::begin(out, value, len);
    match value.kind() {
        Kind::String => pieces.add(out, Piece::Bytes(value.as_string().expect("the kind says so"))),
        Kind::List => ListRef::of(value).iter().for_each(|element| pieces.add(out, Piece::Text(element))),
        Kind::Set => SetRef::of(value).iter().for_each(|member| pieces.add(out, Piece::Text(member))),
        Kind::SortedSet => {
            let set = SortedSetRef::of(value);
            for (member, score) in set.range(0..set.len(), false) {
                member.with_bytes(|member| pieces.add(out, Piece::Scored(member, score)));
            }
        }
        Kind::Hash => {
            for field in HashRef::of(value, now_ms).iter() {
                field.name.with_bytes(|name| {
                    field.value.with_bytes(|value| pieces.add(out, Piece::Field(name, value, field.expire_at)));
                });
            }
        }
        Kind::Stream => unreachable!("it was looked at above"),
    }
    pieces.finish(out);
}

/// A value whose pieces come one after another.
#[derive(Debug)]
pub(super) struct CommandPieces {
    name: &'static [u8],
    key: Box<[u8]>,
    expire_at: Option<UnixMillis>,
    /// Words of the next command, encoded, and how many they are; elements that they are of.
    body: Vec<u8>,
    words: usize,
    elements: usize,
    /// Commands that follow it.
    after: Vec<u8>,
}

impl CommandPieces {
    /// Before the first piece. `len`: bytes of the value, if it is a string.
    pub fn begin(out: &mut Vec<u8>, value: ValueRef<'_>, len: usize) -> Self {
        let name: &'static [u8] = match value.kind() {
            Kind::String => b"SET",
            Kind::List => b"RPUSH",
            Kind::Set => b"SADD",
            Kind::SortedSet => b"ZADD",
            Kind::Hash => b"HSET",
            Kind::Stream => unreachable!("streams come whole"),
        };
        if value.kind() == Kind::String {
            put_head(out, 3);
            put_word(out, name);
            put_word(out, value.key());
            out.extend_from_slice(format!("${len}\r\n").as_bytes());
        }
        CommandPieces {
            name,
            key: value.key().into(),
            expire_at: value.expire_at(),
            body: Vec::new(),
            words: 0,
            elements: 0,
            after: Vec::new(),
        }
    }

    /// The next one.
    pub fn add(&mut self, out: &mut Vec<u8>, piece: Piece<'_>) {
        match piece {
            Piece::Bytes(bytes) => return out.extend_from_slice(bytes),
            Piece::Text(element) => self.put_packed(element),
            Piece::Scored(member, score) => {
                let mut text = Vec::new();
                format_f64(score, &mut text);
                self.put(&text);
                self.put(member);
            }
            Piece::Field(name, value, expire_at) => {
                self.put(name);
                self.put(value);
                if let Some(at) = expire_at {
                    let at = I64Text::new(at);
                    let words: [&[u8]; 6] = [b"HPEXPIREAT", &self.key, at.as_bytes(), b"FIELDS", b"1", name];
                    put_request(&mut self.after, &words);
                }
            }
        }
        self.elements += 1;
        if self.elements == ELEMENTS_MAX {
            self.flush(out);
        }
    }

    /// After the last one.
    pub fn finish(mut self, out: &mut Vec<u8>) {
        if self.name == b"SET" {
            out.extend_from_slice(b"\r\n");
        }
        self.flush(out);
        expire(out, &self.key, self.expire_at);
    }

    fn put_packed(&mut self, element: Packed<'_>) {
        element.with_bytes(|bytes| self.put(bytes));
    }

    fn put(&mut self, word: &[u8]) {
        put_word(&mut self.body, word);
        self.words += 1;
    }

    fn flush(&mut self, out: &mut Vec<u8>) {
        if self.elements > 0 {
            put_head(out, 2 + self.words);
            put_word(out, self.name);
            put_word(out, &self.key);
            out.append(&mut self.body);
            out.append(&mut self.after);
            (self.words, self.elements) = (0, 0);
        }
    }
}

fn expire(out: &mut Vec<u8>, key: &[u8], expire_at: Option<UnixMillis>) {
    if let Some(at) = expire_at {
        put_request(out, &[b"PEXPIREAT", key, I64Text::new(at).as_bytes()]);
    }
}

/// Whether commands tell all of a stream.
fn can_be_told(stream: &Stream) -> bool {
    let all = |group: &Group| group.pending_range(StreamId::MIN, StreamId::MAX).all(|(id, _)| stream.get(id).is_some());
    stream.producers().is_none() && stream.groups().iter().all(all)
}

fn restore(out: &mut Vec<u8>, value: ValueRef<'_>, now_ms: UnixMillis, config: &Config) {
    let mut bytes = Vec::new();
    let writing = Writing { config, version: VERSION_DEFAULT, compress: false, now_ms };
    let version = snapshot::encode(value, writing, &mut bytes).expect("a stream has no fields that expire");
    payload::seal(&mut bytes, 0, version);
    let expire_at = I64Text::new(value.expire_at().unwrap_or(0));
    put_request(out, &[b"RESTORE", value.key(), expire_at.as_bytes(), &bytes, b"ABSTTL"]);
}

fn write_stream(out: &mut Vec<u8>, key: &[u8], stream: &Stream) {
    for entry in stream.range(StreamId::MIN, StreamId::MAX) {
        let (mut body, mut words) = (Vec::new(), 3);
        for (name, value) in entry.pairs() {
            name.with_bytes(|name| put_word(&mut body, name));
            value.with_bytes(|value| put_word(&mut body, value));
            words += 2;
        }
        put_head(out, words);
        [b"XADD", key, IdText::new(entry.id()).as_bytes()].iter().for_each(|word| put_word(out, word));
        out.append(&mut body);
    }
    if stream.is_empty() {
        // An entry that is trimmed at once makes the key.
        let made = IdText::new(stream.last_id().max(StreamId { ms: 0, seq: 1 }));
        put_request(out, &[b"XADD", key, b"MAXLEN", b"0", made.as_bytes(), b"x", b"y"]);
    }
    let (last, deleted) = (IdText::new(stream.last_id()), IdText::new(stream.max_deleted_id()));
    let added = I64Text::new(stream.entries_added() as i64);
    let words: [&[u8]; 7] =
        [b"XSETID", key, last.as_bytes(), b"ENTRIESADDED", added.as_bytes(), b"MAXDELETEDID", deleted.as_bytes()];
    put_request(out, &words);
    stream.groups().iter().for_each(|group| write_group(out, key, group));
}

fn write_group(out: &mut Vec<u8>, key: &[u8], group: &Group) {
    let last = IdText::new(group.last_id());
    let read = I64Text::new(group.entries_read().map_or(-1, |read| read as i64));
    let words: [&[u8]; 7] = [b"XGROUP", b"CREATE", key, group.name(), last.as_bytes(), b"ENTRIESREAD", read.as_bytes()];
    put_request(out, &words);
    for consumer in group.consumers() {
        if consumer.pending_len() == 0 {
            put_request(out, &[b"XGROUP", b"CREATECONSUMER", key, group.name(), consumer.name()]);
        }
        for entry in consumer.pending_range(StreamId::MIN, StreamId::MAX) {
            let pending = group.pending(entry).expect("what a consumer has, its group has");
            let (entry, time) = (IdText::new(entry), I64Text::new(pending.delivered_at));
            let count = I64Text::new(pending.deliveries as i64);
            let head = [b"XCLAIM", key, group.name(), consumer.name(), b"0", entry.as_bytes()];
            let rest: [&[u8]; 6] = [b"TIME", time.as_bytes(), b"RETRYCOUNT", count.as_bytes(), b"JUSTID", b"FORCE"];
            put_request(out, &[&head[..], &rest[..]].concat());
        }
    }
}

fn put_request(out: &mut Vec<u8>, words: &[&[u8]]) {
    put_head(out, words.len());
    words.iter().for_each(|word| put_word(out, word));
}

fn put_head(out: &mut Vec<u8>, words: usize) {
    out.extend_from_slice(format!("*{words}\r\n").as_bytes());
}

fn put_word(out: &mut Vec<u8>, word: &[u8]) {
    out.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
    out.extend_from_slice(word);
    out.extend_from_slice(b"\r\n");
}
