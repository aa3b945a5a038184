//! Random operations on the keyspace and on a naive copy of it, which must agree on what has changed.
//!
//! The copy keeps keys that have expired until something looks at them, as the keyspace may. Whoever watches one has
//! seen it change by then in any case; but when those who wait for it hear of that is up to the keyspace.

use std::collections::{BTreeMap, BTreeSet};

use super::{Random, fewer, keyspace, steps};
use crate::{Entry, Keyspace, StringForm, UnixMillis};

const DATABASES: usize = 3;
const KEYS: usize = 7;

/// A database's number and a key's.
type Place = (usize, usize);

/// One WATCH, and whether its key has changed since.
struct Watcher {
    place: Place,
    version: u64,
    changed: bool,
}

struct World {
    keyspace: Keyspace,
    /// When each key expires that is there.
    copy: BTreeMap<Place, Option<UnixMillis>>,
    watchers: Vec<Watcher>,
    waiters: Vec<Place>,
    /// Awaited keys that have changed since the changes were taken, other than by their expiry, in order.
    expected: Vec<Place>,
    /// Keys that have expired before that: those who wait for them may hear of it.
    tolerated: BTreeSet<Place>,
    random: Random,
    now: UnixMillis,
}

fn name(key: usize) -> Vec<u8> {
    format!("key:{key}").into_bytes()
}

impl World {
    fn new(seed: u64) -> World {
        World {
            keyspace: keyspace(DATABASES as u16),
            copy: BTreeMap::new(),
            watchers: Vec::new(),
            waiters: Vec::new(),
            expected: Vec::new(),
            tolerated: BTreeSet::new(),
            random: Random(seed),
            now: 1_000,
        }
    }

    fn is_expired(&self, place: Place) -> bool {
        self.copy.get(&place).is_some_and(|at| at.is_some_and(|at| self.now > at))
    }

    fn touch_watchers(&mut self, place: Place) {
        self.watchers.iter_mut().filter(|it| it.place == place).for_each(|it| it.changed = true);
    }

    fn note(&mut self, place: Place) {
        self.touch_watchers(place);
        if self.waiters.contains(&place) && !self.expected.contains(&place) {
            self.expected.push(place);
        }
    }

    fn forget_expired(&mut self, place: Place) {
        if self.is_expired(place) {
            self.copy.remove(&place);
            self.touch_watchers(place);
        }
    }

    fn tolerate_expired(&mut self) {
        let expired: Vec<Place> = self.copy.keys().copied().filter(|&place| self.is_expired(place)).collect();
        self.tolerated.extend(expired);
    }

    fn step(&mut self) {
        let place = (self.random.below(DATABASES), self.random.below(KEYS));
        self.tolerate_expired();
        match self.random.below(40) {
            0..8 => self.write(place),
            8..14 => self.edit(place),
            14..17 => self.remove(place),
            17 if self.random.one_in(8) => self.flush(place.0),
            18 => self.swap(place.0),
            19..22 => self.look(place),
            22..24 => self.now += self.random.below(40) as i64,
            24 => _ = self.keyspace.background(self.now, self.random.below(300) as u32),
            25 => {
                let floor = self.now - self.random.below(50) as i64;
                self.keyspace.set_expiry_floor(if self.random.one_in(2) { floor } else { UnixMillis::MAX });
            }
            26..31 if self.watchers.len() < 12 => self.watch(place),
            31..34 if !self.watchers.is_empty() => self.unwatch(),
            34..37 if self.waiters.len() < 12 => {
                self.keyspace.await_key(place.0 as u16, &name(place.1));
                self.waiters.push(place);
            }
            37.. if !self.waiters.is_empty() => {
                let index = self.random.below(self.waiters.len());
                self.unawait(index);
            }
            _ => {}
        }
        // The step may have moved the time on, and to compare is to look, by which what has expired goes: not every time, so
        // that other ways of its going have their turn.
        self.tolerate_expired();
        if self.random.one_in(6) {
            self.check_watchers();
        }
        if self.random.one_in(3) {
            self.check_waiters();
        }
    }

