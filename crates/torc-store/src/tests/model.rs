//! Random operations on the keyspace and on a HashMap, which must agree at every step.

use std::collections::HashMap;

use super::{Random, assert_empty, fewer, keyspace, steps};
use crate::{AccessClock, Entry, Keyspace, StringForm, UnixMillis};

type Model = HashMap<Vec<u8>, (Vec<u8>, Option<UnixMillis>)>;

struct World {
    keyspace: Keyspace,
    models: Vec<Model>,
    random: Random,
    now: UnixMillis,
    keys: usize,
    /// Longest value, most of the time.
    value_len_max: usize,
}

impl World {
    fn new(seed: u64, keys: usize, value_len_max: usize) -> World {
        World {
            keyspace: keyspace(3),
            models: vec![Model::new(); 3],
            random: Random(seed),
            now: 1_000_000,
            keys,
            value_len_max,
        }
    }

    fn key(&mut self) -> Vec<u8> {
        let number = self.random.below(self.keys);
        let mut key = format!("key:{number}").into_bytes();
        if number.is_multiple_of(97) {
            key.resize(100 + number % 900, b'.');
        }
        key
    }

    fn bytes(&mut self) -> Vec<u8> {
        let limit = if self.random.one_in(50) { 3000 } else { self.value_len_max };
        let len = self.random.below(limit + 1);
        let byte = self.random.next() as u8;
        (0..len).map(|at| byte.wrapping_add(at as u8)).collect()
    }

    fn expiry(&mut self) -> Option<UnixMillis> {
        self.random.one_in(3).then(|| self.now + self.random.below(5_000) as i64 - 100)
    }

    fn forget_expired(&mut self, db: usize, key: &[u8]) {
        let now = self.now;
        if self.models[db].get(key).is_some_and(|(_, at)| at.is_some_and(|at| now > at)) {
            self.models[db].remove(key);
        }
    }

    fn step(&mut self) {
        let (db, key, now) = (self.random.below(3), self.key(), self.now);
        self.forget_expired(db, &key);
        match self.random.below(24) {
            0..6 => self.write(db, &key),
            6..9 => {
                let was = self.models[db].remove(&key).is_some();
                assert_eq!(self.keyspace.remove(db as u16, &key, now), was);
            }
            9..12 => self.edit(db, &key),
            12 => {
                let there = self.models[db].contains_key(&key);
                assert_eq!(self.keyspace.contains(db as u16, &key, now), there);
            }
            13 => self.now += self.random.below(60) as i64,
            14 => {
                let units = self.random.below(2000) as u32;
                self.keyspace.background(now, units);
            }
            15 if self.random.one_in(3000) => {
                self.models[db].clear();
                let lazy = self.random.one_in(2);
                self.keyspace.flush(db as u16, lazy);
            }
            16 if self.random.one_in(20) => {
                let other = self.random.below(3);
                self.models.swap(db, other);
                self.keyspace.swap(db as u16, other as u16, 0);
            }
            17 => self.pick(db),
            _ => self.read(db, &key),
        }
    }

    fn read(&mut self, db: usize, key: &[u8]) {
        let touch = self.random.one_in(2);
        let found = self.keyspace.read(db as u16, key, self.now, touch);
        let found = found.map(|value| {
            assert_eq!(value.key(), key);
            (value.as_string().expect("strings only").to_vec(), value.expire_at())
        });
        assert_eq!(found.as_ref(), self.models[db].get(key));
    }

    fn write(&mut self, db: usize, key: &[u8]) {
        let (value, expire_at) = (self.bytes(), self.expiry());
        let known = self.models[db].contains_key(key);
        match self.keyspace.entry(db as u16, key, self.now) {
            Entry::Vacant(vacant) => {
                assert!(!known);
                vacant.insert_string(&value, expire_at, StringForm::Auto);
            }
            Entry::Occupied(mut occupied) => {
                assert!(known);
                occupied.replace(&value, expire_at, StringForm::Auto);
                assert_eq!(occupied.value().as_string(), Some(&value[..]));
            }
        }
        self.models[db].insert(key.to_vec(), (value, expire_at));
    }

