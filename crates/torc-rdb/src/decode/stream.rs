//! Streams: nodes of entries, what the stream knows about itself, and its groups.
//!
//! ```text
//!   nodes | length | last id | first id, highest deleted id, entries added (2) | groups | producers (4)
//!   node  = id of its first entry | listpack: live, deleted, fields n, name * n, 0, entry...
//!   entry = flags, ms and seq relative to the node's id, then
//!           value * n                        with the node's names
//!           fields, (name, value) * fields   with its own
//!           and last: how many elements these were
//!   group = name | last id | entries read (2) | pending: id, time, count | consumers | ids given back (5)
//!   consumer = name | seen | active (3) | pending ids, all of which the group has
//!   producers = seconds, most entries | producer: name, (identifier, id)... | added, duplicates
//!   (2) to (5): from that format on
//! ```

use std::collections::HashMap;
use std::sync::Arc;

use super::distinct;
use crate::error::DecodeError;
use crate::input::Input;
use crate::listpack::Listpack;
use crate::value::{
    NEVER, PendingEntry, StreamConsumer, StreamEntry, StreamGroup, StreamHead, StreamId, StreamProducer,
    StreamProducers, StreamValue, Value,
};

const DELETED: i64 = 1;
const SAME_FIELDS: i64 = 2;
const NODE: DecodeError = DecodeError::Malformed("stream node");
const STREAM: DecodeError = DecodeError::Malformed("stream");
const GROUP: DecodeError = DecodeError::Malformed("stream group");

/// The formats of streams, by which parts they have.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum StreamFormat {
    /// Redis 5.
    First,
    /// Redis 7.0.
    Second,
    /// Redis 7.2.
    Third,
    /// Redis 8.6.
    Fourth,
    /// Redis 8.8.
    Fifth,
}

pub(super) fn stream(input: &mut Input<'_>, format: StreamFormat) -> Result<Value, DecodeError> {
    let (nodes, _) = input.count()?;
    let mut entries = Vec::new();
    for _ in 0..nodes {
        node(input, &mut entries)?;
    }
    // Redis 5.0 could lose count when it trimmed, later versions keep and dump what they have loaded, and all that they check
    // is that there are nodes if there are to be entries: what is there counts.
    if input.number()? > 0 && nodes == 0 {
        return Err(STREAM);
    }
    let length = entries.len() as u64;
    let head = head(input, format, &entries)?;
    let (count, _) = input.count()?;
    let mut groups = Vec::new();
    for _ in 0..count {
        groups.push(group(input, format, &head, length)?);
    }
    distinct(groups.iter().map(|group| group.name.as_slice()), "stream group")?;
    let producers = if format >= StreamFormat::Fourth { Some(producers(input)?) } else { None };
    Ok(Value::Stream(Box::new(StreamValue { entries, head, groups, producers })))
}

fn head(input: &mut Input<'_>, format: StreamFormat, entries: &[StreamEntry]) -> Result<StreamHead, DecodeError> {
    let last_id = input.stream_id()?;
    if entries.last().is_some_and(|entry| entry.id > last_id) {
        return Err(STREAM);
    }
    if format == StreamFormat::First {
        let first_id = entries.first().map_or(StreamId::ZERO, |entry| entry.id);
        let entries_added = entries.len() as u64;
        return Ok(StreamHead { last_id, first_id, max_deleted_id: StreamId::ZERO, entries_added });
    }
    let (first_id, max_deleted_id) = (input.stream_id()?, input.stream_id()?);
    Ok(StreamHead { last_id, first_id, max_deleted_id, entries_added: input.number()? })
}

fn producers(input: &mut Input<'_>) -> Result<StreamProducers, DecodeError> {
    let (duration_seconds, identifiers_max) = (input.number()?, input.number()?);
    let (count, _) = input.count()?;
    let mut producers = Vec::new();
    for _ in 0..count {
        producers.push(producer(input)?);
    }
    distinct(producers.iter().map(|producer| producer.name.as_slice()), "stream producer")?;
    let (added, duplicates) = (input.number()?, input.number()?);
    Ok(StreamProducers { duration_seconds, identifiers_max, producers, added, duplicates })
}

fn producer(input: &mut Input<'_>) -> Result<StreamProducer, DecodeError> {
    let name = input.owned_string()?;
    let (count, _) = input.count()?;
    let mut identifiers: Vec<(Vec<u8>, StreamId)> = Vec::new();
    for _ in 0..count {
        identifiers.push((input.owned_string()?, input.stream_id()?));
    }
    distinct(identifiers.iter().map(|(identifier, _)| identifier.as_slice()), "stream producer")?;
    Ok(StreamProducer { name, identifiers })
}

/// Appends the entries of one node, all of which must be above those before it.
fn node(input: &mut Input<'_>, entries: &mut Vec<StreamEntry>) -> Result<(), DecodeError> {
    let key = input.string()?;
    let base = StreamId::from_bytes((*key).try_into().map_err(|_| NODE)?);
    let bytes = input.string()?;
    let mut pack = Listpack::new(&bytes)?;
    let (live, deleted, names) = (pack.expect_integer()?, pack.expect_integer()?, pack.expect_integer()?);
    let names = many(&mut pack, names, |pack| pack.expect().map(|name| Arc::from(name.into_vec())))?;
    if pack.expect_integer()? != 0 {
        return Err(NODE);
    }
    let mut counts = (0, 0);
    let mut last = entries.last().map(|entry| entry.id);
    while pack.has_more() {
        let (entry, is_deleted) = entry(&mut pack, base, &names)?;
        if last.is_some_and(|last| entry.id <= last) || entry.id == StreamId::ZERO {
            return Err(NODE);
        }
        last = Some(entry.id);
        if is_deleted {
            counts.1 += 1;
        } else {
            counts.0 += 1;
            entries.push(entry);
        }
    }
    let is_whole = pack.next().is_none() && counts == (live, deleted) && live > 0;
    if is_whole { Ok(()) } else { Err(NODE) }
}

