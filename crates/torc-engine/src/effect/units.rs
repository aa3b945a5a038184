//! The list of effects: those of units that have ended, and behind them those of the unit that runs.
//!
//! Requests that are propagated lie one behind another in a buffer of their own: listing one allocates nothing, and those of many units are
//! taken as one piece ([`Units::records`]).

use std::ops::Range;

use torc_store::RecordedChange;

use super::{Effect, Propagated};
use crate::event::Event;
use crate::pubsub::{Published, Targets};
use crate::tracking::Invalidated;

/// Effects and units that memory is kept for.
const KEPT_EFFECTS_MAX: usize = 4096;
/// Bytes of requests that memory is kept for.
const KEPT_BYTES_MAX: usize = 1 << 20;
/// An effect in its list. Requests lie one behind another in a buffer of their own: listing one allocates nothing, and those of many units
/// are taken as one piece.
#[derive(Debug)]
pub(crate) enum Listed {
    /// What the store has recorded.
    Changed(RecordedChange),
    /// A command for logs and replicas: where its request ends; it begins where the one before ends.
    Propagated { db: u16, end: usize },
    /// What has happened to a key, by name.
    Event(Event),
    /// A message to subscribers, and the cores that have some.
    Published(Published, Targets),
    /// A key has changed that clients may have cached.
    Invalidated(Invalidated),
}

/// Units that have ended, in order, their effects in one list. A unit is what ran without interruption on one core, or a transaction.
#[derive(Debug, Default)]
pub struct Units {
    pub(super) listed: Vec<Listed>,
    pub(super) requests: Vec<u8>,
    /// Where those of each unit end.
    ends: Vec<Mark>,
    alike: Alike,
}

/// Whether all units are of one command each, and of one database, so that all requests are one piece.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Alike {
    /// There is none.
    #[default]
    Empty,
    /// They are.
    Of(u16),
    /// They are not.
    Not,
}

/// A place between two effects: how many are before it, and bytes of their requests.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) listed: usize,
    bytes: usize,
}

/// The effects of a unit.
#[derive(Debug, Clone, Copy)]
pub struct Unit<'a> {
    listed: &'a [Listed],
    requests: &'a [u8],
    /// Where its first request begins.
    start: usize,
}

impl<'a> Unit<'a> {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.listed.is_empty()
    }

    /// What is propagated: databases and requests.
    pub fn propagated(self) -> impl Iterator<Item = (u16, &'a [u8])> {
        let (requests, mut start) = (self.requests, self.start);
        self.listed.iter().filter_map(move |listed| match *listed {
            Listed::Propagated { db, end } => Some((db, &requests[std::mem::replace(&mut start, end)..end])),
            _ => None,
        })
    }

    /// Copies of all of them.
    pub fn to_vec(self) -> Vec<Effect> {
        let mut propagated = self.propagated();
        let of_listed = |listed: &Listed| match listed {
            Listed::Changed(change) => Effect::Changed(change.clone()),
            Listed::Event(event) => Effect::Event(event.clone()),
            Listed::Published(message, targets) => Effect::Published(message.clone(), targets.clone()),
            Listed::Invalidated(invalidated) => Effect::Invalidated(invalidated.clone()),
            Listed::Propagated { .. } => {
                let (db, request) = propagated.next().expect("there are as many");
                Effect::Propagated(Propagated { db, request: request.into() })
            }
        };
        self.listed.iter().map(of_listed).collect()
    }

    /// Bytes that they take in memory, about.
    pub(crate) fn bytes(self) -> usize {
        let named = |listed: &Listed| match listed {
            Listed::Changed(change) => change.key.len(),
            Listed::Event(event) => event.key.len(),
            Listed::Published(message, _) => message.len(),
            Listed::Propagated { .. } | Listed::Invalidated(_) => 0,
        };
        let requests: usize = self.propagated().map(|(_, request)| request.len()).sum();
        requests + self.listed.iter().map(|listed| size_of::<Listed>() + named(listed)).sum::<usize>()
    }
}

