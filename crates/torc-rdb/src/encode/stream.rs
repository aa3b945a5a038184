//! Streams: entries in nodes, each under the identifier of its first entry, whose field names the node keeps once. The header
//! of the module that reads them draws the layout.

use super::{Encoder, write_listpack};
use crate::listpack::ListpackBuilder;
use crate::output::{insert_number, write_number, write_plain, write_stream_id, write_string};
use crate::value::{NEVER, PendingEntry, StreamConsumer, StreamGroup, StreamHead, StreamId, StreamProducers};
use crate::{VERSION_LISTPACK, VERSION_PRODUCERS, types};

const OWN_FIELDS: i64 = 0;
const SAME_FIELDS: i64 = 2;
/// The first version that stores when consumers were active.
const VERSION_ACTIVE_TIME: u16 = 11;

/// The node that is being filled.
struct Node {
    /// The identifier of its first entry.
    base: StreamId,
    /// Field names of its first entry.
    names: Vec<Vec<u8>>,
    live: usize,
    /// What comes before the entries, made when it is complete.
    head: ListpackBuilder,
    entries: ListpackBuilder,
}

impl Encoder<'_> {
    /// A stream: entries by ascending identifiers, each with at least one field and its value. One with producers is written as
    /// version 13 whatever the options say: no older reader knows such a thing.
    pub fn stream<N, V, F>(
        &mut self,
        head: &StreamHead,
        entries: impl IntoIterator<Item = (StreamId, F)>,
        groups: &[StreamGroup],
        producers: Option<&StreamProducers>,
    ) where
        N: AsRef<[u8]>,
        V: AsRef<[u8]>,
        F: Iterator<Item = (N, V)> + Clone,
    {
        let mut pieces = self.stream_pieces(producers.is_some());
        let length = self.stream_nodes(entries);
        pieces.add_head(self.out, length, head, groups.len() as u64);
        groups.iter().for_each(|group| pieces.add_whole_group(self.out, group));
        if let Some(producers) = producers {
            pieces.add_all_producers(self.out, producers);
        }
        pieces.finish();
    }

    /// Begins a stream of so many nodes. With producers it is of version 13, as in [`Encoder::stream`].
    pub fn begin_stream(&mut self, nodes: u64, has_producers: bool) -> StreamPieces {
        let pieces = self.stream_pieces(has_producers);
        write_number(self.out, nodes);
        StreamPieces { nodes, ..pieces }
    }

    /// Writes the type; nothing of the nodes, so that none is expected any more.
    fn stream_pieces(&mut self, has_producers: bool) -> StreamPieces {
        let kind = match self.options.version {
            _ if has_producers => types::STREAM_LISTPACKS_4,
            VERSION_ACTIVE_TIME.. => types::STREAM_LISTPACKS_3,
            VERSION_LISTPACK.. => types::STREAM_LISTPACKS_2,
            _ => types::STREAM_LISTPACKS,
        };
        if has_producers {
            self.version = self.version.max(VERSION_PRODUCERS);
        }
        self.begin(kind);
        StreamPieces { compress: self.options.compress, kind, ..StreamPieces::default() }
    }

    /// Writes all nodes and their number; returns the number of entries.
    fn stream_nodes<N, V, F>(&mut self, entries: impl IntoIterator<Item = (StreamId, F)>) -> u64
    where
        N: AsRef<[u8]>,
        V: AsRef<[u8]>,
        F: Iterator<Item = (N, V)> + Clone,
    {
        let start = self.out.len();
        let (mut node, mut nodes, mut length) = (Node::new(), 0, 0);
        for (id, fields) in entries {
            let new_bytes = fields.clone().map(|(name, value)| name.as_ref().len() + value.as_ref().len()).sum();
            if node.live > 0 && self.is_node_full(&node, new_bytes) {
                nodes += 1;
                node.write(self.out, self.options.compress);
            }
            node.add(id, fields);
            length += 1;
        }
        if node.live > 0 {
            nodes += 1;
            node.write(self.out, self.options.compress);
        }
        insert_number(self.out, start, nodes);
        length
    }

    fn is_node_full(&self, node: &Node, new_bytes: usize) -> bool {
        let limits = &self.options.thresholds;
        let bytes_max =
            if limits.stream_node_max_bytes == 0 { super::PACKED_BYTES_MAX } else { limits.stream_node_max_bytes };
        let is_full = limits.stream_node_max_entries != 0 && node.live >= limits.stream_node_max_entries;
        is_full || node.bytes().saturating_add(new_bytes) >= bytes_max
    }
}

/// A stream that is being written in pieces, in this order:
///
/// ```text
///   add_node... | add_head | add_group, add_pending..., add_consumers, (add_consumer, add_owned...)...
///               | add_producers, add_producer..., add_counters | finish
/// ```
/// Each count that is given must be met by as many calls; that is asserted, since a file with a wrong count is lost.
#[derive(Debug, Default)]
#[must_use = "a stream without its end is no value"]
pub struct StreamPieces {
    compress: bool,
    kind: u8,
    // What must still come before the next part.
    nodes: u64,
    groups: u64,
    pending: u64,
    /// `None`: their number is still to come.
    consumers: Option<u64>,
    owned: u64,
    is_tail: bool,
    /// `None`: their number is still to come.
    producers: Option<u64>,
    has_counters: bool,
}