/// One entry, and whether it is marked as deleted.
fn entry(pack: &mut Listpack<'_>, base: StreamId, names: &[Arc<[u8]>]) -> Result<(StreamEntry, bool), DecodeError> {
    let flags = pack.expect_integer()?;
    let (ms, seq) = (pack.expect_integer()?, pack.expect_integer()?);
    let id = StreamId { ms: base.ms.wrapping_add(ms as u64), seq: base.seq.wrapping_add(seq as u64) };
    if flags & !(DELETED | SAME_FIELDS) != 0 {
        return Err(NODE);
    }
    let (fields, elements) = if flags & SAME_FIELDS != 0 {
        let mut fields = Vec::new();
        for name in names {
            fields.push((Arc::clone(name), pack.expect()?.into_vec()));
        }
        let elements = fields.len() + 3;
        (fields, elements)
    } else {
        let count = pack.expect_integer()?;
        let pair = |pack: &mut Listpack<'_>| Ok((Arc::from(pack.expect()?.into_vec()), pack.expect()?.into_vec()));
        let fields = many(pack, count, pair)?;
        let elements = 2 * fields.len() + 4;
        (fields, elements)
    };
    if fields.is_empty() || pack.expect_integer()? != elements as i64 {
        return Err(NODE);
    }
    Ok((StreamEntry { id, fields }, flags & DELETED != 0))
}

/// Reads `count` elements by `one`. Each takes up bytes, so a count that is far too high fails soon.
fn many<'a, T>(
    pack: &mut Listpack<'a>,
    count: i64,
    one: impl Fn(&mut Listpack<'a>) -> Result<T, DecodeError>,
) -> Result<Vec<T>, DecodeError> {
    let mut all = Vec::new();
    for _ in 0..u64::try_from(count).map_err(|_| NODE)? {
        all.push(one(pack)?);
    }
    Ok(all)
}

fn group(
    input: &mut Input<'_>,
    format: StreamFormat,
    head: &StreamHead,
    length: u64,
) -> Result<StreamGroup, DecodeError> {
    let (name, last_id) = (input.owned_string()?, input.stream_id()?);
    let entries_read = match format {
        StreamFormat::First => entries_read(head, length, last_id),
        // "Unknown" is -1, as an unsigned number.
        _ => Some(input.number()?).filter(|read| *read != u64::MAX),
    };
    let pending = pending(input)?;
    let (count, _) = input.count()?;
    let mut consumers = Vec::new();
    // Of each pending entry, whether a consumer has it.
    let mut owned: HashMap<StreamId, bool> = pending.iter().map(|entry| (entry.id, false)).collect();
    for _ in 0..count {
        consumers.push(consumer(input, format, &mut owned)?);
    }
    distinct(consumers.iter().map(|consumer| consumer.name.as_slice()), "stream consumer")?;
    // An entry that was given back has no consumer, and a group has no field for it here.
    if format >= StreamFormat::Fifth && input.number()? > 0 {
        return Err(DecodeError::Unsupported("entries of a stream that were given back"));
    }
    if !owned.values().all(|is_owned| *is_owned) {
        return Err(GROUP);
    }
    Ok(StreamGroup { name, last_id, entries_read, pending, consumers })
}

/// What Redis takes for the counter that the first format lacks.
fn entries_read(head: &StreamHead, length: u64, last_id: StreamId) -> Option<u64> {
    if length == 0 || last_id == head.last_id {
        return Some(head.entries_added);
    }
    match last_id.cmp(&head.first_id) {
        _ if last_id > head.last_id => None,
        std::cmp::Ordering::Less => Some(0),
        std::cmp::Ordering::Equal => Some(1),
        std::cmp::Ordering::Greater => None,
    }
}

fn pending(input: &mut Input<'_>) -> Result<Vec<PendingEntry>, DecodeError> {
    let (count, _) = input.count()?;
    let mut pending: Vec<PendingEntry> = Vec::new();
    for _ in 0..count {
        let id = StreamId::from_bytes(input.array()?);
        let entry = PendingEntry { id, delivered_at: input.millis()?, delivery_count: input.number()? };
        if pending.last().is_some_and(|last| last.id >= id) {
            return Err(GROUP);
        }
        pending.push(entry);
    }
    Ok(pending)
}

fn consumer(
    input: &mut Input<'_>,
    format: StreamFormat,
    owned: &mut HashMap<StreamId, bool>,
) -> Result<StreamConsumer, DecodeError> {
    let (name, seen_at) = (input.owned_string()?, input.millis()?);
    let active_at = match format {
        StreamFormat::First | StreamFormat::Second => seen_at,
        _ => input.millis()?,
    };
    let active_at = (active_at != NEVER).then_some(active_at);
    let (count, _) = input.count()?;
    let mut pending: Vec<StreamId> = Vec::new();
    for _ in 0..count {
        let id = StreamId::from_bytes(input.array()?);
        let is_owned = owned.get_mut(&id).ok_or(GROUP)?;
        if std::mem::replace(is_owned, true) || pending.last().is_some_and(|last| *last >= id) {
            return Err(GROUP);
        }
        pending.push(id);
    }
    Ok(StreamConsumer { name, seen_at, active_at, pending })
}
