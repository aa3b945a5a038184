//! From a value to bytes. Callers pass values as iterators over borrowed parts, so no caller has to copy a whole value first.
//!
//! Which layout a collection gets depends on its size, by the same limits that Redis has in its configuration. A big one can
//! be written in pieces instead, between which other work is done (`pieces`); it is then written element by element.

mod hash;
mod list;
mod pieces;
mod set;
mod sorted_set;
mod stream;

pub use pieces::{HashPieces, ListPieces, SetPieces, SortedSetPieces, StringPieces};
pub use stream::StreamPieces;

use torc_resp::number::I64Text;

use crate::listpack::ListpackBuilder;
use crate::output::write_string;
use crate::value::Value;
use crate::{VERSION_DEFAULT, VERSION_LISTPACK, types};

/// Up to which size collections are packed: Redis's configuration of the same names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Thresholds {
    /// `list-max-listpack-size`: elements of a node; or -1 to -5: 4, 8, 16, 32, 64 KiB.
    pub list_max_listpack_size: i64,
    /// `hash-max-listpack-entries`.
    pub hash_max_listpack_entries: usize,
    /// `hash-max-listpack-value`, in bytes.
    pub hash_max_listpack_value: usize,
    /// `set-max-intset-entries`.
    pub set_max_intset_entries: usize,
    /// `set-max-listpack-entries`.
    pub set_max_listpack_entries: usize,
    /// `set-max-listpack-value`, in bytes.
    pub set_max_listpack_value: usize,
    /// `zset-max-listpack-entries`.
    pub zset_max_listpack_entries: usize,
    /// `zset-max-listpack-value`, in bytes.
    pub zset_max_listpack_value: usize,
    /// `stream-node-max-bytes`; 0: no limit.
    pub stream_node_max_bytes: usize,
    /// `stream-node-max-entries`; 0: no limit.
    pub stream_node_max_entries: usize,
}

impl Default for Thresholds {
    fn default() -> Self {
        Thresholds {
            list_max_listpack_size: -2,
            hash_max_listpack_entries: 512,
            hash_max_listpack_value: 64,
            set_max_intset_entries: 512,
            set_max_listpack_entries: 128,
            set_max_listpack_value: 64,
            zset_max_listpack_entries: 128,
            zset_max_listpack_value: 64,
            stream_node_max_bytes: 4096,
            stream_node_max_entries: 100,
        }
    }
}

/// How to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EncodeOptions {
    /// For readers of this version, from [`VERSION_WRITTEN_MIN`](crate::VERSION_WRITTEN_MIN) on. Hashes with expiring fields
    /// are written as version 12 whatever stands here, streams with producers as 13: no older reader knows such a thing.
    /// [`Encoder::version`] tells.
    pub version: u16,
    /// Whether strings are compressed where that helps.
    pub compress: bool,
    /// Limits of packed collections.
    pub thresholds: Thresholds,
}

impl Default for EncodeOptions {
    fn default() -> Self {
        EncodeOptions { version: VERSION_DEFAULT, compress: true, thresholds: Thresholds::default() }
    }
}

/// Writes one value: its type, the key if one was set, and the value itself. Each function is for one kind of value.
#[derive(Debug)]
pub struct Encoder<'a> {
    out: &'a mut Vec<u8>,
    options: &'a EncodeOptions,
    key: Option<&'a [u8]>,
    version: u16,
}

impl<'a> Encoder<'a> {
    /// An encoder that appends to `out`.
    pub fn new(out: &'a mut Vec<u8>, options: &'a EncodeOptions) -> Self {
        Encoder { out, options, key: None, version: options.version }
    }

    /// Writes this key between type and value, as in an RDB file.
    pub fn with_key(self, key: &'a [u8]) -> Self {
        Encoder { key: Some(key), ..self }
    }

    /// The version that a reader of what was written must know.
    pub fn version(&self) -> u16 {
        self.version
    }

    /// A value that is there as a whole.
    pub fn value(&mut self, value: &Value) {
        match value {
            Value::String(bytes) => self.string(bytes),
            Value::List(elements) => self.list(elements.iter()),
            Value::Set(members) => self.set(|| members.iter()),
            Value::SortedSet(members) => {
                let mut members: Vec<_> = members.iter().map(|(member, score)| (member, *score)).collect();
                members.sort_by(|(left, left_score), (right, right_score)| {
                    let by_score = left_score.partial_cmp(right_score).expect("no score is NaN");
                    by_score.then_with(|| left.cmp(right))
                });
                self.sorted_set(|| members.iter().copied(), || members.iter().rev().copied());
            }
            Value::Hash(fields) => {
                self.hash(|| fields.iter().map(|field| (&field.name, &field.value, field.expire_at)))
            }
            Value::Stream(stream) => {
                let entries = stream
                    .entries
                    .iter()
                    .map(|entry| (entry.id, entry.fields.iter().map(|(name, value)| (name, value))));
                self.stream(&stream.head, entries, &stream.groups, stream.producers.as_ref());
            }
        }
    }

    /// A string.
    pub fn string(&mut self, bytes: &[u8]) {
        self.begin(types::STRING);
        self.write_string(bytes);
    }

    /// A string that is an integer's text.
    pub fn integer(&mut self, integer: i64) {
        self.string(I64Text::new(integer).as_bytes());
    }

    fn begin(&mut self, kind: u8) {
        self.out.push(kind);
        if let Some(key) = self.key {
            write_string(self.out, key, self.options.compress);
        }
    }

    fn write_string(&mut self, string: &[u8]) {
        write_string(self.out, string, self.options.compress);
    }

    fn write_listpack(&mut self, pack: &mut ListpackBuilder) {
        write_listpack(self.out, pack, self.options.compress);
    }

    /// Whether the reader knows listpacks at all.
    fn has_listpacks(&self) -> bool {
        self.options.version >= VERSION_LISTPACK
    }
}

fn write_listpack(out: &mut Vec<u8>, pack: &mut ListpackBuilder, compress: bool) {
    // No listpack is taken for the text of an integer: its first bytes are a length.
    write_string(out, pack.finish(), compress);
}

/// The size of a packed collection that is never exceeded, whatever the configuration says: 1 GiB.
const PACKED_BYTES_MAX: usize = 1 << 30;

/// What must be known of a collection before its layout can be chosen.
#[derive(Default)]
struct Extent {
    count: usize,
    longest: usize,
    bytes: usize,
}

impl Extent {
    fn add(&mut self, element: &[u8]) {
        self.longest = self.longest.max(element.len());
        // What stands before and behind an element in a listpack, at most.
        self.bytes = self.bytes.saturating_add(element.len() + 10);
    }

    fn fits(&self, entries_max: usize, element_max: usize) -> bool {
        self.count <= entries_max && self.longest <= element_max && self.bytes <= PACKED_BYTES_MAX
    }
}
