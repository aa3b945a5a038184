//! Any value written in pieces. Each piece is made in a buffer of its own, as if other work had been done in between.

use torc_rdb::{Encoder, StreamEntry, StreamPieces, StreamValue, Value};

/// Entries of a stream's node.
const NODE_ENTRIES: usize = 7;

/// Writes `value` in pieces. `begin` is given what is to be done with an encoder; it returns the bytes that this has written.
/// Returns all bytes.
pub fn write(value: &Value, begin: impl FnOnce(&mut dyn FnMut(&mut Encoder<'_>)) -> Vec<u8>) -> Vec<u8> {
    let mut begun = None;
    let head = begin(&mut |encoder| begun = Some(Begun::new(encoder, value)));
    let mut buffers = Buffers(vec![head]);
    write_rest(begun.expect("it was begun"), value, &mut buffers);
    buffers.0.concat()
}

/// One buffer for each piece.
struct Buffers(Vec<Vec<u8>>);

impl Buffers {
    fn next(&mut self) -> &mut Vec<u8> {
        self.0.push(Vec::new());
        self.0.last_mut().expect("one was pushed")
    }
}

fn write_rest(begun: Begun, value: &Value, buffers: &mut Buffers) {
    match (begun, value) {
        (Begun::String(mut pieces), Value::String(bytes)) => {
            bytes.chunks(10).for_each(|chunk| pieces.add(buffers.next(), chunk));
            pieces.finish();
        }
        (Begun::List(mut pieces), Value::List(elements)) => {
            elements.iter().for_each(|element| pieces.add(buffers.next(), element));
            pieces.finish();
        }
        (Begun::Set(mut pieces), Value::Set(members)) => {
            members.iter().for_each(|member| pieces.add(buffers.next(), member));
            pieces.finish();
        }
        (Begun::SortedSet(mut pieces), Value::SortedSet(members)) => {
            members.iter().for_each(|(member, score)| pieces.add(buffers.next(), member, *score));
            pieces.finish();
        }
        (Begun::Hash(mut pieces), Value::Hash(fields)) => {
            fields.iter().for_each(|field| pieces.add(buffers.next(), &field.name, &field.value, field.expire_at));
            pieces.finish();
        }
        (Begun::Stream(pieces), Value::Stream(stream)) => write_stream(pieces, stream, buffers),
        _ => panic!("pieces of another kind"),
    }
}

enum Begun {
    String(torc_rdb::StringPieces),
    List(torc_rdb::ListPieces),
    Set(torc_rdb::SetPieces),
    SortedSet(torc_rdb::SortedSetPieces),
    Hash(torc_rdb::HashPieces),
    Stream(StreamPieces),
}

impl Begun {
    fn new(encoder: &mut Encoder<'_>, value: &Value) -> Self {
        match value {
            Value::String(bytes) => Begun::String(encoder.begin_string(bytes.len() as u64)),
            Value::List(elements) => Begun::List(encoder.begin_list(elements.len() as u64)),
            Value::Set(members) => Begun::Set(encoder.begin_set(members.len() as u64)),
            Value::SortedSet(members) => Begun::SortedSet(encoder.begin_sorted_set(members.len() as u64)),
            Value::Hash(fields) => {
                let earliest = fields.iter().filter_map(|field| field.expire_at).min();
                Begun::Hash(encoder.begin_hash(fields.len() as u64, earliest))
            }
            Value::Stream(stream) => {
                let nodes = stream.entries.chunks(NODE_ENTRIES).count() as u64;
                Begun::Stream(encoder.begin_stream(nodes, stream.producers.is_some()))
            }
        }
    }
}

fn write_stream(mut pieces: StreamPieces, stream: &StreamValue, buffers: &mut Buffers) {
    let pairs = |entry: &'_ StreamEntry| {
        let fields: Vec<_> = entry.fields.iter().map(|(name, value)| (name.to_vec(), value.clone())).collect();
        (entry.id, fields.into_iter())
    };
    stream.entries.chunks(NODE_ENTRIES).for_each(|node| pieces.add_node(buffers.next(), node.iter().map(pairs)));
    pieces.add_head(buffers.next(), stream.entries.len() as u64, &stream.head, stream.groups.len() as u64);
    for group in &stream.groups {
        pieces.add_group(buffers.next(), &group.name, group.last_id, group.entries_read, group.pending.len() as u64);
        group.pending.iter().for_each(|entry| pieces.add_pending(buffers.next(), entry));
        pieces.add_consumers(buffers.next(), group.consumers.len() as u64);
        for consumer in &group.consumers {
            pieces.add_consumer(buffers.next(), consumer, consumer.pending.len() as u64);
            consumer.pending.iter().for_each(|id| pieces.add_owned(buffers.next(), *id));
        }
    }
    if let Some(producers) = &stream.producers {
        let (duration_seconds, identifiers_max) = (producers.duration_seconds, producers.identifiers_max);
        pieces.add_producers(buffers.next(), duration_seconds, identifiers_max, producers.producers.len() as u64);
        for producer in &producers.producers {
            let identifiers = producer.identifiers.iter().map(|(identifier, id)| (identifier, *id));
            pieces.add_producer(buffers.next(), &producer.name, identifiers);
        }
        pieces.add_counters(buffers.next(), producers.added, producers.duplicates);
    }
    pieces.finish();
}