    fn expiry(&mut self) -> Option<UnixMillis> {
        self.random.one_in(2).then(|| self.now + self.random.below(120) as i64)
    }

    fn write(&mut self, place: Place) {
        self.forget_expired(place);
        let expire_at = self.expiry();
        match self.keyspace.entry(place.0 as u16, &name(place.1), self.now) {
            Entry::Vacant(vacant) => vacant.insert_string(b"value", expire_at, StringForm::Auto),
            Entry::Occupied(mut occupied) => occupied.replace(b"other", expire_at, StringForm::Auto),
        }
        self.copy.insert(place, expire_at);
        self.note(place);
    }

    /// Changes a key that is there, or only notes an access.
    fn edit(&mut self, place: Place) {
        self.forget_expired(place);
        let (choice, expire_at, now) = (self.random.below(9), self.expiry(), self.now);
        let key = name(place.1);
        let Entry::Occupied(mut occupied) = self.keyspace.entry(place.0 as u16, &key, now) else {
            assert!(!self.copy.contains_key(&place));
            return;
        };
        match choice {
            0 => occupied.set_string(b"string", StringForm::Raw),
            1 => occupied.set_expire_at(expire_at),
            2 => _ = occupied.append(&[b'+'; 100]),
            3 => _ = occupied.write_at(3, b"written"),
            4 => occupied.bytes_mut().expect("strings only")[0] ^= 1,
            5 => occupied.touch(now),
            6 => occupied.set_idle_seconds(60),
            7 => occupied.set_frequency(9),
            _ => occupied.remove(),
        }
        match choice {
            1 => _ = self.copy.insert(place, expire_at),
            5..8 => return,
            8 => _ = self.copy.remove(&place),
            _ => {}
        }
        self.note(place);
    }

    fn remove(&mut self, place: Place) {
        self.forget_expired(place);
        let was = self.copy.remove(&place).is_some();
        assert_eq!(self.keyspace.remove(place.0 as u16, &name(place.1), self.now), was);
        if was {
            self.note(place);
        }
    }

    fn flush(&mut self, db: usize) {
        let all = self.random.one_in(3);
        for place in self.copy.keys().copied().filter(|place| all || place.0 == db).collect::<Vec<_>>() {
            // One that has expired may be gone already, and have been told of.
            self.forget_expired(place);
            if self.copy.remove(&place).is_some() {
                self.note(place);
            }
        }
        let lazy = self.random.one_in(2);
        if all { self.keyspace.flush_all(lazy) } else { self.keyspace.flush(db as u16, lazy) }
    }

    fn swap(&mut self, db: usize) {
        let other = self.random.below(DATABASES);
        self.keyspace.swap(db as u16, other as u16, self.now);
        if other == db {
            return;
        }
        // Expired keys that nobody observes move along.
        let watched = self.watchers.iter().map(|it| it.place);
        let observed: BTreeSet<Place> = watched.chain(self.waiters.iter().copied()).collect();
        for (_, key) in observed.into_iter().filter(|place| [db, other].contains(&place.0)) {
            self.forget_expired((db, key));
            self.forget_expired((other, key));
        }
        let before = std::mem::take(&mut self.copy);
        let place_after = |(at, key): Place| match at {
            at if at == db => (other, key),
            at if at == other => (db, key),
            at => (at, key),
        };
        self.copy = before.iter().map(|(&place, &expire_at)| (place_after(place), expire_at)).collect();
        for at in [db, other] {
            for key in 0..KEYS {
                // Expired ones are not observed here, so they reach nobody.
                if self.copy.contains_key(&(at, key)) || before.contains_key(&(at, key)) {
                    self.note((at, key));
                }
            }
        }
    }

