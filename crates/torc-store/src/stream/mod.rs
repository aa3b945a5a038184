//! A stream: a log of entries in the order of their ids, and groups of consumers that share it.
//!
//! ```text
//! nodes      full nodes, in order, of exact size
//! tail       the node that entries are added to: its buffer is used again when it is full
//! groups     what each group was given and has not acknowledged yet
//! producers  what was added with an identifier lately
//!
//! id  ids of entries     node  entries as bytes     range  walking      trim  taking the oldest away
//! nodes  a deque of nodes        group  groups and consumers        producers  entries that are sent again
//! rest   what is not saved of a stream that is being saved
//! ```

mod group;
mod id;
mod node;
mod nodes;
mod producers;
mod range;
mod rest;
#[cfg(test)]
mod tests;
mod trim;

pub use group::{Consumer, Group, Groups, Pending};
pub use id::{IdText, StreamId};
pub use node::{EntryRef, Pairs};
pub use producers::{Identifier, ProducerLimits, Producers};
pub use range::{Range, RangeBack};
pub use rest::{NodeRef, StreamOrder, StreamPiece};
pub use trim::{Bound, Trim};

use crate::UnixMillis;
use node::Node;
use nodes::{Nodes, Place};
use rest::{NodesRest, Rest};

/// Nodes freed by one call of `dismantle`: their buffers are up to 4 KB each.
const DISMANTLED_NODES: usize = 256;
/// References freed by one call of `dismantle`.
const DISMANTLED_REFERENCES: usize = 512;
/// A group with more references, or producers with more records, are not freed by the command that removes them.
const REFERENCES_FREED_AT_ONCE_MAX: usize = 512;

/// The value of a stream key; it may be empty, and keeps its last id then.
#[derive(Debug, Default)]
pub struct Stream {
    nodes: Nodes,
    tail: Node,
    len: u64,
    /// Lowest id of the entries that are there; `0-0` when there is none.
    first_id: StreamId,
    /// Highest id of the entries that are there; `0-0` when there is none.
    top_id: StreamId,
    last_id: StreamId,
    max_deleted_id: StreamId,
    entries_added: u64,
    groups: Groups,
    /// What few streams have.
    side: Option<Box<Side>>,
}

/// What few streams have.
#[derive(Debug, Default)]
struct Side {
    /// Only of a stream that was ever added to with an identifier, or was told how to keep them.
    producers: Option<Box<Producers>>,
    /// What a command took out and is too much to be freed at once: [`Stream::take_discarded`].
    discarded: Option<Box<Stream>>,
    /// What is not saved yet, while it is saved in pieces.
    rest: Option<Box<Rest>>,
}

impl Side {
    /// Whether it is needed when nothing waits to be freed.
    fn is_needed(&self) -> bool {
        self.producers.is_some() || self.rest.is_some()
    }

    /// Bytes of memory; without what waits to be freed, which is no part of the stream.
    fn bytes(&self) -> usize {
        let own = if self.is_needed() { size_of::<Side>() } else { 0 };
        let producers = self.producers.as_ref().map_or(0, |own| size_of::<Producers>() + own.external_bytes());
        own + producers + self.rest.as_ref().map_or(0, |rest| size_of::<Rest>() + rest.bytes())
    }
}

/// How large a node may become.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NodeLimits {
    /// Most entries, deleted ones included; 0: any number.
    pub entries_max: u64,
    /// Bytes at which the next node begins; 0: a gibibyte.
    pub bytes_max: u64,
}

/// What becomes of the references that groups hold to an entry which is deleted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum References {
    /// They stay.
    Keep,
    /// They go with it.
    Delete,
    /// Only an entry that all groups have read and acknowledged is deleted.
    Acknowledged,
}

/// Most entries of a node, whatever the limits say: written to a file it must stay below 4 GiB.
const NODE_ENTRIES_MAX: usize = 1 << 24;

/// Most bytes of a node, and of the strings of one entry.
pub const STREAM_ENTRY_BYTES_MAX: usize = 1 << 30;

