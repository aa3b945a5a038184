//! What producers have added lately: an entry that is sent again, since its reply was lost, is recognised by the identifier it
//! was sent with.
//!
//! ```text
//! records     by the id of the entry:  producer, identifier       the oldest first, whoever added it
//! producers   by name:                 ids of its records, oldest first | the id for each identifier
//! ```
//!
//! A record is as old as its entry's id says, so all are in the order in which they expire. An expired record is never found; its
//! memory is reclaimed a few records at a time by those that come after it. An entry may be gone long before its record.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use super::id::StreamId;
use super::rest::{MapRest, StreamPiece};
use crate::UnixMillis;

/// Expired records that adding a new one reclaims.
const RECLAIMED_AT_ONCE: usize = 16;
/// Bytes of a record in all of its places, by how full nodes of ordered maps are; besides the identifier.
const RECORD_BYTES: usize = 190;
/// Bytes of a producer, besides its name.
const PRODUCER_BYTES: usize = 150;

/// What an entry was added with, and its id.
pub type Identifier = (Arc<[u8]>, StreamId);

/// How long records are kept, and how many.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ProducerLimits {
    /// For so long at least, unless there are too many.
    pub duration_seconds: u64,
    /// Most records of one producer.
    pub records_max: u64,
}

/// The recent identifiers of every producer of one stream.
#[derive(Debug)]
pub struct Producers {
    limits: ProducerLimits,
    records: BTreeMap<StreamId, Record>,
    by_name: BTreeMap<Arc<[u8]>, Producer>,
    /// Of names and identifiers.
    text_bytes: usize,
    added: u64,
    duplicates: u64,
    /// What is not saved yet, while the stream is saved in pieces.
    rest: Option<Box<ProducersRest>>,
}

/// What of producers is not saved, of those that there were at the cut.
#[derive(Debug)]
struct ProducersRest {
    added: u64,
    duplicates: u64,
    len: usize,
    has_begun: bool,
    /// By name: one that is about to change is set aside with all its records, of which there are only so many.
    left: MapRest<Arc<[u8]>, Vec<Identifier>>,
}

#[derive(Debug)]
struct Record {
    producer: Arc<[u8]>,
    identifier: Arc<[u8]>,
}

#[derive(Debug, Default)]
struct Producer {
    order: VecDeque<StreamId>,
    by_identifier: BTreeMap<Arc<[u8]>, StreamId>,
}

impl Producers {
    /// None so far.
    pub fn new(limits: ProducerLimits) -> Producers {
        Producers {
            limits,
            records: BTreeMap::new(),
            by_name: BTreeMap::new(),
            text_bytes: 0,
            added: 0,
            duplicates: 0,
            rest: None,
        }
    }

    /// How long records are kept, and how many.
    pub fn limits(&self) -> ProducerLimits {
        self.limits
    }

    /// How many entries were ever added with an identifier.
    pub fn added(&self) -> u64 {
        self.added
    }

    /// How many were ever found to be there already.
    pub fn duplicates(&self) -> u64 {
        self.duplicates
    }

    /// Sets both counters, of a saved stream.
    pub fn restore_counters(&mut self, added: u64, duplicates: u64) {
        (self.added, self.duplicates) = (added, duplicates);
    }

    /// The id that the entry with this identifier got, if that was lately; it counts as a duplicate then.
    pub fn find(&mut self, producer: &[u8], identifier: &[u8], now: UnixMillis) -> Option<StreamId> {
        let id = *self.by_name.get(producer)?.by_identifier.get(identifier)?;
        if self.has_expired(id, now) {
            return None;
        }
        self.duplicates += 1;
        Some(id)
    }

    /// Notes that an entry was added. The producer's oldest records give way.
    pub fn add(&mut self, producer: &[u8], identifier: &[u8], id: StreamId, now: UnixMillis) {
        self.reclaim(now);
        self.added += 1;
        self.restore(producer, identifier, id);
    }

    /// Notes a record of a stream that is loaded; unlike [`Producers::add`] it does not count as added.
    pub fn restore(&mut self, producer: &[u8], identifier: &[u8], id: StreamId) {
        // Ids may come again: XSETID sets the last one back.
        if self.records.contains_key(&id) {
            self.remove(id);
        }
        self.before_change(producer);
        let known = self.by_name.get(producer).and_then(|producer| producer.by_identifier.get(identifier)).copied();
        if let Some(known) = known {
            self.remove(known);
        }
        let name = match self.by_name.get_key_value(producer) {
            Some((name, _)) => Arc::clone(name),
            None => {
                let name: Arc<[u8]> = producer.into();
                self.text_bytes += name.len();
                self.by_name.insert(Arc::clone(&name), Producer::default());
                name
            }
        };
        let own = self.by_name.get_mut(&name).expect("it is there now");
        let identifier: Arc<[u8]> = identifier.into();
        self.text_bytes += identifier.len();
        own.by_identifier.insert(Arc::clone(&identifier), id);
        let place = own.order.partition_point(|&other| other < id);
        own.order.insert(place, id);
        let excess = (own.order.len() as u64).saturating_sub(self.limits.records_max) as usize;
        let oldest: Vec<StreamId> = own.order.iter().take(excess).copied().collect();
        self.records.insert(id, Record { producer: name, identifier });
        oldest.into_iter().for_each(|id| self.remove(id));
    }

