//! What of a stream is not saved yet, of one that is saved in pieces: the stream as it was at the cut, while it changes.
//!
//! ```text
//!   pieces      node, node, ..  |  group: name, references, consumers and what they have, ..  |  producer, producer, ..
//!   not saved   nodes           |  groups                                                      |  map, in Producers
//! ```
//! The stream itself sees to it that what is about to change is set aside: its own methods know which node, reference or producer that is,
//! and the command does not. What a stream knows of itself is noted when it begins, by whoever saves it.
//!
//! nodes  entries     groups  consumers and references     map  references, or producers, by the slice

mod groups;
mod map;
mod nodes;

pub(super) use groups::{GroupsRest, Step as GroupsStep};
pub(super) use map::MapRest;
pub(super) use nodes::NodesRest;

use super::group::Pending;
use super::id::StreamId;
use super::node::{EntryRef, Node};
use super::producers::{Identifier, ProducerLimits, Producers};
use super::{DISMANTLED_NODES, DISMANTLED_REFERENCES, Side, Stream};
use crate::UnixMillis;

/// References or consumers that a step saves, at most.
const ITEMS_AT_ONCE: usize = if cfg!(test) { 5 } else { 128 };
/// Producers that a step saves, each with up to some thousand identifiers.
const PRODUCERS_AT_ONCE: usize = 2;
/// A step that saves nodes ends after so many bytes of them.
const NODE_BYTES_AT_ONCE: usize = if cfg!(test) { 100 } else { 16 << 10 };

/// A piece of a stream.
#[derive(Clone, Copy, Debug)]
pub enum StreamPiece<'a> {
    /// The next entries; as many times as there are nodes.
    Node(NodeRef<'a>),
    /// The next group, and how many references it has. Those follow, then its consumers.
    Group {
        /// As clients gave it in XGROUP CREATE: any bytes, alone in its stream.
        name: &'a [u8],
        /// The last entry that was given to a consumer.
        last_id: StreamId,
        /// How many entries it has read, where known.
        entries_read: Option<u64>,
        /// How many references follow.
        pending: usize,
    },
    /// The next reference of the group. The number of its consumer means nothing.
    Pending(StreamId, Pending),
    /// How many consumers the group has.
    Consumers(usize),
    /// The next consumer of the group.
    Consumer {
        /// As clients gave it in XREADGROUP and its like: any bytes, alone in its group.
        name: &'a [u8],
        /// When it last tried anything.
        seen_at: UnixMillis,
        /// When it last got anything.
        active_at: Option<UnixMillis>,
        /// How many of the group's references are its own. Their ids follow.
        pending: usize,
    },
    /// The next reference of the consumer.
    Owned(StreamId),
    /// What is known of producers, before the first of them, of a stream that has such a record. Expired records are not left out.
    Producers {
        /// For how long and how many are kept.
        limits: ProducerLimits,
        /// Entries that were ever added with an identifier, and those that were there already.
        added: u64,
        /// See `added`.
        duplicates: u64,
        /// How many producers follow.
        len: usize,
    },
    /// The next producer: its name, and its identifiers with their entries, the oldest first.
    Producer(&'a [u8], &'a [Identifier]),
}

/// A node of a stream.
#[derive(Clone, Copy, Debug)]
pub struct NodeRef<'a>(&'a Node);

impl<'a> NodeRef<'a> {
    /// Its entries, of which there is at least one.
    pub fn entries(self) -> impl Iterator<Item = EntryRef<'a>> {
        let (node, mut cursor) = (self.0, self.0.start());
        std::iter::from_fn(move || node.advance_live(&mut cursor))
    }
}

/// Whether entries or groups come first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamOrder {
    /// Nodes, groups, producers.
    NodesFirst,
    /// Groups, producers, nodes.
    GroupsFirst,
}

/// What of a stream is not saved, besides what its groups and producers have of this.
#[derive(Debug)]
pub(super) struct Rest {
    pub(super) nodes: NodesRest,
    /// What comes now and later, the next last.
    stages: Vec<Stage>,
    /// The record of producers, if it was replaced since.
    producers: Option<Box<Producers>>,
}