impl Stream {
    /// Number of entries.
    pub fn len(&self) -> usize {
        self.len as usize
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// How much work it is to free it: entries, references to them and records of producers.
    pub(crate) fn weight(&self) -> usize {
        self.len() + self.groups.references() + self.producers().map_or(0, Producers::len)
    }

    /// Bytes of memory besides the struct itself.
    pub(crate) fn external_bytes(&self) -> usize {
        let side = self.side.as_ref().map_or(0, |side| side.bytes());
        self.nodes.external_bytes() + self.tail.external_bytes() + self.groups.external_bytes() + side
    }

    /// Frees a slice of it. True: nothing is left.
    pub(crate) fn dismantle(&mut self) -> bool {
        for _ in 0..DISMANTLED_NODES {
            let Some(last) = self.nodes.last() else {
                (self.nodes, self.tail, self.len) = (Nodes::default(), Node::default(), 0);
                return self.dismantle_side() && self.groups.dismantle(DISMANTLED_REFERENCES);
            };
            self.len -= self.nodes.remove(last).live() as u64;
        }
        false
    }

    /// The same of what few streams have.
    fn dismantle_side(&mut self) -> bool {
        let Some(side) = &mut self.side else { return true };
        if let Some(producers) = &mut side.producers {
            if producers.dismantle(DISMANTLED_REFERENCES) {
                side.producers = None;
            }
        } else if side.rest.as_mut().is_none_or(|rest| rest.dismantle()) {
            self.side = None;
        }
        false
    }

    /// What was taken out since the last call, to be freed in slices.
    #[inline]
    pub(crate) fn take_discarded(&mut self) -> Option<Box<Stream>> {
        let side = self.side.as_mut()?;
        let discarded = side.discarded.take();
        if !side.is_needed() {
            self.side = None;
        }
        discarded
    }

    /// What is to be freed later.
    fn discarded_mut(&mut self) -> &mut Stream {
        self.side.get_or_insert_default().discarded.get_or_insert_default()
    }

    /// Which nodes are not saved, while it is being saved.
    #[inline]
    fn nodes_rest(&mut self) -> Option<&mut NodesRest> {
        Some(&mut self.side.as_mut()?.rest.as_mut()?.nodes)
    }

    /// Removes a group with its consumers and references.
    pub fn remove_group(&mut self, index: usize) {
        let Some(group) = self.groups.remove(index) else { return };
        if group.pending_len() > REFERENCES_FREED_AT_ONCE_MAX {
            self.discarded_mut().groups.adopt(group);
        }
    }

    /// What producers have added lately, if any ever has.
    pub fn producers(&self) -> Option<&Producers> {
        self.side.as_ref()?.producers.as_deref()
    }

    /// The record of producers, for changing; made with these limits if there is none yet.
    pub fn producers_mut(&mut self, limits: ProducerLimits) -> &mut Producers {
        let side = self.side.get_or_insert_default();
        side.producers.get_or_insert_with(|| Box::new(Producers::new(limits)))
    }

    /// Sets for how long and how many records of producers are kept. Other limits than before make it forget all of them.
    pub fn set_producer_limits(&mut self, limits: ProducerLimits) {
        if self.producers().is_some_and(|own| own.limits() == limits) {
            return;
        }
        let side = self.side.get_or_insert_default();
        let mut fresh = Box::new(Producers::new(limits));
        if let Some(before) = &side.producers {
            fresh.restore_counters(before.added(), before.duplicates());
        }
        let before = side.producers.replace(fresh).and_then(|before| self.keep_producers(before));
        if let Some(before) = before.filter(|before| before.len() > REFERENCES_FREED_AT_ONCE_MAX) {
            self.discarded_mut().side.get_or_insert_default().producers = Some(before);
        }
    }

    /// Id of the first entry; `0-0` when there is none.
    pub fn first_id(&self) -> StreamId {
        self.first_id
    }

    /// Id of the last entry that is there; `0-0` when there is none.
    pub fn top_id(&self) -> StreamId {
        self.top_id
    }

    /// The highest id that an entry ever had, or XSETID gave.
    pub fn last_id(&self) -> StreamId {
        self.last_id
    }

    /// The highest id among deleted entries, trimmed ones not counted.
    pub fn max_deleted_id(&self) -> StreamId {
        self.max_deleted_id
    }

    /// Number of entries ever added.
    pub fn entries_added(&self) -> u64 {
        self.entries_added
    }

    /// Number of nodes.
    pub fn node_count(&self) -> usize {
        self.nodes.len() + usize::from(self.tail.entries() > 0)
    }

    /// The consumer groups, for reading.
    pub fn groups(&self) -> &Groups {
        &self.groups
    }

    /// The consumer groups, for changing; the entries they refer to are not affected.
    pub fn groups_mut(&mut self) -> &mut Groups {
        &mut self.groups
    }

    /// The id that the server gives an entry which is added now: the time, or the number behind the last id. `None`: there is none left.
    pub fn next_id(&self, now_ms: u64) -> Option<StreamId> {
        if now_ms > self.last_id.ms { Some(StreamId::new(now_ms, 0)) } else { self.last_id.next() }
    }

    /// Adds an entry. Panics unless its id is above [`Stream::last_id`], it has a field, and its strings fit
    /// [`STREAM_ENTRY_BYTES_MAX`].
    #[inline]
    pub fn append<'e, I>(&mut self, id: StreamId, pairs: I, limits: NodeLimits)
    where
        I: Iterator<Item = (&'e [u8], &'e [u8])> + Clone,
    {
        assert!(id > self.last_id, "ids only grow");
        self.push(id, pairs, limits);
        self.last_id = id;
        self.entries_added = self.entries_added.wrapping_add(1);
    }

    /// Adds an entry that a saved stream had; counters and ids are restored by [`Stream::restore_head`]. Panics unless its id is above those before.
    pub fn restore_entry<'e, I>(&mut self, id: StreamId, pairs: I, limits: NodeLimits)
    where
        I: Iterator<Item = (&'e [u8], &'e [u8])> + Clone,
    {
        self.push(id, pairs, limits);
        self.last_id = self.last_id.max(id);
    }

    /// Restores what a saved stream knew about itself, after its entries.
    pub fn restore_head(&mut self, last_id: StreamId, max_deleted_id: StreamId, entries_added: u64) {
        self.set_id(last_id, Some(entries_added), Some(max_deleted_id));
    }

    fn push<'e, I>(&mut self, id: StreamId, pairs: I, limits: NodeLimits)
    where
        I: Iterator<Item = (&'e [u8], &'e [u8])> + Clone,
    {
        let len: usize = pairs.clone().map(|(name, value)| name.len() + value.len()).sum();
        assert!(len <= STREAM_ENTRY_BYTES_MAX, "commands check the size first");
        if self.tail.entries() > 0 && self.is_tail_full(id, len, limits) {
            self.nodes.push(self.tail.seal());
        }
        self.before_edit(self.nodes.end());
        self.tail.append(id, pairs);
        self.len += 1;
        self.top_id = id;
        if self.len == 1 {
            self.first_id = id;
        }
    }

    fn is_tail_full(&self, id: StreamId, len: usize, limits: NodeLimits) -> bool {
        let bytes_max = match limits.bytes_max as usize {
            0 => STREAM_ENTRY_BYTES_MAX,
            max => max.min(STREAM_ENTRY_BYTES_MAX),
        };
        self.tail.byte_len() + len >= bytes_max
            || (limits.entries_max > 0 && self.tail.entries() as u64 >= limits.entries_max)
            || self.tail.entries() >= NODE_ENTRIES_MAX
            || !self.tail.takes(id)
    }

    /// The entries from `start` to `end`, both included.
    pub fn range(&self, start: StreamId, end: StreamId) -> Range<'_> {
        Range::new(self, start, end)
    }

