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

use torc_rdb::{EncodeOptions, Encoder, Value, types};
use torc_store::pack::{IntegerText, Packed};
use torc_store::set::{self, SetRef};
use torc_store::{Content, Entry, Kind, StringForm, UnixMillis, ValueRef};

use crate::config::Config;

/// Which form a value shall have in the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// The one for its size, by the configuration.
    BySize,
    /// The same, but never one run of integers: what Redis dumps as a listpack stays one.
    ByTextSize,
    /// One run of integers, whatever the configuration says.
    Integers,
    /// One run of bytes, whatever the configuration says.
    Packed,
    /// A structure of its own.
    Object,
}

/// The store has no such values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unsupported;

impl Layout {
    /// The one that a value has.
    pub fn of(value: ValueRef<'_>) -> Self {
        if value.kind() == Kind::String {
            return Layout::BySize;
        }
        match value.content() {
            Content::Packed(_) => Layout::Packed,
            Content::Integers(_) => Layout::Integers,
            Content::Object(_) => Layout::Object,
        }
    }

    /// The one for a value that comes as this type of the format.
    pub fn of_type(kind: u8) -> Self {
        if kind == types::SET_LISTPACK { Layout::ByTextSize } else { Layout::BySize }
    }
}

/// Appends type and value to `out`, for readers of this version of the format; gives the version that they must know.
pub fn encode(value: ValueRef<'_>, config: &Config, version: u16, compress: bool, out: &mut Vec<u8>) -> u16 {
    let options = EncodeOptions { version, compress, thresholds: limits::thresholds(config, Layout::of(value)) };
    let mut encoder = Encoder::new(out, &options);
    match value.kind() {
        Kind::String => encoder.string(value.as_string().expect("the kind says so")),
        Kind::Set => encoder.set(|| SetRef::of(value).iter().map(Text::from)),
        Kind::List | Kind::SortedSet | Kind::Hash | Kind::Stream => unreachable!("nothing makes such a value yet"),
    }
    encoder.version()
}

/// Makes the value and the expiry of a key these, whatever it held.
///
/// # Errors
/// Nothing has changed: the store has no such values.
pub fn put(
    entry: Entry<'_>,
    value: &Value,
    expire_at: Option<UnixMillis>,
    layout: Layout,
    config: &Config,
) -> Result<(), Unsupported> {
    match value {
        Value::String(bytes) => put_string(entry, bytes, expire_at, StringForm::Auto),
        Value::Set(members) => {
            let members: Vec<&[u8]> = members.iter().map(Vec::as_slice).collect();
            set::build(entry, &members, expire_at, &limits::set(config, layout));
        }
        Value::List(_) | Value::SortedSet(_) | Value::Hash(_) | Value::Stream(_) => return Err(Unsupported),
    }
    Ok(())
}

/// Makes the value of a key this string.
pub fn put_string(entry: Entry<'_>, bytes: &[u8], expire_at: Option<UnixMillis>, form: StringForm) {
    match entry {
        Entry::Occupied(mut occupied) => occupied.replace(bytes, expire_at, form),
        Entry::Vacant(vacant) => vacant.insert_string(bytes, expire_at, form),
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
