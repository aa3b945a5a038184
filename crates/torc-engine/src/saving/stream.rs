//! A stream that is saved in pieces, as in an RDB file.
//!
//! ```text
//!   entries  | head: what it knew of itself, number of groups | groups | producers
//! ```

use torc_rdb::{Encoder, StreamConsumer, StreamHead, StreamPieces};
use torc_store::{Stream, StreamPiece};

use crate::snapshot::stream::{entry, head_of, id, reference};

/// The rest of a stream.
#[derive(Debug)]
pub(super) struct StreamRest {
    pieces: StreamPieces,
    /// Written behind the entries: their number, what the stream knew of itself, the number of groups.
    head: Option<(u64, StreamHead, u64)>,
    /// Written behind the producers, of which so many are left.
    counters: Option<Counters>,
}

#[derive(Debug)]
struct Counters {
    producers_left: usize,
    added: u64,
    duplicates: u64,
}

impl StreamRest {
    /// Begins a stream of so many nodes.
    pub fn begin(encoder: &mut Encoder<'_>, stream: &Stream, nodes: u64) -> Self {
        let pieces = encoder.begin_stream(nodes, stream.producers().is_some());
        let head = (stream.len() as u64, head_of(stream), stream.groups().len() as u64);
        StreamRest { pieces, head: Some(head), counters: None }
    }

    /// Begins the same stream without its entries, as if there had never been any.
    pub fn begin_without_entries(encoder: &mut Encoder<'_>, stream: &Stream) -> Self {
        let pieces = encoder.begin_stream(0, stream.producers().is_some());
        let head = (0, StreamHead::default(), stream.groups().len() as u64);
        StreamRest { pieces, head: Some(head), counters: None }
    }

    /// The next piece.
    pub fn add(&mut self, out: &mut Vec<u8>, piece: StreamPiece<'_>) {
        if let StreamPiece::Node(node) = piece {
            return self.pieces.add_node(out, node.entries().map(entry));
        }
        self.end_entries(out);
        let pieces = &mut self.pieces;
        match piece {
            StreamPiece::Node(_) => unreachable!("it was added above"),
            StreamPiece::Group { name, last_id, entries_read, pending } => {
                pieces.add_group(out, name, id(last_id), entries_read, pending as u64);
            }
            StreamPiece::Pending(entry_id, pending) => pieces.add_pending(out, &reference(entry_id, &pending)),
            StreamPiece::Consumers(len) => pieces.add_consumers(out, len as u64),
            StreamPiece::Consumer { name, seen_at, active_at, pending } => {
                let consumer = StreamConsumer { name: name.to_vec(), seen_at, active_at, pending: Vec::new() };
                pieces.add_consumer(out, &consumer, pending as u64);
            }
            StreamPiece::Owned(entry_id) => pieces.add_owned(out, id(entry_id)),
            StreamPiece::Producers { limits, added, duplicates, len } => {
                pieces.add_producers(out, limits.duration_seconds, limits.records_max, len as u64);
                self.counters = Some(Counters { producers_left: len, added, duplicates });
                self.end_producers(out);
            }
            StreamPiece::Producer(name, identifiers) => {
                let identifiers = identifiers.iter().map(|(identifier, entry_id)| (identifier, id(*entry_id)));
                pieces.add_producer(out, name, identifiers);
                self.counters.as_mut().expect("they were announced").producers_left -= 1;
                self.end_producers(out);
            }
        }
    }

    /// After the last piece: what is still to be written.
    pub fn end(&mut self, out: &mut Vec<u8>) {
        self.end_entries(out);
    }

    /// Behind that: all has come that was announced.
    pub fn finish(self) {
        self.pieces.finish();
    }

    fn end_entries(&mut self, out: &mut Vec<u8>) {
        if let Some((length, head, groups)) = self.head.take() {
            self.pieces.add_head(out, length, &head, groups);
        }
    }

    fn end_producers(&mut self, out: &mut Vec<u8>) {
        if let Some(Counters { added, duplicates, .. }) = self.counters.take_if(|counters| counters.producers_left == 0)
        {
            self.pieces.add_counters(out, added, duplicates);
        }
    }
}