    /// Reads in one of the ways there are.
    fn look(&mut self, place: Place) {
        let (db, key, now) = (place.0 as u16, name(place.1), self.now);
        let is_there = self.copy.contains_key(&place) && !self.is_expired(place);
        match self.random.below(4) {
            0 => assert_eq!(self.keyspace.read(db, &key, now, true).is_some(), is_there),
            1 => assert_eq!(self.keyspace.contains(db, &key, now), is_there),
            2 => _ = self.keyspace.scan(db, 0, 100, now, &mut |_| {}),
            _ => _ = self.keyspace.random(db, self.random.next(), now),
        }
    }

    fn watch(&mut self, place: Place) {
        self.forget_expired(place);
        let version = self.keyspace.watch(place.0 as u16, &name(place.1), self.now);
        self.watchers.push(Watcher { place, version, changed: false });
    }

    fn unwatch(&mut self) {
        let index = self.random.below(self.watchers.len());
        let Watcher { place: (db, key), .. } = self.watchers.swap_remove(index);
        self.keyspace.unwatch(db as u16, &name(key));
    }

    fn unawait(&mut self, index: usize) {
        let place = self.waiters.swap_remove(index);
        self.keyspace.unawait_key(place.0 as u16, &name(place.1));
        if !self.waiters.contains(&place) {
            self.expected.retain(|&changed| changed != place);
        }
    }

    fn check_watchers(&mut self) {
        for index in 0..self.watchers.len() {
            let Watcher { place, version, changed } = self.watchers[index];
            let changed = changed || self.is_expired(place);
            let told = self.keyspace.has_changed(place.0 as u16, &name(place.1), version, self.now);
            assert_eq!(told, changed, "key {place:?} at {}", self.now);
        }
        let watched = self.watchers.iter().map(|it| it.place);
        let observed: BTreeSet<Place> = watched.chain(self.waiters.iter().copied()).collect();
        assert_eq!(self.keyspace.observed_len(), observed.len());
    }

    fn check_waiters(&mut self) {
        let awaited: BTreeSet<Place> = self.waiters.iter().copied().collect();
        assert_eq!(self.keyspace.awaited_len(), awaited.len());
        assert!((0..KEYS).all(|key| self.keyspace.is_awaited(1, &name(key)) == awaited.contains(&(1, key))));
        let place = |(db, key): (u16, Box<[u8]>)| (usize::from(db), usize::from(key[4] - b'0'));
        let told: Vec<Place> = self.keyspace.take_changes().into_iter().map(place).collect();
        let (expected, tolerated) = (std::mem::take(&mut self.expected), std::mem::take(&mut self.tolerated));
        assert!(!self.keyspace.has_changes());
        assert!(told.iter().all(|place| awaited.contains(place)), "{told:?}");
        assert_eq!(told.iter().collect::<BTreeSet<_>>().len(), told.len(), "each once: {told:?}");
        assert!(expected.iter().all(|place| told.contains(place)), "{expected:?} {told:?}");
        // Where a key comes that expired meanwhile isn't known here.
        let certain = |places: &[Place]| -> Vec<Place> {
            places.iter().copied().filter(|place| !tolerated.contains(place)).collect()
        };
        assert_eq!(certain(&told), certain(&expected));
    }

    fn run(mut self, count: usize) {
        for _ in 0..count {
            self.step();
        }
        while !self.watchers.is_empty() {
            self.unwatch();
        }
        while !self.waiters.is_empty() {
            self.unawait(0);
        }
        assert_eq!((self.keyspace.observed_len(), self.keyspace.awaited_len()), (0, 0));
        assert!(!self.keyspace.has_changes(), "nobody is left to hear of anything");
    }
}

#[test]
fn what_has_changed_agrees_with_a_naive_copy() {
    for seed in 1..5 {
        World::new(seed).run(steps(fewer(25_000)));
    }
}
