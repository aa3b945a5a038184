//! The groups of a stream as they were at the cut, while references come and go.
//!
//! ```text
//!   first change of any group,    names, positions and consumers of all groups are noted
//!   or the walk comes to them
//!   a reference changes           it is set aside, unless its group is through (super::map)
//!   a group is destroyed          it is kept, unless it is through
//! ```
//! So what is done in one turn is a note of some tens of bytes for each consumer, and never anything for each reference. Which references a
//! consumer has is noted by the walk over those of its group, which comes first in the file.

use std::collections::VecDeque;

use super::super::group::{Consumer, Group, Pending};
use super::super::id::StreamId;
use super::map::MapRest;
use super::{ITEMS_AT_ONCE, StreamPiece};
use crate::UnixMillis;

/// What of the groups is not saved.
#[derive(Debug, Default)]
pub(in crate::stream) struct GroupsRest {
    /// Those that are not through, in the order of their names; `None` until they are noted.
    groups: Option<VecDeque<GroupRest>>,
    /// How many are through.
    through: u32,
    bytes: usize,
}

/// A group as it was at the cut.
#[derive(Debug)]
struct GroupRest {
    name: Box<[u8]>,
    last_id: StreamId,
    entries_read: Option<u64>,
    len: usize,
    pending: MapRest<StreamId, Pending>,
    /// In the order of their names.
    consumers: Vec<ConsumerRest>,
    /// Where a consumer is among them, by its number at the cut.
    places: Vec<u32>,
    stage: Stage,
    /// The group itself, if it was destroyed since.
    gone: Option<Group>,
    own_bytes: usize,
}

/// What of a group is saved next.
#[derive(Clone, Copy, Debug)]
enum Stage {
    Name,
    Pending,
    /// The consumer at this place.
    Consumer(usize),
    /// References of that consumer.
    Owned(usize),
}

#[derive(Debug)]
struct ConsumerRest {
    name: Box<[u8]>,
    seen_at: UnixMillis,
    active_at: Option<UnixMillis>,
    /// In runs, so that none is ever moved, and each is freed when it is saved.
    owned: VecDeque<Vec<StreamId>>,
    owned_len: usize,
}

/// What a step has done.
pub(in crate::stream) enum Step {
    /// It has saved something.
    Saved,
    /// A group is through that was destroyed meanwhile.
    Gone(Group),
    /// Nothing is left.
    Done,
}

impl GroupsRest {
    /// The groups are about to change, or to be saved: notes what they are.
    pub fn note(&mut self, groups: &mut [Group]) {
        if self.groups.is_some() {
            return;
        }
        let notes: VecDeque<GroupRest> = groups.iter().map(GroupRest::of).collect();
        (1..).zip(groups).for_each(|(number, group)| group.cut_number = number);
        self.bytes = notes.iter().map(GroupRest::bytes).sum();
        self.groups = Some(notes);
    }

    /// The reference of a group to an entry is about to change, come or go.
    pub fn before_reference(&mut self, group: &Group, id: StreamId) {
        let Some(rest) = self.of_group(group).filter(|rest| rest.pending.awaits(&id)) else { return };
        let before = rest.bytes();
        rest.pending.set_aside(id, group.pending(id).copied());
        let after = rest.bytes();
        self.bytes = self.bytes + after - before;
    }

    /// A group has been taken out; gives it back if it is not needed.
    pub fn keep(&mut self, group: Group) -> Option<Group> {
        let Some(rest) = self.of_group(&group) else { return Some(group) };
        let added = group.all_bytes();
        rest.own_bytes += added;
        rest.gone = Some(group);
        self.bytes += added;
        None
    }

    /// What is left of a group; `None`: it is new, or through.
    fn of_group(&mut self, group: &Group) -> Option<&mut GroupRest> {
        let index = group.cut_number.checked_sub(1)?.checked_sub(self.through)?;
        self.groups.as_mut()?.get_mut(index as usize)
    }

