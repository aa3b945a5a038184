//! Streams as the commands that make them.
//!
//! ```text
//!   whole                        XADD ..  XSETID  XGROUP CREATE, CREATECONSUMER, XCLAIM ..   or one RESTORE, if that does not tell all
//!   in pieces, no references     XADD ..  XSETID  XGROUP CREATE, CREATECONSUMER ..
//!   in pieces, with references   RESTORE of groups and producers  XADD ..  XSETID
//!   or producers
//! ```
//! Whether each reference is to an entry that is there, so that XCLAIM makes it, is known only by looking at all of them. So a stream that
//! comes in pieces has groups and producers restored first, as those of a stream that never had an entry. That payload is one argument,
//! whose length stands before it: it is collected, some 40 bytes for a reference, and its pieces become parts of the file when it is whole.

use torc_rdb::payload::{self, GrowingSeal};
use torc_rdb::{EncodeOptions, Encoder, VERSION_DEFAULT};
use torc_resp::number::I64Text;
use torc_store::{EntryRef, Group, IdText, Stream, StreamId, StreamOrder, StreamPiece, UnixMillis, ValueRef};

use super::{expire, put_head, put_request, put_word};
use crate::config::Config;
use crate::saving::stream::StreamRest;
use crate::snapshot::{self, Writing};

/// Bytes of a piece of a payload, about.
const PIECE_BYTES: usize = 64 << 10;

/// Appends what makes a stream.
pub(super) fn write(out: &mut Vec<u8>, value: ValueRef<'_>, stream: &Stream, now_ms: UnixMillis, config: &Config) {
    if !can_be_told(stream) {
        return restore(out, value, now_ms, config);
    }
    let (key, head) = (value.key(), Head::of(stream));
    stream.range(StreamId::MIN, StreamId::MAX).for_each(|entry| put_entry(out, key, &entry));
    head.put_key(out, key);
    head.put(out, key);
    stream.groups().iter().for_each(|group| write_group(out, key, group));
    expire(out, key, value.expire_at());
}

/// A stream whose pieces come one after another.
#[derive(Debug)]
pub(in crate::saving) struct StreamCommands {
    key: Box<[u8]>,
    expire_at: Option<UnixMillis>,
    head: Head,
    /// The payload that is restored first, until it is whole.
    restored: Option<Payload>,
    /// Whether [`Head::put`] was called.
    has_head: bool,
    /// The group whose consumers come.
    group: Vec<u8>,
}

#[derive(Debug)]
struct Payload {
    /// Pieces that are not moved while others come.
    pieces: Vec<Vec<u8>>,
    /// Their bytes.
    len: usize,
    /// The next piece.
    bytes: Vec<u8>,
    rest: StreamRest,
    seal: GrowingSeal,
    version: u16,
}

impl StreamCommands {
    /// Before the first piece.
    pub fn begin(value: ValueRef<'_>, stream: &Stream) -> Self {
        let has_references = stream.groups().iter().any(|group| group.pending_len() > 0);
        let restored = (has_references || stream.producers().is_some()).then(|| Payload::begin(stream));
        StreamCommands {
            key: value.key().into(),
            expire_at: value.expire_at(),
            head: Head::of(stream),
            restored,
            has_head: false,
            group: Vec::new(),
        }
    }

    /// What is to come first.
    pub fn order(&self) -> StreamOrder {
        if self.restored.is_some() { StreamOrder::GroupsFirst } else { StreamOrder::NodesFirst }
    }

    /// The next one.
    pub fn add(&mut self, out: &mut Vec<u8>, piece: StreamPiece<'_>) {
        if let StreamPiece::Node(node) = piece {
            assert!(self.restored.is_none(), "it was taken before the entries");
            return node.entries().for_each(|entry| put_entry(out, &self.key, &entry));
        }
        if let Some(payload) = &mut self.restored {
            return payload.add(piece);
        }
        self.end_entries(out);
        match piece {
            StreamPiece::Group { name, last_id, entries_read, .. } => {
                put_group(out, &self.key, name, last_id, entries_read);
                self.group = name.to_vec();
            }
            StreamPiece::Consumer { name, .. } => {
                put_request(out, &[b"XGROUP", b"CREATECONSUMER", &self.key, &self.group, name]);
            }
            StreamPiece::Consumers(_) => {}
            piece => unreachable!("{piece:?} is restored"),
        }
    }

    /// After the last one.
    pub fn finish(mut self, out: &mut Vec<u8>) {
        assert!(self.restored.is_none(), "it was taken before the end");
        self.end_entries(out);
        expire(out, &self.key, self.expire_at);
    }

    /// Bytes that are not written yet.
    pub fn held(&self) -> usize {
        self.restored.as_ref().map_or(0, Payload::len)
    }

    /// To be called before the first node, and before the end. Appends the head of the request that restores groups and producers, if there is
    /// one, and gives what follows.
    pub fn take_payload(&mut self, out: &mut Vec<u8>) -> Vec<Vec<u8>> {
        let Some(payload) = self.restored.take() else { return Vec::new() };
        // It has made the key.
        self.head.is_empty = false;
        payload.put(out, &self.key)
    }

