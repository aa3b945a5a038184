//! A value that was read becomes the value of a key.

use torc_rdb::Value;
use torc_store::{
    End, Entry, Keyspace, Object, Stream, StringForm, UnixMillis, Vacant, create_list, create_list_object, hash, set,
    sorted_set,
};

use super::{Layout, limits, stream};
use crate::config::Config;

/// Where a value is to be put.
#[derive(Debug)]
pub struct Place<'a> {
    keyspace: &'a mut Keyspace,
    db: u16,
    key: &'a [u8],
    now_ms: UnixMillis,
}

/// The store has no such values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unsupported;

impl<'a> Place<'a> {
    /// A key of a database, which must belong to the shard, at this time.
    pub fn new(keyspace: &'a mut Keyspace, db: u16, key: &'a [u8], now_ms: UnixMillis) -> Self {
        Place { keyspace, db, key, now_ms }
    }

    /// Removes what the key holds.
    pub fn clear(self) -> Vacant<'a> {
        let Place { keyspace, db, key, now_ms } = self;
        keyspace.remove(db, key, now_ms);
        match keyspace.entry(db, key, now_ms) {
            Entry::Vacant(vacant) => vacant,
            Entry::Occupied(_) => unreachable!("the key was removed"),
        }
    }
}

/// Makes the value and the expiry of a key these, whatever it held.
///
/// # Errors
/// Nothing has changed: the store has no such values.
pub fn put(
    place: Place<'_>,
    value: &Value,
    expire_at: Option<UnixMillis>,
    layout: Layout,
    config: &Config,
) -> Result<(), Unsupported> {
    let stream = stream_of(value, config)?;
    fill(place.clear(), value, stream, expire_at, layout, config);
    Ok(())
}

/// Makes a key that is not there, in the form that its size asks for.
///
/// # Errors
/// As [`put`].
pub(crate) fn put_new(
    vacant: Vacant<'_>,
    value: &Value,
    expire_at: Option<UnixMillis>,
    layout: Layout,
    config: &Config,
) -> Result<(), Unsupported> {
    let stream = stream_of(value, config)?;
    fill(vacant, value, stream, expire_at, layout, config);
    Ok(())
}

/// The stream that the value is, if it is one: what may fail comes first.
fn stream_of(value: &Value, config: &Config) -> Result<Option<Stream>, Unsupported> {
    let Value::Stream(value) = value else { return Ok(None) };
    stream::build(value, limits::stream(config)).map(Some)
}

fn fill(
    vacant: Vacant<'_>,
    value: &Value,
    stream: Option<Stream>,
    expire_at: Option<UnixMillis>,
    layout: Layout,
    config: &Config,
) {
    match value {
        Value::String(bytes) => vacant.insert_string(bytes, expire_at, StringForm::Auto),
        Value::List(elements) => {
            let elements = elements.iter().map(Vec::as_slice);
            let limits = limits::list(config);
            let mut list = match layout {
                Layout::Object => create_list_object(vacant, elements, limits),
                _ => create_list(vacant, End::Back, elements, limits),
            };
            if expire_at.is_some() {
                list.set_expire_at(expire_at);
            }
        }
        Value::Set(members) => {
            let members: Vec<&[u8]> = members.iter().map(Vec::as_slice).collect();
            set::build(Entry::Vacant(vacant), &members, expire_at, &limits::set(config, layout));
        }
        Value::SortedSet(members) => {
            let mut members: Vec<_> = members.iter().map(|(member, score)| (*score, member.as_slice())).collect();
            let limits = limits::sorted_set(config, layout);
            sorted_set::store(Entry::Vacant(vacant), limits, &mut members, expire_at);
        }
        Value::Hash(fields) => {
            let fields = fields.iter().map(|field| (field.name.as_slice(), field.value.as_slice(), field.expire_at));
            hash::build(Entry::Vacant(vacant), fields, expire_at, limits::hash(config, layout));
        }
        Value::Stream(_) => {
            let stream = stream.expect("it was made before");
            vacant.insert_object(Object::Stream(stream), expire_at);
        }
    }
}
