//! Groups of consumers: what each consumer was given and has not acknowledged.
//!
//! ```text
//! groups      by name                       found by halving; an index stays valid while no group comes or goes
//! group       last id | entries read | references by id: consumer, time, count | the same by age | consumers by name
//! consumer    name | seen | active | ids of its references
//! ```
//!
//! A consumer has a number that stays its own while it lives; references name it by that. The memory of ordered maps of the standard
//! library cannot be asked for; what they take is reckoned per element, from how full their nodes are after insertions in order.

use std::collections::{BTreeMap, BTreeSet};

use super::id::StreamId;
use super::rest::{GroupsRest, GroupsStep, MapRest, StreamPiece};
use crate::UnixMillis;

/// Bytes of a reference: its element in the group's map, and in the consumer's set.
const REFERENCE_BYTES: usize = 110;

/// With more references than this a group keeps them by age too; with fewer, asking all of them costs less.
const BY_AGE_MIN: usize = 128;
/// With fewer it gives that up again.
const BY_AGE_GIVEN_UP: usize = 32;
/// Bytes of a reference in that order.
const AGE_BYTES: usize = 36;

/// The groups of a stream, in the order of their names.
#[derive(Debug, Default)]
pub struct Groups {
    groups: Vec<Group>,
    /// Of all groups.
    references: usize,
    /// Those of them that are kept by age.
    ages: usize,
    /// Names and consumers.
    bytes: usize,
    /// What is not saved yet, while the stream is saved in pieces. Every method here that changes something tells it before.
    rest: Option<Box<GroupsRest>>,
}

/// One consumer group: its last delivered id, its consumers, and the references to entries not yet acknowledged.
#[derive(Debug)]
pub struct Group {
    name: Box<[u8]>,
    last_id: StreamId,
    entries_read: Option<u64>,
    pending: BTreeMap<StreamId, Pending>,
    /// When each was given; empty in a small group.
    by_age: BTreeSet<(UnixMillis, StreamId)>,
    /// By number.
    consumers: Vec<Option<Box<Consumer>>>,
    /// Numbers, in the order of their consumers' names.
    by_name: Vec<u32>,
    /// While the stream is saved: which group of the cut it is, from 1 on; 0: none.
    pub(super) cut_number: u32,
}

/// A reference of a group to an entry that was given to a consumer and is not acknowledged.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Pending {
    /// Number of the consumer.
    pub consumer: u32,
    /// When it was given.
    pub delivered_at: UnixMillis,
    /// How often.
    pub deliveries: u64,
}

/// A consumer of a group: its name, when it was active, and the entries it has not acknowledged.
#[derive(Debug)]
pub struct Consumer {
    name: Box<[u8]>,
    /// When it last tried anything.
    pub seen_at: UnixMillis,
    /// When it last got anything.
    pub active_at: Option<UnixMillis>,
    pending: BTreeSet<StreamId>,
}

impl Groups {
    /// Number of groups.
    pub fn len(&self) -> usize {
        self.groups.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }

    /// Number of references of all groups.
    pub(super) fn references(&self) -> usize {
        self.references
    }

    /// Number of references that are kept by age.
    #[cfg(test)]
    pub(super) fn ages(&self) -> usize {
        self.ages
    }

    /// All entries up to this id have been read and acknowledged by all groups.
    pub(super) fn done_up_to(&self) -> StreamId {
        let done = |group: &Group| match group.pending.first_key_value() {
            Some((first, _)) => group.last_id.min(first.previous().unwrap_or(StreamId::MIN)),
            None => group.last_id,
        };
        self.groups.iter().map(done).min().unwrap_or(StreamId::MAX)
    }

    /// Bytes of memory outside of the struct.
    pub(super) fn external_bytes(&self) -> usize {
        self.bytes
            + self.references * REFERENCE_BYTES
            + self.ages * AGE_BYTES
            + self.groups.capacity() * size_of::<Group>()
            + self.rest.as_ref().map_or(0, |rest| size_of::<GroupsRest>() + rest.bytes())
    }