#[derive(Clone, Copy, Debug)]
enum Stage {
    Nodes,
    Groups,
    Producers,
}

impl Rest {
    /// Bytes of memory outside of the struct.
    pub(super) fn bytes(&self) -> usize {
        self.nodes.bytes() + self.producers.as_ref().map_or(0, |own| size_of::<Producers>() + own.external_bytes())
    }

    /// Frees a slice of it. True: nothing is left.
    pub(super) fn dismantle(&mut self) -> bool {
        if let Some(producers) = &mut self.producers {
            if producers.dismantle(DISMANTLED_REFERENCES) {
                self.producers = None;
            }
            return false;
        }
        self.nodes.dismantle(DISMANTLED_NODES)
    }
}

impl Stream {
    /// The stream as it is now is to be saved in pieces.
    pub(crate) fn begin_saving(&mut self, order: StreamOrder) {
        let nodes = NodesRest::of(self.node_count(), self.last_id);
        let groups = (!self.groups.is_empty()).then_some(Stage::Groups);
        let producers = self.producers().is_some().then_some(Stage::Producers);
        let stages = match order {
            StreamOrder::NodesFirst => [producers, groups, Some(Stage::Nodes)],
            StreamOrder::GroupsFirst => [Some(Stage::Nodes), producers, groups],
        };
        self.groups.begin_saving();
        let side = self.side.get_or_insert_default();
        if let Some(producers) = &mut side.producers {
            producers.begin_saving();
        }
        let before = side.rest.replace(Box::new(Rest {
            nodes,
            stages: stages.into_iter().flatten().collect(),
            producers: None,
        }));
        assert!(before.is_none(), "one thing is saved at a time");
    }

    /// Saves the next pieces. False: those were all.
    pub(crate) fn save_step(&mut self, save: &mut dyn FnMut(StreamPiece<'_>)) -> bool {
        let Side { producers, discarded, rest } = &mut **self.side.as_mut().expect("it is being saved");
        let rest = rest.as_mut().expect("it is being saved");
        let Some(&stage) = rest.stages.last() else { return false };
        let is_through = match stage {
            Stage::Nodes => {
                let mut bytes = 0;
                while rest.nodes.left() > 0 && bytes < NODE_BYTES_AT_ONCE {
                    rest.nodes.save_next(&self.nodes, &self.tail, |node| {
                        bytes += node.byte_len();
                        save(StreamPiece::Node(NodeRef(node)));
                    });
                }
                rest.nodes.left() == 0
            }
            Stage::Groups => match self.groups.save_step(save) {
                GroupsStep::Saved => false,
                GroupsStep::Gone(group) => {
                    discarded.get_or_insert_default().groups.adopt(group);
                    false
                }
                GroupsStep::Done => true,
            },
            Stage::Producers => {
                let producers = rest.producers.as_mut().or(producers.as_mut());
                !producers.expect("a record that is replaced is kept").save_step(PRODUCERS_AT_ONCE, save)
            }
        };
        if is_through {
            rest.stages.pop();
        }
        !rest.stages.is_empty()
    }

    /// It is saved, or is not to be: what was kept for that is to be freed ([`Stream::take_discarded`]).
    pub(crate) fn end_saving(&mut self) {
        let groups = self.groups.end_saving();
        let Some(rest) = self.side.as_mut().and_then(|side| side.rest.take()) else { return };
        if let Some(producers) = self.side.as_mut().and_then(|side| side.producers.as_mut()) {
            producers.end_saving();
        }
        let is_empty = rest.bytes() + groups.as_ref().map_or(0, |groups| groups.bytes()) == 0;
        if !is_empty {
            let discarded = self.discarded_mut();
            discarded.groups.adopt_rest(groups);
            discarded.side.get_or_insert_default().rest = Some(rest);
        }
    }

    /// The record of producers gives way to another one; gives it back if it is not needed.
    pub(super) fn keep_producers(&mut self, producers: Box<Producers>) -> Option<Box<Producers>> {
        let rest = self.side.as_mut().and_then(|side| side.rest.as_mut());
        match rest.filter(|_| producers.is_saved()) {
            Some(rest) => {
                rest.producers = Some(producers);
                None
            }
            None => Some(producers),
        }
    }
}