impl StreamPieces {
    /// The next node: entries, at least one, above all before them. What they take together must stay far below 4 GiB.
    pub fn add_node<N, V, F>(&mut self, out: &mut Vec<u8>, entries: impl IntoIterator<Item = (StreamId, F)>)
    where
        N: AsRef<[u8]>,
        V: AsRef<[u8]>,
        F: Iterator<Item = (N, V)> + Clone,
    {
        self.nodes = self.nodes.checked_sub(1).expect("so many nodes were announced");
        let mut node = Node::new();
        entries.into_iter().for_each(|(id, fields)| node.add(id, fields));
        assert!(node.live > 0, "a node has entries");
        node.write(out, self.compress);
    }

    /// What follows the nodes: the number of entries in all of them, what the stream knows about itself, the number of groups.
    pub fn add_head(&mut self, out: &mut Vec<u8>, length: u64, head: &StreamHead, groups: u64) {
        assert!(self.nodes == 0 && !self.is_tail, "all nodes are there");
        self.is_tail = true;
        self.groups = groups;
        self.consumers = Some(0);
        write_number(out, length);
        write_stream_id(out, head.last_id);
        if self.kind >= types::STREAM_LISTPACKS_2 {
            write_stream_id(out, head.first_id);
            write_stream_id(out, head.max_deleted_id);
            write_number(out, head.entries_added);
        }
        write_number(out, groups);
    }

    /// The next group: its name, the last entry delivered to it, how many it has read, how many are pending.
    pub fn add_group(
        &mut self,
        out: &mut Vec<u8>,
        name: &[u8],
        last_id: StreamId,
        entries_read: Option<u64>,
        pending: u64,
    ) {
        self.assert_group_whole();
        self.groups = self.groups.checked_sub(1).expect("so many groups were announced");
        (self.pending, self.consumers) = (pending, None);
        write_string(out, name, self.compress);
        write_stream_id(out, last_id);
        if self.kind >= types::STREAM_LISTPACKS_2 {
            write_number(out, entries_read.unwrap_or(u64::MAX));
        }
        write_number(out, pending);
    }

    /// The group's next pending entry, above those before.
    pub fn add_pending(&mut self, out: &mut Vec<u8>, entry: &PendingEntry) {
        self.pending = self.pending.checked_sub(1).expect("so many pending entries were announced");
        out.extend(entry.id.to_bytes());
        out.extend(entry.delivered_at.to_le_bytes());
        write_number(out, entry.delivery_count);
    }

    /// How many consumers the group has.
    pub fn add_consumers(&mut self, out: &mut Vec<u8>, consumers: u64) {
        assert!(self.pending == 0 && self.consumers.is_none(), "all pending entries of the group are there");
        self.consumers = Some(consumers);
        write_number(out, consumers);
    }

    /// The group's next consumer, with the number of its pending entries. Its `pending` is not looked at.
    pub fn add_consumer(&mut self, out: &mut Vec<u8>, consumer: &StreamConsumer, owned: u64) {
        assert_eq!(self.owned, 0, "the consumer before is whole");
        let left = self.consumers.and_then(|left| left.checked_sub(1));
        self.consumers = Some(left.expect("so many consumers were announced"));
        self.owned = owned;
        write_string(out, &consumer.name, self.compress);
        out.extend(consumer.seen_at.to_le_bytes());
        if self.kind >= types::STREAM_LISTPACKS_3 {
            out.extend(consumer.active_at.unwrap_or(NEVER).to_le_bytes());
        }
        write_number(out, owned);
    }

    /// The next of the consumer's pending entries, above those before.
    pub fn add_owned(&mut self, out: &mut Vec<u8>, id: StreamId) {
        self.owned = self.owned.checked_sub(1).expect("so many entries of the consumer were announced");
        out.extend(id.to_bytes());
    }

    /// For how long and how many identifiers are kept, and how many producers come; of a stream that was begun with producers.
    pub fn add_producers(&mut self, out: &mut Vec<u8>, duration_seconds: u64, identifiers_max: u64, producers: u64) {
        self.assert_group_whole();
        assert!(self.kind == types::STREAM_LISTPACKS_4 && self.producers.is_none(), "it was begun with producers");
        self.producers = Some(producers);
        write_number(out, duration_seconds);
        write_number(out, identifiers_max);
        write_number(out, producers);
    }