    /// Frees up to `references` references, or a group that has none; returns whether nothing is left.
    pub(super) fn dismantle(&mut self, references: usize) -> bool {
        if let Some(rest) = &mut self.rest {
            if rest.dismantle(references) {
                self.rest = None;
            }
            return false;
        }
        let Some(group) = self.groups.last_mut() else {
            *self = Groups::default();
            return true;
        };
        for _ in 0..references {
            self.ages -= usize::from(group.by_age.pop_last().is_some());
            let Some((_, pending)) = group.pending.pop_last() else {
                let last = self.groups.len() - 1;
                drop(self.detach(last));
                return false;
            };
            group.consumer_mut(pending.consumer).pending.pop_last();
            self.references -= 1;
        }
        false
    }

    /// The groups in the order of their names.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Group> {
        self.groups.iter()
    }

    /// Index of the group with this name.
    pub fn find(&self, name: &[u8]) -> Option<usize> {
        self.place(name).ok()
    }

    fn place(&self, name: &[u8]) -> Result<usize, usize> {
        self.groups.binary_search_by(|group| (*group.name).cmp(name))
    }

    /// The group with this index.
    pub fn get(&self, index: usize) -> &Group {
        &self.groups[index]
    }

    /// Adds a group and gives its index; `None`: there is one of this name.
    pub fn create(&mut self, name: &[u8], last_id: StreamId, entries_read: Option<u64>) -> Option<usize> {
        let place = self.place(name).err()?;
        self.before_change();
        let group = Group {
            name: name.into(),
            last_id,
            entries_read,
            pending: BTreeMap::new(),
            by_age: BTreeSet::new(),
            consumers: Vec::new(),
            by_name: Vec::new(),
            cut_number: 0,
        };
        self.bytes += name.len();
        self.groups.insert(place, group);
        Some(place)
    }

    /// Takes a group out, to be freed; `None`: it is kept to be saved.
    pub(super) fn remove(&mut self, index: usize) -> Option<Group> {
        self.before_change();
        let group = self.detach(index);
        match &mut self.rest {
            Some(rest) => rest.keep(group),
            None => Some(group),
        }
    }

    fn detach(&mut self, index: usize) -> Group {
        let group = self.groups.remove(index);
        self.references -= group.pending.len();
        self.ages -= group.by_age.len();
        self.bytes -= group.own_bytes();
        group
    }

    /// Takes a group over from another stream, to free it: it stands behind all others, whatever its name.
    pub(super) fn adopt(&mut self, group: Group) {
        self.references += group.pending.len();
        self.ages += group.by_age.len();
        self.bytes += group.own_bytes();
        self.groups.push(group);
    }

    /// Sets what a group was given last, and how many entries it has read, where known.
    pub fn set_position(&mut self, index: usize, last_id: StreamId, entries_read: Option<u64>) {
        self.before_change();
        let group = &mut self.groups[index];
        (group.last_id, group.entries_read) = (last_id, entries_read);
    }

    /// The number of a consumer, which is created if need be. Whether it was.
    pub fn consumer(&mut self, index: usize, name: &[u8], now: UnixMillis) -> (u32, bool) {
        let place = match self.groups[index].place(name) {
            Ok(place) => return (self.groups[index].by_name[place], false),
            Err(place) => place,
        };
        self.before_change();
        let group = &mut self.groups[index];
        let before = group.tables_bytes();
        let consumer =
            Box::new(Consumer { name: name.into(), seen_at: now, active_at: None, pending: BTreeSet::new() });
        self.bytes += consumer.bytes();
        let free = group.consumers.iter().position(Option::is_none);
        let number = free.unwrap_or(group.consumers.len());
        match free {
            Some(number) => group.consumers[number] = Some(consumer),
            None => group.consumers.push(Some(consumer)),
        }
        let number = u32::try_from(number).expect("memory ends before numbers do");
        group.by_name.insert(place, number);
        self.bytes += group.tables_bytes() - before;
        (number, true)
    }

    /// A consumer, for its times.
    pub fn consumer_mut(&mut self, index: usize, consumer: u32) -> &mut Consumer {
        self.before_change();
        self.groups[index].consumer_mut(consumer)
    }

    /// Removes a consumer with its references; returns their number.
    pub fn remove_consumer(&mut self, index: usize, consumer: u32) -> usize {
        self.before_change();
        let group = &mut self.groups[index];
        let before = group.tables_bytes();
        let gone = group.consumers[consumer as usize].take().expect("the consumer is there");
        group.by_name.retain(|&number| number != consumer);
        while group.consumers.pop_if(|last| last.is_none()).is_some() {}
        let ages = group.by_age.len();
        for id in &gone.pending {
            if let Some(rest) = &mut self.rest {
                rest.before_reference(group, *id);
            }
            group.remove(*id);
        }
        self.ages = self.ages + group.by_age.len() - ages;
        self.bytes = self.bytes + group.tables_bytes() - before - gone.bytes();
        self.references -= gone.pending.len();
        gone.pending.len()
    }

    /// Makes the consumer the one that the entry was given to, whoever had it before.
    pub fn assign(&mut self, index: usize, id: StreamId, pending: Pending) {
        self.before_reference(index, id);
        let group = &mut self.groups[index];
        let ages = group.by_age.len();
        let before = group.insert(id, pending);
        self.ages = self.ages + group.by_age.len() - ages;
        let Some(before) = before else {
            group.consumer_mut(pending.consumer).pending.insert(id);
            self.references += 1;
            return;
        };
        if before.consumer != pending.consumer {
            group.consumer_mut(before.consumer).pending.remove(&id);
            group.consumer_mut(pending.consumer).pending.insert(id);
        }
    }

    /// Removes a group's reference to an entry. False: there is none.
    pub fn acknowledge(&mut self, index: usize, id: StreamId) -> bool {
        self.before_reference(index, id);
        let group = &mut self.groups[index];
        let ages = group.by_age.len();
        let Some(pending) = group.remove(id) else { return false };
        self.ages = self.ages + group.by_age.len() - ages;
        group.consumer_mut(pending.consumer).pending.remove(&id);
        self.references -= 1;
        true
    }

    /// Removes all groups' references to an entry. True: there were some.
    pub(super) fn acknowledge_all(&mut self, id: StreamId) -> bool {
        (0..self.groups.len()).fold(false, |any, index| self.acknowledge(index, id) | any)
    }

    /// They are to be saved as they are now.
    pub(super) fn begin_saving(&mut self) {
        self.rest = (!self.is_empty()).then(Box::default);
    }

    /// Saves a few of their references or consumers.
    pub(super) fn save_step(&mut self, save: &mut dyn FnMut(StreamPiece<'_>)) -> GroupsStep {
        self.before_change();
        self.rest.as_mut().expect("they are being saved").step(&self.groups, save)
    }

    /// They are saved, or are not to be; gives what was kept for that.
    pub(super) fn end_saving(&mut self) -> Option<Box<GroupsRest>> {
        self.rest.take()
    }

    /// Takes over what was kept to save other groups, to free it.
    pub(super) fn adopt_rest(&mut self, mut rest: Option<Box<GroupsRest>>) {
        rest.iter_mut().flat_map(|rest| rest.take_gone()).for_each(|group| self.adopt(group));
        self.rest = rest;
    }

    /// Something of the groups is about to change.
    #[inline]
    fn before_change(&mut self) {
        if let Some(rest) = &mut self.rest {
            rest.note(&mut self.groups);
        }
    }

    /// A reference is about to change, come or go.
    #[inline]
    fn before_reference(&mut self, index: usize, id: StreamId) {
        if let Some(rest) = &mut self.rest {
            rest.note(&mut self.groups);
            rest.before_reference(&self.groups[index], id);
        }
    }
}

