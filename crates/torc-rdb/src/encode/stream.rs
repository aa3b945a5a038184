//! Streams: entries in nodes, each under the identifier of its first entry, whose field names the node keeps once. The header
//! of the module that reads them draws the layout.

use super::Encoder;
use crate::VERSION_PRODUCERS;
use crate::listpack::ListpackBuilder;
use crate::output::{insert_number, write_number, write_plain, write_stream_id};
use crate::types;
use crate::value::{StreamGroup, StreamHead, StreamId, StreamProducers};

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
        let has_active_time = producers.is_some() || self.options.version >= VERSION_ACTIVE_TIME;
        self.begin(match producers {
            Some(_) => types::STREAM_LISTPACKS_4,
            None if has_active_time => types::STREAM_LISTPACKS_3,
            None => types::STREAM_LISTPACKS_2,
        });
        let length = self.stream_nodes(entries);
        write_number(self.out, length);
        write_stream_id(self.out, head.last_id);
        write_stream_id(self.out, head.first_id);
        write_stream_id(self.out, head.max_deleted_id);
        write_number(self.out, head.entries_added);
        write_number(self.out, groups.len() as u64);
        groups.iter().for_each(|group| self.stream_group(group, has_active_time));
        if let Some(producers) = producers {
            self.version = self.version.max(VERSION_PRODUCERS);
            self.stream_producers(producers);
        }
    }

    fn stream_producers(&mut self, all: &StreamProducers) {
        write_number(self.out, all.duration_seconds);
        write_number(self.out, all.identifiers_max);
        write_number(self.out, all.producers.len() as u64);
        for producer in &all.producers {
            self.write_string(&producer.name);
            write_number(self.out, producer.identifiers.len() as u64);
            for (identifier, id) in &producer.identifiers {
                self.write_string(identifier);
                write_stream_id(self.out, *id);
            }
        }
        write_number(self.out, all.added);
        write_number(self.out, all.duplicates);
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
                self.stream_node(&mut node);
            }
            node.add(id, fields);
            length += 1;
        }
        if node.live > 0 {
            nodes += 1;
            self.stream_node(&mut node);
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

    fn stream_node(&mut self, node: &mut Node) {
        write_plain(self.out, &node.base.to_bytes());
        let head = &mut node.head;
        head.push_integer(node.live as i64);
        head.push_integer(0);
        head.push_integer(node.names.len() as i64);
        node.names.iter().for_each(|name| head.push(name));
        head.push_integer(0);
        head.append(&node.entries);
        self.write_listpack(head);
        node.clear();
    }

    fn stream_group(&mut self, group: &StreamGroup, has_active_time: bool) {
        self.write_string(&group.name);
        write_stream_id(self.out, group.last_id);
        write_number(self.out, group.entries_read.unwrap_or(u64::MAX));
        write_number(self.out, group.pending.len() as u64);
        for entry in &group.pending {
            self.out.extend(entry.id.to_bytes());
            self.out.extend(entry.delivered_at.to_le_bytes());
            write_number(self.out, entry.delivery_count);
        }
        write_number(self.out, group.consumers.len() as u64);
        for consumer in &group.consumers {
            self.write_string(&consumer.name);
            self.out.extend(consumer.seen_at.to_le_bytes());
            if has_active_time {
                self.out.extend(consumer.active_at.unwrap_or(-1).to_le_bytes());
            }
            write_number(self.out, consumer.pending.len() as u64);
            consumer.pending.iter().for_each(|id| self.out.extend(id.to_bytes()));
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