    /// The next producer, and its identifiers with their entries.
    pub fn add_producer<I>(
        &mut self,
        out: &mut Vec<u8>,
        name: &[u8],
        identifiers: impl ExactSizeIterator<Item = (I, StreamId)>,
    ) where
        I: AsRef<[u8]>,
    {
        let left = self.producers.and_then(|left| left.checked_sub(1));
        self.producers = Some(left.expect("so many producers were announced"));
        write_string(out, name, self.compress);
        write_number(out, identifiers.len() as u64);
        for (identifier, id) in identifiers {
            write_string(out, identifier.as_ref(), self.compress);
            write_stream_id(out, id);
        }
    }

    /// What follows the producers: entries that were ever added with an identifier, and those that were there already.
    pub fn add_counters(&mut self, out: &mut Vec<u8>, added: u64, duplicates: u64) {
        assert!(self.producers == Some(0) && !self.has_counters, "all producers are there");
        self.has_counters = true;
        write_number(out, added);
        write_number(out, duplicates);
    }

    fn add_all_producers(&mut self, out: &mut Vec<u8>, all: &StreamProducers) {
        self.add_producers(out, all.duration_seconds, all.identifiers_max, all.producers.len() as u64);
        for producer in &all.producers {
            let identifiers = producer.identifiers.iter().map(|(identifier, id)| (identifier, *id));
            self.add_producer(out, &producer.name, identifiers);
        }
        self.add_counters(out, all.added, all.duplicates);
    }

    /// Nothing more comes.
    ///
    /// # Panics
    /// Something that was announced is missing.
    pub fn finish(self) {
        self.assert_group_whole();
        assert!(self.is_tail && self.groups == 0, "all groups are there");
        assert_eq!(self.has_counters, self.kind == types::STREAM_LISTPACKS_4, "producers are there");
    }

    fn assert_group_whole(&self) {
        let is_whole = self.pending == 0 && self.consumers == Some(0) && self.owned == 0;
        assert!(self.is_tail && is_whole, "the group before is whole");
    }

    fn add_whole_group(&mut self, out: &mut Vec<u8>, group: &StreamGroup) {
        self.add_group(out, &group.name, group.last_id, group.entries_read, group.pending.len() as u64);
        group.pending.iter().for_each(|entry| self.add_pending(out, entry));
        self.add_consumers(out, group.consumers.len() as u64);
        for consumer in &group.consumers {
            self.add_consumer(out, consumer, consumer.pending.len() as u64);
            consumer.pending.iter().for_each(|id| self.add_owned(out, *id));
        }
    }
}

impl Node {
    fn new() -> Self {
        Node {
            base: StreamId::ZERO,
            names: Vec::new(),
            live: 0,
            head: ListpackBuilder::new(),
            entries: ListpackBuilder::new(),
        }
    }

    fn clear(&mut self) {
        self.names.clear();
        self.live = 0;
        self.head.clear();
        self.entries.clear();
    }

    fn write(&mut self, out: &mut Vec<u8>, compress: bool) {
        write_plain(out, &self.base.to_bytes());
        let head = &mut self.head;
        head.push_integer(self.live as i64);
        head.push_integer(0);
        head.push_integer(self.names.len() as i64);
        self.names.iter().for_each(|name| head.push(name));
        head.push_integer(0);
        head.append(&self.entries);
        write_listpack(out, head, compress);
        self.clear();
    }

    /// About the size of the listpack.
    fn bytes(&self) -> usize {
        let names: usize = self.names.iter().map(|name| name.len() + 2).sum();
        self.head.len() + 8 + names + self.entries.len()
    }

    fn add<N, V>(&mut self, id: StreamId, fields: impl Iterator<Item = (N, V)> + Clone)
    where
        N: AsRef<[u8]>,
        V: AsRef<[u8]>,
    {
        if self.live == 0 {
            self.base = id;
            self.names = fields.clone().map(|(name, _)| name.as_ref().to_vec()).collect();
        }
        self.live += 1;
        let is_same = fields.clone().map(|(name, _)| name).eq_by_bytes(&self.names);
        let pack = &mut self.entries;
        pack.push_integer(if is_same { SAME_FIELDS } else { OWN_FIELDS });
        pack.push_integer(id.ms.wrapping_sub(self.base.ms) as i64);
        pack.push_integer(id.seq.wrapping_sub(self.base.seq) as i64);
        let mut count: i64 = 0;
        if !is_same {
            pack.push_integer(fields.clone().count() as i64);
        }
        for (name, value) in fields {
            count += 1;
            if !is_same {
                pack.push(name.as_ref());
            }
            pack.push(value.as_ref());
        }
        pack.push_integer(if is_same { count + 3 } else { 2 * count + 4 });
    }
}

/// Compares names of different types.
trait EqByBytes {
    fn eq_by_bytes(self, names: &[Vec<u8>]) -> bool;
}

impl<N: AsRef<[u8]>, I: Iterator<Item = N>> EqByBytes for I {
    fn eq_by_bytes(mut self, names: &[Vec<u8>]) -> bool {
        names.iter().all(|name| self.next().is_some_and(|own| own.as_ref() == name)) && self.next().is_none()
    }
}