impl Group {
    /// The name, unique within the stream.
    pub fn name(&self) -> &[u8] {
        &self.name
    }

    /// The last entry that was given to a consumer.
    pub fn last_id(&self) -> StreamId {
        self.last_id
    }

    /// How many of the stream's entries ever added it has read, where known.
    pub fn entries_read(&self) -> Option<u64> {
        self.entries_read
    }

    /// Number of references.
    pub fn pending_len(&self) -> usize {
        self.pending.len()
    }

    /// The reference to an entry.
    pub fn pending(&self, id: StreamId) -> Option<&Pending> {
        self.pending.get(&id)
    }

    /// References from `start` to `end`, both included, by id. Nothing when `start` is after `end`.
    pub fn pending_range(
        &self,
        start: StreamId,
        end: StreamId,
    ) -> impl DoubleEndedIterator<Item = (StreamId, &Pending)> {
        let range = (start <= end).then(|| self.pending.range(start..=end));
        range.into_iter().flatten().map(|(&id, pending)| (id, pending))
    }

    /// When its references were given, those given first coming first.
    pub(super) fn by_age(&self) -> impl Iterator<Item = (UnixMillis, StreamId)> {
        let mut few: Vec<(UnixMillis, StreamId)> = Vec::new();
        if self.by_age.is_empty() {
            few.extend(self.pending.iter().map(|(&id, pending)| (pending.delivered_at, id)));
            few.sort_unstable();
        }
        few.into_iter().chain(self.by_age.iter().copied())
    }