    fn edit(&mut self, db: usize, key: &[u8]) {
        let (data, expire_at) = (self.bytes(), self.expiry());
        let (choice, offset) = (self.random.below(6), self.random.below(1500));
        let Entry::Occupied(mut occupied) = self.keyspace.entry(db as u16, key, self.now) else {
            assert!(!self.models[db].contains_key(key));
            return;
        };
        let (value, expiry) = self.models[db].get_mut(key).expect("the model agrees");
        match choice {
            0 if value.len() < 20_000 => {
                value.extend_from_slice(&data);
                assert_eq!(occupied.append(&data), value.len());
            }
            1 => {
                let end = offset + data.len();
                value.resize(value.len().max(end), 0);
                value[offset..end].copy_from_slice(&data);
                assert_eq!(occupied.write_at(offset, &data), value.len());
            }
            2 => {
                occupied.set_expire_at(expire_at);
                *expiry = expire_at;
            }
            3 => {
                occupied.set_string(&data, StringForm::Embedded);
                *value = data;
            }
            4 => {
                let bytes = occupied.bytes_mut().expect("strings only");
                bytes.iter_mut().for_each(|byte| *byte ^= 0x55);
                value.iter_mut().for_each(|byte| *byte ^= 0x55);
            }
            _ => {
                occupied.remove();
                self.models[db].remove(key);
                return;
            }
        }
        assert_eq!(occupied.value().as_string(), Some(&value[..]));
        assert_eq!(occupied.value().expire_at(), *expiry);
    }

    fn pick(&mut self, db: usize) {
        let number = self.random.next();
        let now = self.now;
        let model = &self.models[db];
        let is_live = |at: Option<UnixMillis>| at.is_none_or(|at| now <= at);
        match self.keyspace.random(db as u16, number, now) {
            Some(value) => assert!(is_live(model[value.key()].1)),
            None => assert!(!model.values().any(|&(_, at)| is_live(at))),
        }
    }

    fn check_all(&mut self) {
        let now = self.now;
        for (db, model) in self.models.iter_mut().enumerate() {
            model.retain(|_, &mut (_, at)| at.is_none_or(|at| now <= at));
            let mut seen = 0;
            self.keyspace.for_each(db as u16, now, &mut |value| {
                let (bytes, expire_at) = &model[value.key()];
                assert_eq!(value.as_string(), Some(&bytes[..]));
                assert_eq!(value.expire_at(), *expire_at);
                seen += 1;
            });
            assert_eq!(seen, model.len());
            // Scanning removes what has expired, after which the counts are exact.
            let mut cursor = 0;
            loop {
                cursor = self.keyspace.scan(db as u16, cursor, 100, now, &mut |_| {});
                if cursor == 0 {
                    break;
                }
            }
            assert_eq!(self.keyspace.len(db as u16), model.len());
            let expiries: Vec<i64> = model.values().filter_map(|&(_, at)| at).collect();
            assert_eq!(self.keyspace.expires_len(db as u16), expiries.len());
            if !expiries.is_empty() {
                let mean = expiries.iter().sum::<i64>() / expiries.len() as i64 - now;
                assert_eq!(self.keyspace.average_ttl_ms(db as u16, now), mean);
            }
        }
    }

    fn run(mut self, count: usize) {
        for step in 0..count {
            self.step();
            if step % (count / 8 + 1) == 0 {
                self.check_all();
            }
        }
        self.check_all();
        for db in 0..3 {
            for (key, _) in std::mem::take(&mut self.models[db]) {
                assert!(self.keyspace.remove(db as u16, &key, self.now));
            }
        }
        while self.keyspace.background(self.now, 1_000).more {}
        assert_empty(&self.keyspace);
        assert!(self.keyspace.databases.iter().flatten().all(|d| d.table().directory.is_empty()));
    }
}

#[test]
fn few_keys_agree_with_the_model() {
    for seed in 0..4 {
        World::new(seed, 20, 64).run(steps(60_000));
    }
}

#[test]
fn many_keys_agree_with_the_model() {
    World::new(77, 60_000, 24).run(steps(fewer(600_000)));
}

#[test]
fn values_of_all_sizes_agree_with_the_model() {
    let mut world = World::new(5, 3_000, 1_500);
    world.keyspace.set_access_clock(AccessClock::Lfu { log_factor: 10, decay_minutes: 1 });
    world.run(steps(fewer(200_000)));
}
