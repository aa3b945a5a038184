//! Values independent of any layout in memory or on disk.

use std::sync::Arc;

/// A value of any kind that is read and written here.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// A string of bytes.
    String(Vec<u8>),
    /// A list, head first. Never empty.
    List(Vec<Vec<u8>>),
    /// A set: distinct members in no order. Never empty.
    Set(Vec<Vec<u8>>),
    /// A sorted set: distinct members with their scores, which are numbers; in any order. Never empty.
    SortedSet(Vec<(Vec<u8>, f64)>),
    /// A hash: distinct fields in no order. Never empty.
    Hash(Vec<HashField>),
    /// A stream; it may be empty.
    Stream(Box<StreamValue>),
}

/// A field of a hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HashField {
    /// The field's name.
    pub name: Vec<u8>,
    /// Any bytes.
    pub value: Vec<u8>,
    /// When it goes away by itself, in Unix milliseconds.
    pub expire_at: Option<i64>,
}

/// The identifier of an entry of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct StreamId {
    /// Unix milliseconds, as a rule.
    pub ms: u64,
    /// Tells entries of one millisecond apart.
    pub seq: u64,
}

/// What a stream knows about itself besides its entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StreamHead {
    /// The highest identifier ever given out; no entry is above it.
    pub last_id: StreamId,
    /// The identifier of the first entry; 0-0 without entries.
    pub first_id: StreamId,
    /// The highest identifier of an entry that was deleted.
    pub max_deleted_id: StreamId,
    /// How many entries were ever added.
    pub entries_added: u64,
}

/// A stream.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StreamValue {
    /// Entries, by ascending identifiers.
    pub entries: Vec<StreamEntry>,
    /// What it knows about itself.
    pub head: StreamHead,
    /// Consumer groups with distinct names.
    pub groups: Vec<StreamGroup>,
    /// What its producers have added lately; of a stream that keeps it.
    pub producers: Option<StreamProducers>,
}

/// The identifiers that producers of a stream have added entries with lately, so that none is added twice.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StreamProducers {
    /// For how many seconds an identifier is kept.
    pub duration_seconds: u64,
    /// Most identifiers of one producer.
    pub identifiers_max: u64,
    /// Producers with distinct names.
    pub producers: Vec<StreamProducer>,
    /// How many entries were ever added with an identifier.
    pub added: u64,
    /// How many were found to be there already.
    pub duplicates: u64,
}

/// What a producer of a stream has added lately.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamProducer {
    /// The name it gives with XADD IDMP or IDMPAUTO; unique within the stream.
    pub name: Vec<u8>,
    /// Distinct identifiers, each with the entry that was added, in any order. The entry itself may be gone.
    pub identifiers: Vec<(Vec<u8>, StreamId)>,
}

/// An entry of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamEntry {
    /// Milliseconds and sequence number; entries of a stream ascend by it.
    pub id: StreamId,
    /// Fields and values, at least one. Entries often have the same fields, and then share their names' memory, as they share
    /// the bytes they were read from: else few bytes could ask for much memory.
    pub fields: Vec<(Arc<[u8]>, Vec<u8>)>,
}

/// A consumer group of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamGroup {
    /// The name, unique within the stream.
    pub name: Vec<u8>,
    /// The last entry that was delivered to it.
    pub last_id: StreamId,
    /// How many entries it has read, where that is known.
    pub entries_read: Option<u64>,
    /// Entries that are delivered and not acknowledged, by ascending identifiers. Each belongs to exactly one consumer.
    pub pending: Vec<PendingEntry>,
    /// Consumers with distinct names.
    pub consumers: Vec<StreamConsumer>,
}

/// An entry that was delivered and not acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PendingEntry {
    /// The entry's identifier; the entry itself may be gone.
    pub id: StreamId,
    /// When it was delivered last, in Unix milliseconds.
    pub delivered_at: i64,
    /// How often it was delivered.
    pub delivery_count: u64,
}

/// A consumer of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamConsumer {
    /// The name, unique within the group.
    pub name: Vec<u8>,
    /// When it last tried anything, in Unix milliseconds.
    pub seen_at: i64,
    /// When it last got an entry, Unix milliseconds; `None`: never. Formats before version 11 lack it; then it is `seen_at`.
    pub active_at: Option<i64>,
    /// Identifiers of the group's pending entries that are its own, ascending.
    pub pending: Vec<StreamId>,
}

/// What stands in the formats for a consumer's time that has never been.
pub(crate) const NEVER: i64 = -1;

impl StreamId {
    /// The identifier below all entries.
    pub const ZERO: StreamId = StreamId { ms: 0, seq: 0 };

    /// As 16 bytes that compare like the identifiers.
    pub fn to_bytes(self) -> [u8; 16] {
        (u128::from(self.ms) << 64 | u128::from(self.seq)).to_be_bytes()
    }

    /// From what [`StreamId::to_bytes`] gave.
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        let both = u128::from_be_bytes(bytes);
        StreamId { ms: (both >> 64) as u64, seq: both as u64 }
    }
}
