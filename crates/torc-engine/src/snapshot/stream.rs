//! Streams between the store and the format: both know entries, groups, consumers and what these have not acknowledged.

use torc_rdb::{Encoder, PendingEntry, StreamConsumer, StreamGroup, StreamHead, StreamId, StreamValue};
use torc_store::{
    Content, Group, NodeLimits, Object, Pending, STREAM_ENTRY_BYTES_MAX, Stream, StreamId as StoreId, ValueRef,
};

use super::{Text, Unsupported};

/// Writes the stream that the value is.
pub fn encode(encoder: &mut Encoder<'_>, value: ValueRef<'_>) {
    let Content::Object(Object::Stream(stream)) = value.content() else { panic!("the kind says that it is a stream") };
    let head = StreamHead {
        last_id: id(stream.last_id()),
        first_id: id(stream.first_id()),
        max_deleted_id: id(stream.max_deleted_id()),
        entries_added: stream.entries_added(),
    };
    let entries = stream.range(StoreId::MIN, StoreId::MAX);
    let entries =
        entries.map(|entry| (id(entry.id()), entry.pairs().map(|(name, value)| (Text::from(name), Text::from(value)))));
    let groups: Vec<StreamGroup> = stream.groups().iter().map(group).collect();
    encoder.stream(&head, entries, &groups);
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
    Ok(stream)
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
    let pending = pending.map(|(entry_id, pending)| PendingEntry {
        id: id(entry_id),
        delivered_at: pending.delivered_at,
        delivery_count: pending.deliveries,
    });
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

fn id(id: StoreId) -> StreamId {
    StreamId { ms: id.ms, seq: id.seq }
}

fn store_id(id: StreamId) -> StoreId {
    StoreId { ms: id.ms, seq: id.seq }
}
