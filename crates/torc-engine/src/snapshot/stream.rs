//! Streams between the store and the format: both know entries, groups, consumers and what these have not acknowledged,
//! and what producers have added lately.

use torc_rdb::{
    Encoder, PendingEntry, StreamConsumer, StreamGroup, StreamHead, StreamId, StreamProducer, StreamProducers,
    StreamValue,
};
use torc_store::{
    Content, EntryRef, Group, NodeLimits, Object, Pending, ProducerLimits, Producers, STREAM_ENTRY_BYTES_MAX, Stream,
    StreamId as StoreId, UnixMillis, ValueRef,
};

use super::{Text, Unsupported};

/// Writes the stream that the value is; without what has expired of what its producers added.
pub fn encode(encoder: &mut Encoder<'_>, value: ValueRef<'_>, now_ms: UnixMillis) {
    let Content::Object(Object::Stream(stream)) = value.content() else { panic!("the kind says that it is a stream") };
    let entries = stream.range(StoreId::MIN, StoreId::MAX).map(entry);
    let groups: Vec<StreamGroup> = stream.groups().iter().map(group).collect();
    let producers = stream.producers().map(|own| producers(own, now_ms));
    encoder.stream(&head_of(stream), entries, &groups, producers.as_ref());
}

/// What a stream knows of itself.
pub(crate) fn head_of(stream: &Stream) -> StreamHead {
    StreamHead {
        last_id: id(stream.last_id()),
        first_id: id(stream.first_id()),
        max_deleted_id: id(stream.max_deleted_id()),
        entries_added: stream.entries_added(),
    }
}

/// An entry as it is written.
pub(crate) fn entry(
    entry: EntryRef<'_>,
) -> (StreamId, impl Iterator<Item = (impl AsRef<[u8]>, impl AsRef<[u8]>)> + Clone) {
    (id(entry.id()), entry.pairs().map(|(name, value)| (Text::from(name), Text::from(value))))
}

/// A reference as it is written.
pub(crate) fn reference(entry_id: StoreId, pending: &Pending) -> PendingEntry {
    let (delivered_at, delivery_count) = (pending.delivered_at, pending.deliveries);
    PendingEntry { id: id(entry_id), delivered_at, delivery_count }
}

/// Makes a stream.
///
/// # Errors
/// An entry is larger than the store takes.
pub fn build(value: &StreamValue, limits: NodeLimits) -> Result<Stream, Unsupported> {
    let mut stream = Stream::default();
    for entry in &value.entries {
        let pairs = entry.fields.iter().map(|(name, value)| (&**name, value.as_slice()));
        let bytes: usize = pairs.clone().map(|(name, value)| name.len() + value.len()).sum();
        if bytes > STREAM_ENTRY_BYTES_MAX {
            return Err(Unsupported);
        }
        stream.restore_entry(store_id(entry.id), pairs, limits);
    }
    let StreamHead { last_id, max_deleted_id, entries_added, .. } = value.head;
    stream.restore_head(store_id(last_id), store_id(max_deleted_id), entries_added);
    value.groups.iter().for_each(|group| build_group(&mut stream, group));
    if let Some(producers) = &value.producers {
        build_producers(&mut stream, producers);
    }
    Ok(stream)
}

fn build_producers(stream: &mut Stream, value: &StreamProducers) {
    let (duration_seconds, records_max) = (value.duration_seconds, value.identifiers_max);
    let own = stream.producers_mut(ProducerLimits { duration_seconds, records_max });
    for producer in &value.producers {
        for (identifier, id) in &producer.identifiers {
            own.restore(&producer.name, identifier, store_id(*id));
        }
    }
    own.restore_counters(value.added, value.duplicates);
}

fn producers(own: &Producers, now_ms: UnixMillis) -> StreamProducers {
    let identifiers = |records: Vec<(&[u8], StoreId)>| {
        records.into_iter().map(|(identifier, entry_id)| (identifier.to_vec(), id(entry_id))).collect()
    };
    let producers = own.iter(now_ms);
    let producers = producers
        .map(|(name, records)| StreamProducer { name: name.to_vec(), identifiers: identifiers(records) })
        .collect();
    StreamProducers {
        duration_seconds: own.limits().duration_seconds,
        identifiers_max: own.limits().records_max,
        producers,
        added: own.added(),
        duplicates: own.duplicates(),
    }
}

fn build_group(stream: &mut Stream, group: &StreamGroup) {
    let groups = stream.groups_mut();
    let index = groups.create(&group.name, store_id(group.last_id), group.entries_read);
    let index = index.expect("names of groups that were read are distinct");
    for consumer in &group.consumers {
        let (number, _) = groups.consumer(index, &consumer.name, consumer.seen_at);
        groups.consumer_mut(index, number).active_at = consumer.active_at;
        for id in &consumer.pending {
            let at = group.pending.binary_search_by_key(id, |entry| entry.id);
            let entry = group.pending[at.expect("a group that was read has what its consumers have")];
            let (delivered_at, deliveries) = (entry.delivered_at, entry.delivery_count);
            groups.assign(index, store_id(*id), Pending { consumer: number, delivered_at, deliveries });
        }
    }
}

fn group(group: &Group) -> StreamGroup {
    let pending = group.pending_range(StoreId::MIN, StoreId::MAX);
    let pending = pending.map(|(entry_id, pending)| reference(entry_id, pending));
    let consumers = group.consumers().map(|consumer| StreamConsumer {
        name: consumer.name().to_vec(),
        seen_at: consumer.seen_at,
        active_at: consumer.active_at,
        pending: consumer.pending_range(StoreId::MIN, StoreId::MAX).map(id).collect(),
    });
    StreamGroup {
        name: group.name().to_vec(),
        last_id: id(group.last_id()),
        entries_read: group.entries_read(),
        pending: pending.collect(),
        consumers: consumers.collect(),
    }
}

/// An id as it is written.
pub(crate) fn id(id: StoreId) -> StreamId {
    StreamId { ms: id.ms, seq: id.seq }
}

fn store_id(id: StreamId) -> StoreId {
    StoreId { ms: id.ms, seq: id.seq }
}