    /// Number of producers and of records, without those that have expired.
    pub fn tracked(&self, now: UnixMillis) -> (usize, usize) {
        let (mut producers, mut records) = (self.by_name.len(), self.records.len());
        for (&id, record) in self.records.iter().take_while(|(id, _)| self.has_expired(**id, now)) {
            records -= 1;
            let own = &self.by_name[&record.producer];
            producers -= usize::from(own.order.back() == Some(&id));
        }
        (producers, records)
    }

    /// The names of the producers, in order, each with its records from the oldest on; without those that have expired.
    pub fn iter(&self, now: UnixMillis) -> impl Iterator<Item = (&[u8], Vec<(&[u8], StreamId)>)> {
        self.by_name.iter().filter_map(move |(name, producer)| {
            let kept = producer.order.iter().filter(|id| !self.has_expired(**id, now));
            let records: Vec<_> = kept.map(|id| (&*self.records[id].identifier, *id)).collect();
            (!records.is_empty()).then_some((&**name, records))
        })
    }

    /// Number of records, expired ones not yet reclaimed included.
    pub(super) fn len(&self) -> usize {
        self.records.len()
    }

    /// Bytes of memory outside of the struct.
    pub(super) fn external_bytes(&self) -> usize {
        let rest = self.rest.as_ref().map_or(0, |rest| size_of::<ProducersRest>() + rest.left.bytes());
        self.text_bytes + self.records.len() * RECORD_BYTES + self.by_name.len() * PRODUCER_BYTES + rest
    }

    /// They are to be saved as they are now.
    pub(super) fn begin_saving(&mut self) {
        let (added, duplicates, len) = (self.added, self.duplicates, self.by_name.len());
        let left = MapRest::of(&self.by_name, |records: &Vec<Identifier>| records.capacity() * size_of::<Identifier>());
        self.rest = Some(Box::new(ProducersRest { added, duplicates, len, has_begun: false, left }));
    }

    /// Whether they are those that are being saved.
    pub(super) fn is_saved(&self) -> bool {
        self.rest.is_some()
    }

    /// Saves so many of them. False: that was all.
    pub(super) fn save_step(&mut self, most: usize, save: &mut dyn FnMut(StreamPiece<'_>)) -> bool {
        let Producers { limits, records, by_name, rest, .. } = self;
        let rest = rest.as_mut().expect("they are being saved");
        if !std::mem::replace(&mut rest.has_begun, true) {
            let ProducersRest { added, duplicates, len, .. } = **rest;
            save(StreamPiece::Producers { limits: *limits, added, duplicates, len });
        }
        let of = |producer: &Producer| producer.identifiers(records);
        rest.left.step(by_name, most, of, |name, identifiers| save(StreamPiece::Producer(name, &identifiers)))
    }

    /// They are saved, or are not to be.
    pub(super) fn end_saving(&mut self) {
        self.rest = None;
    }

    /// What is known of a producer is about to change.
    #[inline]
    fn before_change(&mut self, name: &[u8]) {
        if self.rest.is_some() {
            self.set_aside(name);
        }
    }

    #[cold]
    fn set_aside(&mut self, name: &[u8]) {
        let Some(rest) = &mut self.rest else { return };
        let (name, producer) = match self.by_name.get_key_value(name) {
            Some((name, producer)) => (Arc::clone(name), Some(producer)),
            None => (Arc::from(name), None),
        };
        if rest.left.awaits(&name) {
            rest.left.set_aside(name, producer.map(|producer| producer.identifiers(&self.records)));
        }
    }

    /// Frees up to `records` records; returns whether nothing is left.
    pub(super) fn dismantle(&mut self, records: usize) -> bool {
        self.rest = None;
        for _ in 0..records {
            let Some(&id) = self.records.keys().next_back() else { return true };
            self.remove(id);
        }
        self.records.is_empty()
    }

    /// Whether the record of an entry no longer counts.
    fn has_expired(&self, id: StreamId, now: UnixMillis) -> bool {
        let until = u128::from(id.ms) + u128::from(self.limits.duration_seconds) * 1000;
        u128::from(now.max(0) as u64) > until
    }

    fn reclaim(&mut self, now: UnixMillis) {
        for _ in 0..RECLAIMED_AT_ONCE {
            match self.records.keys().next() {
                Some(&oldest) if self.has_expired(oldest, now) => self.remove(oldest),
                _ => break,
            }
        }
    }

    fn remove(&mut self, id: StreamId) {
        if self.rest.is_some() {
            let producer = Arc::clone(&self.records.get(&id).expect("only records that are there go").producer);
            self.set_aside(&producer);
        }
        let Record { producer, identifier } = self.records.remove(&id).expect("only records that are there go");
        self.text_bytes -= identifier.len();
        let own = self.by_name.get_mut(&producer).expect("a record's producer is known");
        own.by_identifier.remove(&identifier);
        let place = own.order.binary_search(&id).expect("a producer knows its records");
        own.order.remove(place);
        if own.order.is_empty() {
            self.by_name.remove(&producer);
            self.text_bytes -= producer.len();
        }
    }
}

impl Producer {
    /// Its records from the oldest on.
    fn identifiers(&self, records: &BTreeMap<StreamId, Record>) -> Vec<Identifier> {
        self.order.iter().map(|id| (Arc::clone(&records[id].identifier), *id)).collect()
    }
}
