//! Values of the store as bytes and back, in the format of RDB files: for DUMP and RESTORE, and to carry a value to another
//! core.
//!
//! ```text
//!   ValueRef --encode--> type and value --(torc_rdb::payload::seal)--> DUMP payload
//!   type and value --(torc_rdb)--> Value --put--> a key, in the form that its layout asks for
//! ```
//! What is written shows the form that the value has, as in Redis: a set in a table is written member by member even if it
//! would be small enough for a listpack by now.

mod limits;
mod put;
pub(crate) mod stream;

pub(crate) use limits::thresholds;
pub(crate) use put::put_new;
pub use put::{Place, Unsupported, put};

use torc_rdb::{EncodeOptions, Encoder, types};
use torc_store::pack::{IntegerText, Packed};
use torc_store::sorted_set::SortedSetRef;
use torc_store::{Content, HashRef, Kind, ListRef, Object, SetRef, UnixMillis, ValueRef};

use crate::config::Config;

/// Which form a value shall have in the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// The one for its size, by the configuration.
    BySize,
    /// [`Layout::BySize`], but never one run of integers: what Redis dumps as a listpack stays one.
    ByTextSize,
    /// One run of integers, whatever the configuration says.
    Integers,
    /// One run of bytes, whatever the configuration says.
    Packed,
    /// A structure of its own.
    Object,
}

impl Layout {
    /// The one that a value has.
    pub fn of(value: ValueRef<'_>) -> Self {
        if value.kind() == Kind::String {
            return Layout::BySize;
        }
        match value.content() {
            Content::Packed(_) => Layout::Packed,
            Content::Integers(_) => Layout::Integers,
            // It has a table only because its fields expire.
            Content::Object(Object::Hash(hash)) if hash.is_small() => Layout::Packed,
            Content::Object(_) => Layout::Object,
        }
    }

    /// The one for a value that comes as this type of the format.
    pub fn of_type(kind: u8) -> Self {
        if kind == types::SET_LISTPACK { Layout::ByTextSize } else { Layout::BySize }
    }
}

/// How to write a value.
#[derive(Debug, Clone, Copy)]
pub struct Writing<'a> {
    /// Limits of nodes.
    pub config: &'a Config,
    /// For readers of this version of the format.
    pub version: u16,
    /// Whether strings are compressed.
    pub compress: bool,
    /// Fields, and identifiers of producers, that have expired by then are left out.
    pub now_ms: UnixMillis,
}

/// Appends type and value to `out`; gives the version that readers must know. `None`, and nothing appended: all that there
/// was has expired.
pub fn encode(value: ValueRef<'_>, writing: Writing<'_>, out: &mut Vec<u8>) -> Option<u16> {
    let Writing { config, version, compress, now_ms } = writing;
    if has_expired(value, now_ms) {
        return None;
    }
    let options = EncodeOptions { version, compress, thresholds: limits::thresholds(config, Layout::of(value)) };
    let mut encoder = Encoder::new(out, &options);
    write(value, now_ms, &mut encoder);
    Some(encoder.version())
}

/// Whether nothing of a value is left by then: all fields of a hash have expired.
pub(crate) fn has_expired(value: ValueRef<'_>, now_ms: UnixMillis) -> bool {
    value.kind() == Kind::Hash && HashRef::of(value, now_ms).iter().next().is_none()
}

/// Writes a value of which something is left.
pub(crate) fn write(value: ValueRef<'_>, now_ms: UnixMillis, encoder: &mut Encoder<'_>) {
    match value.kind() {
        Kind::String => encoder.string(value.as_string().expect("the kind says so")),
        Kind::List => encoder.list(ListRef::of(value).iter().map(Text::from)),
        Kind::Set => encoder.set(|| SetRef::of(value).iter().map(Text::from)),
        Kind::SortedSet => {
            let set = SortedSetRef::of(value);
            let members =
                |reversed| set.range(0..set.len(), reversed).map(|(member, score)| (Text::from(member), score));
            encoder.sorted_set(|| members(false), || members(true));
        }
        Kind::Hash => {
            let fields = || HashRef::of(value, now_ms).iter();
            encoder.hash(|| fields().map(|field| (Text::from(field.name), Text::from(field.value), field.expire_at)));
        }
        Kind::Stream => stream::encode(encoder, value, now_ms),
    }
}

/// The bytes of an element, even of one that is kept as an integer.
enum Text<'a> {
    Bytes(&'a [u8]),
    Integer(IntegerText),
}

impl<'a> From<Packed<'a>> for Text<'a> {
    fn from(element: Packed<'a>) -> Self {
        match element {
            Packed::Bytes(bytes) => Text::Bytes(bytes),
            Packed::Integer(integer) => Text::Integer(IntegerText::new(integer)),
        }
    }
}

impl AsRef<[u8]> for Text<'_> {
    fn as_ref(&self) -> &[u8] {
        match self {
            Text::Bytes(bytes) => bytes,
            Text::Integer(text) => text.as_bytes(),
        }
    }
}