/// Units as a log takes them ([`Units::records`]).
#[derive(Debug, Clone, Copy)]
pub enum Records<'a> {
    /// So many units, each of one command of this database and nothing else: their requests, one behind another.
    OfOne {
        /// The database.
        db: u16,
        /// How many.
        units: u32,
        /// The requests.
        requests: &'a [u8],
    },
    /// Any other unit.
    Other(Unit<'a>),
}

impl Units {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The effects of each unit.
    pub fn iter(&self) -> impl Iterator<Item = Unit<'_>> {
        (0..self.len()).map(|index| self.unit(index))
    }

    /// The effects of all units, one after another.
    pub fn into_effects(self) -> Vec<Effect> {
        self.between(Mark::default(), self.listed.len()).to_vec()
    }

    /// What these units propagate, as few records as possible.
    pub fn records(&self, units: Range<usize>) -> impl Iterator<Item = Records<'_>> {
        let mut next = units.start;
        std::iter::from_fn(move || {
            let first = next;
            if first == units.end {
                return None;
            }
            let Some(db) = self.database_of_one(first) else {
                next += 1;
                return Some(Records::Other(self.unit(first)));
            };
            next = if self.alike == Alike::Of(db) { units.end } else { first + 1 };
            while next < units.end && self.database_of_one(next) == Some(db) {
                next += 1;
            }
            let requests = &self.requests[self.start_of(first).bytes..self.ends[next - 1].bytes];
            Some(Records::OfOne { db, units: (next - first) as u32, requests })
        })
    }

    /// Of a unit that propagates one command, and has no other effect.
    #[inline]
    fn database_of_one(&self, index: usize) -> Option<u16> {
        match self.listed[self.start_of(index).listed..self.ends[index].listed] {
            [Listed::Propagated { db, .. }] => Some(db),
            _ => None,
        }
    }

    #[inline]
    fn start_of(&self, index: usize) -> Mark {
        if index == 0 { Mark::default() } else { self.ends[index - 1] }
    }

    /// What is listed behind this place is a unit. Gives where the next one begins.
    #[inline]
    pub(super) fn end_unit(&mut self, start: Mark) -> Mark {
        let db = match self.listed[start.listed..] {
            [Listed::Propagated { db, .. }] => Some(db),
            _ => None,
        };
        self.alike = match (self.alike, db) {
            (Alike::Empty, Some(db)) => Alike::Of(db),
            (Alike::Of(of), Some(db)) if of == db => Alike::Of(of),
            _ => Alike::Not,
        };
        let end = Mark { listed: self.listed.len(), bytes: self.requests.len() };
        self.ends.push(end);
        end
    }

    fn unit(&self, index: usize) -> Unit<'_> {
        self.between(self.start_of(index), self.ends[index].listed)
    }

    pub(super) fn between(&self, start: Mark, end: usize) -> Unit<'_> {
        Unit { listed: &self.listed[start.listed..end], requests: &self.requests, start: start.bytes }
    }

    /// The request that was just put into the buffer is propagated.
    #[inline]
    pub(super) fn list_request(&mut self, db: u16) {
        self.listed.push(Listed::Propagated { db, end: self.requests.len() });
    }

    pub(super) fn list(&mut self, effect: Effect) {
        match effect {
            Effect::Changed(change) => self.listed.push(Listed::Changed(change)),
            Effect::Event(event) => self.listed.push(Listed::Event(event)),
            Effect::Published(message, targets) => self.listed.push(Listed::Published(message, targets)),
            Effect::Invalidated(invalidated) => self.listed.push(Listed::Invalidated(invalidated)),
            Effect::Propagated(Propagated { db, request }) => {
                self.requests.extend_from_slice(&request);
                self.list_request(db);
            }
        }
    }

    /// Takes what is behind a place off the list.
    pub(super) fn take_from(&mut self, start: Mark) -> Vec<Effect> {
        // What was not listed needs no memory.
        let mut taken = Vec::new();
        if self.listed.len() > start.listed {
            self.take_into(start, &mut taken);
        }
        taken
    }

    /// The same, behind what is in `into`.
    pub(super) fn take_into(&mut self, start: Mark, into: &mut Vec<Effect>) {
        let (requests, mut at) = (&self.requests, start.bytes);
        let of_listed = |listed: Listed| match listed {
            Listed::Changed(change) => Effect::Changed(change),
            Listed::Event(event) => Effect::Event(event),
            Listed::Published(message, targets) => Effect::Published(message, targets),
            Listed::Invalidated(invalidated) => Effect::Invalidated(invalidated),
            Listed::Propagated { db, end } => {
                let request = requests[std::mem::replace(&mut at, end)..end].into();
                Effect::Propagated(Propagated { db, request })
            }
        };
        into.extend(self.listed.drain(start.listed..).map(of_listed));
        self.requests.truncate(start.bytes);
    }

    /// Empties it and keeps its memory, if that is not much.
    pub(crate) fn clear(&mut self) {
        let capacity = self.listed.capacity().max(self.ends.capacity());
        if capacity > KEPT_EFFECTS_MAX || self.requests.capacity() > KEPT_BYTES_MAX {
            *self = Units::default();
        }
        self.listed.clear();
        self.requests.clear();
        self.ends.clear();
        self.alike = Alike::Empty;
    }
}