    /// Number of its references that are kept by age.
    #[cfg(test)]
    pub(super) fn by_age_len(&self) -> usize {
        self.by_age.len()
    }

    fn insert(&mut self, id: StreamId, pending: Pending) -> Option<Pending> {
        let before = self.pending.insert(id, pending);
        if !self.by_age.is_empty() {
            if let Some(before) = before {
                self.by_age.remove(&(before.delivered_at, id));
            }
            self.by_age.insert((pending.delivered_at, id));
        } else if self.pending.len() > BY_AGE_MIN {
            self.by_age = self.pending.iter().map(|(&id, pending)| (pending.delivered_at, id)).collect();
        }
        before
    }

    fn remove(&mut self, id: StreamId) -> Option<Pending> {
        let before = self.pending.remove(&id)?;
        if !self.by_age.is_empty() {
            self.by_age.remove(&(before.delivered_at, id));
            if self.by_age.len() < BY_AGE_GIVEN_UP {
                self.by_age = BTreeSet::new();
            }
        }
        Some(before)
    }

    /// All references, to be saved as they are now.
    pub(super) fn pending_rest(&self) -> MapRest<StreamId, Pending> {
        MapRest::of(&self.pending, |_| 0)
    }

    /// Saves so many references of those that are left. False: that was all.
    pub(super) fn save_pending(
        &self,
        rest: &mut MapRest<StreamId, Pending>,
        most: usize,
        mut save: impl FnMut(StreamId, Pending),
    ) -> bool {
        rest.step(&self.pending, most, |pending| *pending, |&id, pending| save(id, pending))
    }

    /// Numbers of its consumers, in the order of their names.
    pub(super) fn consumer_numbers(&self) -> &[u32] {
        &self.by_name
    }

    /// Bytes of all that it has, besides the struct.
    pub(super) fn all_bytes(&self) -> usize {
        self.own_bytes() + self.pending.len() * REFERENCE_BYTES + self.by_age.len() * AGE_BYTES
    }

    /// The consumer with this name.
    pub fn find_consumer(&self, name: &[u8]) -> Option<u32> {
        self.place(name).ok().map(|place| self.by_name[place])
    }

    /// The consumer with this number.
    pub fn consumer(&self, number: u32) -> &Consumer {
        self.consumers[number as usize].as_deref().expect("references are to living consumers")
    }

    fn consumer_mut(&mut self, number: u32) -> &mut Consumer {
        self.consumers[number as usize].as_deref_mut().expect("references are to living consumers")
    }

    /// All consumers, in the order of their names.
    pub fn consumers(&self) -> impl ExactSizeIterator<Item = &Consumer> {
        self.by_name.iter().map(|&number| self.consumer(number))
    }

    fn place(&self, name: &[u8]) -> Result<usize, usize> {
        self.by_name.binary_search_by(|&number| (*self.consumer(number).name).cmp(name))
    }

    /// Of its name and consumers, besides the struct and references.
    fn own_bytes(&self) -> usize {
        let consumers: usize = self.consumers.iter().flatten().map(|consumer| consumer.bytes()).sum();
        self.name.len() + self.tables_bytes() + consumers
    }

    fn tables_bytes(&self) -> usize {
        self.consumers.capacity() * size_of::<Option<Box<Consumer>>>() + self.by_name.capacity() * size_of::<u32>()
    }
}

impl Consumer {
    /// The name, unique within the group.
    pub fn name(&self) -> &[u8] {
        &self.name
    }

    /// Number of its references.
    pub fn pending_len(&self) -> usize {
        self.pending.len()
    }

    /// The ids of its references from `start` to `end`, both included. Nothing when they are in the wrong order.
    pub fn pending_range(&self, start: StreamId, end: StreamId) -> impl DoubleEndedIterator<Item = StreamId> {
        let range = (start <= end).then(|| self.pending.range(start..=end));
        range.into_iter().flatten().copied()
    }

    fn bytes(&self) -> usize {
        size_of::<Consumer>() + self.name.len()
    }
}
