//! What must hold for any bytes that claim to be a value; the fuzz target and the property tests run this same function.
//!
//! Reading ends in a value or an error, never in a panic, and a value takes memory in proportion to the bytes. A value that was
//! read is written in every way there is, and read back the same.

#![allow(dead_code)] // The fuzz target uses its own part of this.

use torc_rdb::{EncodeOptions, HashField, Input, StreamValue, Thresholds, Value, decode_value, payload};

/// Memory for each byte of input, at most: compressed strings grow 88 times, and the smallest elements of a listpack, two bytes,
/// become a vector each.
const MEMORY_PER_BYTE_MAX: usize = 4096;

/// Checks every property on `bytes`: two of version, one of type, and the value.
pub fn check(bytes: &[u8]) {
    let [low, high, kind, body @ ..] = bytes else {
        return;
    };
    let version = u16::from_le_bytes([*low, *high]);
    let mut input = Input::new(body);
    if let Ok(value) = decode_value(&mut input, *kind, version) {
        assert!(memory_bytes(&value) <= bytes.len() * MEMORY_PER_BYTE_MAX);
        check_round_trips(&value);
    }
    // Behind a seal that fits, too: what RESTORE sees.
    let mut sealed = bytes[2..].to_vec();
    payload::seal(&mut sealed, 0, version);
    if let Ok(value) = payload::decode(&sealed) {
        check_round_trips(&value);
    }
}

/// Writes the value in every way and reads it back.
pub fn check_round_trips(value: &Value) {
    let small = Thresholds {
        list_max_listpack_size: 3,
        hash_max_listpack_entries: 0,
        set_max_intset_entries: 0,
        set_max_listpack_entries: 0,
        zset_max_listpack_entries: 0,
        stream_node_max_bytes: 100,
        stream_node_max_entries: 3,
        ..Thresholds::default()
    };
    let large = Thresholds { list_max_listpack_size: -5, hash_max_listpack_value: usize::MAX, ..Thresholds::default() };
    let expected = normal(value.clone());
    for thresholds in [Thresholds::default(), small, large] {
        for (version, compress) in [(11, true), (10, true), (12, false)] {
            let encoded = payload::encode(value, &EncodeOptions { version, compress, thresholds });
            let decoded = payload::decode(&encoded).expect("what was written can be read");
            let expected = if version == 10 { as_version_10(expected.clone()) } else { expected.clone() };
            assert_eq!(normal(decoded), expected, "version {version}");
        }
    }
}

/// The value with its unordered parts sorted, so that two of them can be compared.
pub fn normal(mut value: Value) -> Value {
    match &mut value {
        Value::Set(members) => members.sort(),
        Value::SortedSet(members) => members.sort_by(|left, right| left.0.cmp(&right.0)),
        Value::Hash(fields) => fields.sort_by(|left, right| left.name.cmp(&right.name)),
        Value::String(_) | Value::List(_) | Value::Stream(_) => {}
    }
    value
}

/// What version 10 keeps of it; a stream with producers is written as a newer version.
pub fn as_version_10(mut value: Value) -> Value {
    if let Value::Stream(stream) = &mut value
        && stream.producers.is_none()
    {
        let consumers = stream.groups.iter_mut().flat_map(|group| &mut group.consumers);
        // A time of -1 is none.
        consumers.for_each(|consumer| consumer.active_at = Some(consumer.seen_at).filter(|at| *at != -1));
    }
    value
}

/// About how much memory a value takes.
fn memory_bytes(value: &Value) -> usize {
    let string = |bytes: &Vec<u8>| size_of::<Vec<u8>>() + bytes.len();
    let body = match value {
        Value::String(bytes) => string(bytes),
        Value::List(elements) | Value::Set(elements) => elements.iter().map(string).sum(),
        Value::SortedSet(members) => members.iter().map(|(member, _)| string(member) + size_of::<f64>()).sum(),
        Value::Hash(fields) => {
            fields.iter().map(|field| size_of::<HashField>() + field.name.len() + field.value.len()).sum()
        }
        Value::Stream(stream) => stream_bytes(stream),
    };
    size_of::<Value>() + body
}

fn stream_bytes(stream: &StreamValue) -> usize {
    let mut names = std::collections::HashSet::new();
    let mut bytes = 0;
    for entry in &stream.entries {
        bytes += size_of_val(entry);
        for (name, value) in &entry.fields {
            // Names are shared.
            bytes += if names.insert(name.as_ptr()) { name.len() } else { 0 };
            bytes += size_of_val(name) + size_of_val(value) + value.len();
        }
    }
    for group in &stream.groups {
        bytes += size_of_val(group) + group.name.len() + size_of_val(group.pending.as_slice());
        let consumers = group.consumers.iter();
        let consumers =
            consumers.map(|consumer| size_of_val(consumer) + consumer.name.len() + 16 * consumer.pending.len());
        bytes += consumers.sum::<usize>();
    }
    for producer in stream.producers.iter().flat_map(|all| &all.producers) {
        bytes += size_of_val(producer) + producer.name.len();
        bytes += producer.identifiers.iter().map(|it| size_of_val(it) + it.0.len()).sum::<usize>();
    }
    bytes
}