    /// The entries from `start` to `end`, both included, from the last to the first.
    pub fn range_back(&self, start: StreamId, end: StreamId) -> RangeBack<'_> {
        RangeBack::new(self, start, end)
    }

    /// The entry with this id.
    pub fn get(&self, id: StreamId) -> Option<EntryRef<'_>> {
        self.node(self.nodes.seek(id)).find(id).map(|(_, entry)| entry)
    }

    /// Deletes an entry, whoever refers to it. False: it is not there.
    pub fn delete(&mut self, id: StreamId) -> bool {
        let deleted = self.delete_entry(id);
        if deleted {
            self.max_deleted_id = self.max_deleted_id.max(id);
            self.find_ends(id == self.first_id, id == self.top_id);
        }
        deleted
    }

    /// Takes an entry out and leaves first id and highest deleted id alone.
    fn delete_entry(&mut self, id: StreamId) -> bool {
        let place = self.nodes.seek(id);
        let Some((offset, _)) = self.node(place).find(id) else { return false };
        self.edit_node(place, |node| node.delete(offset));
        self.len -= 1;
        true
    }

    /// Sets last id and, where given, the number of entries ever added and the highest deleted id.
    pub fn set_id(&mut self, last_id: StreamId, entries_added: Option<u64>, max_deleted_id: Option<StreamId>) {
        // Nodes are found by their last ids, and what comes now may be before an entry that is deleted.
        let end = if self.tail.entries() > 0 { Some(self.nodes.end()) } else { self.nodes.last() };
        if let Some(place) = end.filter(|&place| self.node(place).last() > last_id) {
            self.edit_node(place, Node::cut_deleted_end);
        }
        if let Some(rest) = self.nodes_rest() {
            rest.follow_last_id(last_id);
        }
        self.last_id = last_id;
        self.entries_added = entries_added.unwrap_or(self.entries_added);
        self.max_deleted_id = max_deleted_id.unwrap_or(self.max_deleted_id);
    }

    fn node(&self, place: Place) -> &Node {
        self.nodes.get(place).unwrap_or(&self.tail)
    }

    /// Changes the node at a place, and takes it out if it then has no entries.
    fn edit_node<T>(&mut self, place: Place, edit: impl FnOnce(&mut Node) -> T) -> T {
        self.before_edit(place);
        if self.nodes.get(place).is_some() {
            return self.nodes.edit(place, edit);
        }
        let result = edit(&mut self.tail);
        if self.tail.live() == 0 {
            self.tail.clear();
        }
        result
    }

    /// The node at a place is about to change.
    #[inline]
    fn before_edit(&mut self, place: Place) {
        if let Some(rest) = self.side.as_mut().and_then(|side| side.rest.as_mut()) {
            rest.nodes.before(self.nodes.get(place).unwrap_or(&self.tail));
        }
    }

    /// Finds the first or the last entry anew after what was there is gone.
    fn find_ends(&mut self, first: bool, last: bool) {
        let (min, max) = (StreamId::MIN, StreamId::MAX);
        if first {
            self.first_id = self.range(min, max).next().map_or(min, |entry| entry.id());
        }
        if last {
            self.top_id = self.range_back(min, max).next().map_or(min, |entry| entry.id());
        }
    }

    /// Whether a group still has to read or to acknowledge the entry.
    pub fn is_referenced(&self, id: StreamId) -> bool {
        self.groups.iter().any(|group| group.last_id() < id || group.pending(id).is_some())
    }

    /// The references of a group to entries that are there which were given at `until` or before, those given first coming first.
    pub fn overdue(&self, group: usize, until: UnixMillis) -> impl Iterator<Item = (StreamId, Pending)> {
        let group = self.groups.get(group);
        let overdue = group.by_age().take_while(move |&(delivered_at, _)| delivered_at <= until);
        let there = overdue.filter(|&(_, id)| self.get(id).is_some());
        there.map(|(_, id)| (id, *group.pending(id).expect("it has an age")))
    }

    /// When the oldest reference of a group to an entry that is there was given.
    pub fn oldest_delivery(&self, group: usize) -> Option<UnixMillis> {
        let mut ages = self.groups.get(group).by_age();
        ages.find(|&(_, id)| self.get(id).is_some()).map(|(delivered_at, _)| delivered_at)
    }

    /// Removes the references of all groups to the entry. True: there were some.
    pub fn forget_references(&mut self, id: StreamId) -> bool {
        self.groups.acknowledge_all(id)
    }

    /// Whether an entry was deleted between these ids (or, for all it knows, may have been).
    fn has_gaps_from(&self, start: StreamId) -> bool {
        self.len > 0 && self.has_gap_ahead_of_first() && start <= self.max_deleted_id
    }

    fn has_gap_ahead_of_first(&self) -> bool {
        !self.max_deleted_id.is_zero() && self.first_id <= self.max_deleted_id
    }

    /// How many entries were ever added up to this id, where that follows from the counters.
    pub fn entries_up_to(&self, id: StreamId) -> Option<u64> {
        if self.entries_added == 0 {
            return Some(0);
        }
        if id == self.last_id || (self.len == 0 && id < self.last_id) {
            return Some(self.entries_added);
        }
        if id > self.last_id || self.has_gap_ahead_of_first() {
            return None;
        }
        match id.cmp(&self.first_id) {
            std::cmp::Ordering::Less => Some(self.entries_added.saturating_sub(self.len)),
            std::cmp::Ordering::Equal => Some(self.entries_added.saturating_sub(self.len).saturating_add(1)),
            std::cmp::Ordering::Greater => None,
        }
    }

    /// How many entries a group has yet to be given, where that can be known.
    pub fn lag(&self, group: &Group) -> Option<i64> {
        if self.entries_added == 0 || self.len == 0 {
            return Some(0);
        }
        if group.last_id() < self.first_id && !self.has_gap_ahead_of_first() {
            return Some(self.len as i64);
        }
        let read = match group.entries_read() {
            Some(read) if !self.has_gaps_from(group.last_id()) => Some(read),
            _ => self.entries_up_to(group.last_id()),
        };
        read.map(|read| (self.entries_added as i64).wrapping_sub(read as i64))
    }

    /// Notes that the entry with this id is given to a group, if it is new to it.
    pub fn advance_group(&mut self, group: usize, id: StreamId) {
        let known = self.groups.get(group);
        if id <= known.last_id() {
            return;
        }
        // What was trimmed or deleted behind the last entry it was given cannot be told from what it has read.
        let in_step = known.last_id() >= self.first_id && !self.has_gaps_from(known.last_id());
        let read = match known.entries_read() {
            Some(read) if in_step => Some(read.saturating_add(1)),
            read if self.entries_added == 0 => read,
            _ => self.entries_up_to(id),
        };
        self.groups.set_position(group, id, read);
    }
}