    /// Saves a few references or consumers. Those that are there: `groups`, which were noted.
    pub fn step(&mut self, groups: &[Group], save: &mut dyn FnMut(StreamPiece<'_>)) -> Step {
        let notes = self.groups.as_mut().expect("they were noted");
        let Some(first) = notes.front_mut() else { return Step::Done };
        let number = self.through + 1;
        let before = first.bytes();
        let has_more = first.step(groups, number, save);
        let after = first.bytes();
        self.bytes = self.bytes + after - before;
        if has_more {
            return Step::Saved;
        }
        self.bytes -= after;
        self.through += 1;
        match notes.pop_front().and_then(|group| group.gone) {
            Some(gone) => Step::Gone(gone),
            None => Step::Saved,
        }
    }

    /// Bytes of memory outside of the struct.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Nothing more is to be saved: gives the groups that were kept.
    pub fn take_gone(&mut self) -> impl Iterator<Item = Group> {
        let GroupsRest { groups, bytes, .. } = self;
        groups.iter_mut().flatten().filter_map(|rest| {
            let gone = rest.gone.take()?;
            rest.own_bytes -= gone.all_bytes();
            *bytes -= gone.all_bytes();
            Some(gone)
        })
    }

    /// Frees so many references that are set aside. True: nothing is left.
    pub fn dismantle(&mut self, references: usize) -> bool {
        let Some(last) = self.groups.as_mut().and_then(|groups| groups.back_mut()) else { return true };
        let before = last.bytes();
        let is_done = last.pending.dismantle(references);
        self.bytes = self.bytes + last.bytes() - before;
        if is_done {
            self.bytes -= last.bytes();
            self.groups.as_mut().and_then(VecDeque::pop_back);
        }
        false
    }
}

impl GroupRest {
    fn of(group: &Group) -> GroupRest {
        let mut places = Vec::new();
        for (place, &number) in (0..).zip(group.consumer_numbers()) {
            let number = number as usize;
            places.resize(places.len().max(number + 1), u32::MAX);
            places[number] = place;
        }
        let consumers: Vec<ConsumerRest> = group.consumers().map(ConsumerRest::of).collect();
        let names: usize = consumers.iter().map(|consumer| consumer.name.len()).sum();
        let tables = size_of_val(&*consumers) + size_of_val(&*places);
        GroupRest {
            name: group.name().into(),
            last_id: group.last_id(),
            entries_read: group.entries_read(),
            len: group.pending_len(),
            pending: group.pending_rest(),
            consumers,
            places,
            stage: Stage::Name,
            gone: None,
            own_bytes: size_of::<GroupRest>() + group.name().len() + names + tables,
        }
    }

    fn bytes(&self) -> usize {
        self.own_bytes + self.pending.bytes()
    }

    /// Saves a part of it. False: it is through.
    fn step(&mut self, groups: &[Group], number: u32, save: &mut dyn FnMut(StreamPiece<'_>)) -> bool {
        match self.stage {
            Stage::Name => {
                let (last_id, entries_read) = (self.last_id, self.entries_read);
                save(StreamPiece::Group { name: &self.name, last_id, entries_read, pending: self.len });
                self.stage = Stage::Pending;
            }
            Stage::Pending => {
                let there = groups.binary_search_by(|group| group.name().cmp(&self.name)).ok().map(|at| &groups[at]);
                let there = there.filter(|group| group.cut_number == number);
                let group = there.or(self.gone.as_ref()).expect("a group that is destroyed is kept");
                let (consumers, places, own_bytes) = (&mut self.consumers, &self.places, &mut self.own_bytes);
                let has_more = group.save_pending(&mut self.pending, ITEMS_AT_ONCE, |id, pending| {
                    consumers[places[pending.consumer as usize] as usize].push(id);
                    *own_bytes += size_of::<StreamId>();
                    save(StreamPiece::Pending(id, pending));
                });
                if !has_more {
                    save(StreamPiece::Consumers(self.consumers.len()));
                    self.stage = Stage::Consumer(0);
                }
            }
            Stage::Consumer(place) => return self.save_consumers(place, save),
            Stage::Owned(place) => {
                let owned = &mut self.consumers[place].owned;
                let run = owned.pop_front().expect("a consumer of many references has some");
                run.iter().for_each(|&id| save(StreamPiece::Owned(id)));
                self.own_bytes -= run.len() * size_of::<StreamId>();
                if owned.is_empty() {
                    self.stage = Stage::Consumer(place + 1);
                }
            }
        }
        true
    }

    /// Saves consumers from this place on, up to one with many references. False: that was all.
    fn save_consumers(&mut self, place: usize, save: &mut dyn FnMut(StreamPiece<'_>)) -> bool {
        let mut items = 0;
        for place in place..self.consumers.len() {
            let ConsumerRest { name, seen_at, active_at, owned, owned_len } = &self.consumers[place];
            let (seen_at, active_at, pending) = (*seen_at, *active_at, *owned_len);
            save(StreamPiece::Consumer { name, seen_at, active_at, pending });
            items += 1 + pending;
            if items > ITEMS_AT_ONCE {
                self.stage = if pending > 0 { Stage::Owned(place) } else { Stage::Consumer(place + 1) };
                return true;
            }
            owned.iter().flatten().for_each(|&id| save(StreamPiece::Owned(id)));
        }
        false
    }
}

impl ConsumerRest {
    fn of(consumer: &Consumer) -> ConsumerRest {
        let (seen_at, active_at) = (consumer.seen_at, consumer.active_at);
        let name = consumer.name().into();
        ConsumerRest { name, seen_at, active_at, owned: VecDeque::new(), owned_len: 0 }
    }

    fn push(&mut self, id: StreamId) {
        self.owned_len += 1;
        match self.owned.back_mut().filter(|run| run.len() < ITEMS_AT_ONCE) {
            Some(run) => run.push(id),
            None => self.owned.push_back(vec![id]),
        }
    }
}