#[cfg(test)]
mod tests {
    use torc_store::{Change, Kind};

    use super::*;
    use crate::effect::Effects;

    fn propagated(db: u16, request: &str) -> Effect {
        Effect::Propagated(Propagated { db, request: request.as_bytes().into() })
    }

    fn changed() -> Effect {
        let what = Change::Created { after: Kind::String };
        Effect::Changed(RecordedChange { db: 0, key: b"k"[..].into(), what })
    }

    fn units(of: &[Vec<Effect>]) -> Units {
        let mut effects = Effects::default();
        for unit in of {
            effects.list(unit.clone());
            effects.end_unit();
        }
        effects.take_units(Units::default())
    }

    #[test]
    fn what_is_listed_comes_off_as_it_was() {
        let of = [
            vec![propagated(0, "a"), changed()],
            vec![],
            vec![changed()],
            vec![propagated(3, ""), propagated(1, "bc")],
        ];
        let units = units(&of);
        assert_eq!(units.iter().map(Unit::to_vec).collect::<Vec<_>>(), of);
        let requests =
            |unit: Unit<'_>| unit.propagated().map(|(db, request)| (db, request.to_vec())).collect::<Vec<_>>();
        assert_eq!(units.iter().map(requests).nth(3).unwrap(), [(3, b"".to_vec()), (1, b"bc".to_vec())]);
        assert_eq!(units.into_effects(), of.concat());
    }

    #[test]
    fn a_unit_that_runs_is_not_taken_with_those_that_have_ended() {
        let mut effects = Effects::default();
        effects.list(vec![propagated(0, "first")]);
        effects.end_unit();
        effects.list(vec![propagated(0, "runs"), changed()]);
        effects.put_unit(vec![propagated(7, "elsewhere")]);
        assert_eq!(effects.listed().to_vec(), [propagated(0, "runs"), changed()]);
        let units = effects.take_units(Units::default());
        assert_eq!(
            units.iter().map(Unit::to_vec).collect::<Vec<_>>(),
            [[propagated(0, "first")], [propagated(7, "elsewhere")]]
        );
        assert_eq!(effects.take(), [propagated(0, "runs"), changed()]);
        assert!(effects.is_empty() && effects.units() == 0);
    }

    #[test]
    fn neighbours_of_one_command_are_one_piece_within_a_database() {
        let one = |db, request| vec![propagated(db, request)];
        let of = [
            one(0, "a"),
            one(0, "bc"),
            vec![propagated(0, "x"), propagated(0, "y")],
            one(0, "d"),
            one(2, "e"),
            vec![changed()],
            one(2, "f"),
        ];
        let units = units(&of);
        let told = |range| {
            let tell = |records| match records {
                Records::OfOne { db, units, requests } => format!("{db}:{units}:{}", String::from_utf8_lossy(requests)),
                Records::Other(unit) => format!("{} effects", unit.to_vec().len()),
            };
            units.records(range).map(tell).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(told(0..7), "0:2:abc 2 effects 0:1:d 2:1:e 1 effects 2:1:f");
        assert_eq!(told(1..4), "0:1:bc 2 effects 0:1:d");
        assert_eq!(told(3..3), "");
    }
}
