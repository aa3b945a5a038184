//! Keys as the commands that make them: the base of a log under `aof-use-rdb-preamble no`, in the forms in which Redis writes it.
//!
//! ```text
//!   string       SET                                  list    RPUSH    64 elements a command
//!   set          SADD     64 members a command        hash    HSET     64 fields a command, then HPEXPIREAT for each that expires
//!   sorted set   ZADD     64 members a command        stream  XADD .. XSETID, XGROUP CREATE, CREATECONSUMER, XCLAIM
//!   and last, if it expires: PEXPIREAT
//! ```
//! A stream of which no commands tell all (what producers have added, references to entries that are deleted) is one RESTORE, and a big one
//! with any reference begins with a RESTORE of all but its entries (`commands/stream.rs`). When keys were used is lost, as in Redis.

mod stream;

use torc_resp::number::{I64Text, format_f64};
use torc_store::pack::Packed;
use torc_store::sorted_set::SortedSetRef;
use torc_store::{HashRef, Kind, ListRef, Piece, SetRef, UnixMillis, ValueRef};

use crate::config::Config;
pub(super) use stream::StreamCommands;

/// Elements of one command.
const ELEMENTS_MAX: usize = 64;

/// Appends the request that selects a database.
pub(super) fn select(out: &mut Vec<u8>, db: u16) {
    put_request(out, &[b"SELECT", I64Text::new(db.into()).as_bytes()]);
}

/// Appends the request that loads a library of functions.
pub(super) fn load_library(out: &mut Vec<u8>, source: &[u8]) {
    put_request(out, &[b"FUNCTION", b"LOAD", source]);
}

/// Appends what makes a key, of whose value something is left.
pub(super) fn write(out: &mut Vec<u8>, value: ValueRef<'_>, now_ms: UnixMillis, config: &Config) {
    if let Some(own) = value.as_stream() {
        return stream::write(out, value, own, now_ms, config);
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
            Kind::Stream => unreachable!("it has pieces of its own"),
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
            Piece::Stream(_) => unreachable!("a stream has pieces of its own"),
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