    fn end_entries(&mut self, out: &mut Vec<u8>) {
        if !std::mem::replace(&mut self.has_head, true) {
            self.head.put_key(out, &self.key);
            self.head.put(out, &self.key);
        }
    }
}

impl Payload {
    fn begin(stream: &Stream) -> Payload {
        let options = EncodeOptions { compress: false, ..EncodeOptions::default() };
        let mut bytes = Vec::new();
        let mut encoder = Encoder::new(&mut bytes, &options);
        let rest = StreamRest::begin_without_entries(&mut encoder, stream);
        let version = encoder.version();
        Payload { pieces: Vec::new(), len: 0, bytes, rest, seal: GrowingSeal::default(), version }
    }

    fn add(&mut self, piece: StreamPiece<'_>) {
        self.rest.add(&mut self.bytes, piece);
        if self.bytes.len() >= PIECE_BYTES {
            self.end_piece();
        }
    }

    fn end_piece(&mut self) {
        self.seal.follow(&self.bytes);
        self.len += self.bytes.len();
        self.pieces.push(std::mem::replace(&mut self.bytes, Vec::with_capacity(PIECE_BYTES + PIECE_BYTES / 8)));
    }

    fn len(&self) -> usize {
        self.len + self.bytes.len()
    }

    /// Appends the head of the request that restores it, and gives the rest of that.
    fn put(mut self, out: &mut Vec<u8>, key: &[u8]) -> Vec<Vec<u8>> {
        self.rest.end(&mut self.bytes);
        self.end_piece();
        let Payload { mut pieces, len, rest, seal, version, .. } = self;
        rest.finish();
        let seal = seal.finish(version);
        put_head(out, 4);
        [&b"RESTORE"[..], key, b"0"].iter().for_each(|word| put_word(out, word));
        out.extend_from_slice(format!("${}\r\n", len + seal.len()).as_bytes());
        let last = pieces.last_mut().expect("a piece was ended just now");
        last.extend_from_slice(&seal);
        last.extend_from_slice(b"\r\n");
        pieces
    }
}

/// Whether commands tell all of a stream.
fn can_be_told(stream: &Stream) -> bool {
    let all = |group: &Group| group.pending_range(StreamId::MIN, StreamId::MAX).all(|(id, _)| stream.get(id).is_some());
    stream.producers().is_none() && stream.groups().iter().all(all)
}

/// One RESTORE.
fn restore(out: &mut Vec<u8>, value: ValueRef<'_>, now_ms: UnixMillis, config: &Config) {
    let mut bytes = Vec::new();
    let writing = Writing { config, version: VERSION_DEFAULT, compress: false, now_ms };
    let version = snapshot::encode(value, writing, &mut bytes).expect("a stream has no fields that expire");
    payload::seal(&mut bytes, 0, version);
    let expire_at = I64Text::new(value.expire_at().unwrap_or(0));
    put_request(out, &[b"RESTORE", value.key(), expire_at.as_bytes(), &bytes, b"ABSTTL"]);
}

fn put_entry(out: &mut Vec<u8>, key: &[u8], entry: &EntryRef<'_>) {
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

/// What a stream knows of itself.
#[derive(Clone, Copy, Debug)]
struct Head {
    is_empty: bool,
    last_id: StreamId,
    max_deleted_id: StreamId,
    entries_added: u64,
}

impl Head {
    fn of(stream: &Stream) -> Head {
        Head {
            is_empty: stream.is_empty(),
            last_id: stream.last_id(),
            max_deleted_id: stream.max_deleted_id(),
            entries_added: stream.entries_added(),
        }
    }

    /// Makes the key, if it has no entry.
    fn put_key(&self, out: &mut Vec<u8>, key: &[u8]) {
        if self.is_empty {
            // An entry that is trimmed at once makes the key.
            let made = IdText::new(self.last_id.max(StreamId { ms: 0, seq: 1 }));
            put_request(out, &[b"XADD", key, b"MAXLEN", b"0", made.as_bytes(), b"x", b"y"]);
        }
    }

    /// Behind the entries.
    fn put(&self, out: &mut Vec<u8>, key: &[u8]) {
        let (last, deleted) = (IdText::new(self.last_id), IdText::new(self.max_deleted_id));
        let added = I64Text::new(self.entries_added as i64);
        let words: [&[u8]; 7] =
            [b"XSETID", key, last.as_bytes(), b"ENTRIESADDED", added.as_bytes(), b"MAXDELETEDID", deleted.as_bytes()];
        put_request(out, &words);
    }
}

fn put_group(out: &mut Vec<u8>, key: &[u8], name: &[u8], last_id: StreamId, entries_read: Option<u64>) {
    let last = IdText::new(last_id);
    let read = I64Text::new(entries_read.map_or(-1, |read| read as i64));
    put_request(out, &[b"XGROUP", b"CREATE", key, name, last.as_bytes(), b"ENTRIESREAD", read.as_bytes()]);
}

fn write_group(out: &mut Vec<u8>, key: &[u8], group: &Group) {
    put_group(out, key, group.name(), group.last_id(), group.entries_read());
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
