//! Values of every kind, generated; and (`pieces`) any value written in pieces.

#![allow(dead_code)] // Each test file uses its own part of this.

pub mod pieces;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use proptest::collection::{btree_map, btree_set, vec};
use proptest::prelude::*;
use torc_rdb::{
    HashField, PendingEntry, StreamConsumer, StreamEntry, StreamGroup, StreamHead, StreamId, StreamProducer,
    StreamProducers, StreamValue, Value,
};

/// A string: any bytes, the text of an integer, repetitions, something longer.
pub fn string() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => vec(any::<u8>(), 0..30),
        2 => (any::<i64>(), 0..64_u32).prop_map(|(integer, shift)| (integer >> shift).to_string().into_bytes()),
        1 => ("[a-c]{1,5}", 1..200_usize).prop_map(|(text, times)| text.repeat(times).into_bytes()),
        1 => vec(any::<u8>(), 60..300),
    ]
}

fn score() -> impl Strategy<Value = f64> {
    let any_number = any::<f64>().prop_map(|score| if score.is_nan() { 0.5 } else { score });
    prop_oneof![any_number, (-1000..1000).prop_map(f64::from), Just(f64::INFINITY), Just(f64::NEG_INFINITY)]
}

fn field() -> impl Strategy<Value = (Vec<u8>, Option<i64>)> {
    (string(), prop_oneof![2 => Just(None), 1 => (1..1_i64 << 47).prop_map(Some)])
}

/// A value of any kind.
pub fn value() -> impl Strategy<Value = Value> {
    let integers = btree_set((any::<i64>(), 0..64_u32).prop_map(|(integer, shift)| integer >> shift), 1..40);
    prop_oneof![
        string().prop_map(Value::String),
        vec(string(), 1..60).prop_map(Value::List),
        btree_set(string(), 1..160).prop_map(|members| Value::Set(members.into_iter().collect())),
        integers.prop_map(|all| Value::Set(all.iter().map(|integer| integer.to_string().into_bytes()).collect())),
        btree_map(string(), score(), 1..150).prop_map(|members| Value::SortedSet(members.into_iter().collect())),
        btree_map(string(), (string(), Just(None)), 1..40).prop_map(hash),
        btree_map(string(), field(), 1..40).prop_map(hash),
        stream().prop_map(|stream| Value::Stream(Box::new(stream))),
    ]
}

fn hash(fields: BTreeMap<Vec<u8>, (Vec<u8>, Option<i64>)>) -> Value {
    let fields = fields.into_iter();
    Value::Hash(fields.map(|(name, (value, expire_at))| HashField { name, value, expire_at }).collect())
}

fn id() -> impl Strategy<Value = StreamId> {
    let id = |(ms, seq)| StreamId { ms, seq };
    prop_oneof![(1..50_u64, 0..5_u64).prop_map(id), (1..u64::MAX, any::<u64>()).prop_map(id)]
}

fn stream() -> impl Strategy<Value = StreamValue> {
    let names = prop_oneof![3 => Just(vec!["a", "b"]), 1 => Just(vec!["other"]), 1 => vec(Just("x"), 1..20)];
    let fields = (names, string()).prop_map(|(names, value)| {
        let names = names.into_iter().enumerate();
        names.map(|(at, name)| (Arc::from(name.as_bytes()), [&value[..], &[at as u8]].concat())).collect::<Vec<_>>()
    });
    let pending = btree_map(id(), (0..3_usize, any::<i64>(), any::<u64>()), 0..10);
    let groups = btree_map(vec(any::<u8>(), 0..4), (pending, proptest::option::of(0..u64::MAX), 0..4_usize), 0..3);
    let rest = (id(), any::<u64>(), proptest::option::of(producers()));
    (btree_map(id(), fields, 0..250), groups, rest).prop_map(
        |(entries, groups, (other_id, entries_added, producers))| {
            let last_id = entries.keys().next_back().copied().unwrap_or(other_id);
            let first_id = entries.keys().next().copied().unwrap_or_default();
            let head = StreamHead { last_id, first_id, max_deleted_id: other_id, entries_added };
            let groups = groups.into_iter().map(|(name, (pending, read, count))| group(name, &pending, read, count));
            let groups = groups.collect();
            let entries = entries.into_iter().map(|(id, fields)| StreamEntry { id, fields }).collect();
            StreamValue { entries, head, groups, producers }
        },
    )
}

fn producers() -> impl Strategy<Value = StreamProducers> {
    let all = btree_map(vec(any::<u8>(), 0..4), btree_map(string(), id(), 0..5), 0..4);
    (all, any::<[u64; 4]>()).prop_map(|(all, [duration_seconds, identifiers_max, added, duplicates])| {
        let producer = |(name, identifiers): (_, BTreeMap<Vec<u8>, StreamId>)| StreamProducer {
            name,
            identifiers: identifiers.into_iter().collect(),
        };
        let producers = all.into_iter().map(producer).collect();
        StreamProducers { duration_seconds, identifiers_max, producers, added, duplicates }
    })
}

fn group(
    name: Vec<u8>,
    pending: &BTreeMap<StreamId, (usize, i64, u64)>,
    entries_read: Option<u64>,
    idle_consumers: usize,
) -> StreamGroup {
    let owners: BTreeSet<usize> = pending.values().map(|(owner, ..)| *owner).chain(10..10 + idle_consumers).collect();
    let consumer = |owner: usize| StreamConsumer {
        name: owner.to_string().into_bytes(),
        seen_at: if owner.is_multiple_of(10) { -1 } else { owner as i64 },
        active_at: (owner < 10).then_some(owner as i64 + 7),
        pending: pending.iter().filter(|(_, (own, ..))| *own == owner).map(|(id, _)| *id).collect(),
    };
    let entry = |(id, (_, delivered_at, delivery_count)): (&StreamId, &(usize, i64, u64))| PendingEntry {
        id: *id,
        delivered_at: *delivered_at,
        delivery_count: *delivery_count,
    };
    StreamGroup {
        name,
        last_id: pending.keys().next().copied().unwrap_or_default(),
        entries_read,
        pending: pending.iter().map(entry).collect(),
        consumers: owners.into_iter().map(consumer).collect(),
    }
}
