//! Tests of the keyspace as a whole, through its public interface: against a model made of
//! std collections, and of what growth, scans, expiry and lazy freeing promise.

mod change;
mod detached_value;
mod eviction;
mod expiry;
mod lazy;
mod model;
mod observed;
mod observed_model;
mod saving;
mod saving_streams;
mod scan;
mod shape;
mod strings;
mod witness;

pub(crate) use witness::Witness;

use crate::{Entry, Keyspace, KeyspaceOptions, Occupied, StringForm, UnixMillis};

/// A small deterministic source of numbers.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = crate::segment::mix(self.0);
        self.0
    }

    pub(crate) fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }

    pub(crate) fn one_in(&mut self, odds: usize) -> bool {
        self.below(odds) == 0
    }
}

pub(crate) fn keyspace(databases: u16) -> Keyspace {
    Keyspace::new(KeyspaceOptions { databases, hash_seed: [1, 2, 3, 4] })
}

/// SET.
fn set(keyspace: &mut Keyspace, key: &[u8], value: &[u8], expire_at: Option<UnixMillis>) {
    match keyspace.entry(0, key, 0) {
        Entry::Occupied(mut occupied) => occupied.replace(value, expire_at, StringForm::Auto),
        Entry::Vacant(vacant) => vacant.insert_string(value, expire_at, StringForm::Auto),
    }
}

/// The value of a key in database 0.
fn get(keyspace: &mut Keyspace, key: &[u8], now: UnixMillis) -> Option<Vec<u8>> {
    let value = keyspace.read(0, key, now, true)?;
    Some(value.as_string().expect("there are only strings").to_vec())
}

fn occupied<'a>(keyspace: &'a mut Keyspace, key: &'a [u8]) -> Occupied<'a> {
    match keyspace.entry(0, key, 0) {
        Entry::Occupied(occupied) => occupied,
        Entry::Vacant(_) => panic!("the key is there"),
    }
}

/// A number of steps, fewer where every step is slow.
fn steps(count: usize) -> usize {
    if cfg!(miri) { count / 500 } else { count }
}

/// Whether a sanitizer, which makes steps slow, is not to find all that it can (`cargo xtask sanitize --all`).
pub(crate) fn is_brief() -> bool {
    cfg!(torc_sanitize) && std::env::var_os("TORC_SANITIZE_ALL").is_none()
}

/// The seeds below a number, or a fifth of them.
pub(crate) fn seeds(count: u64) -> impl Iterator<Item = u64> {
    (0..count).step_by(if is_brief() { 5 } else { 1 })
}

/// A number of steps, or a quarter of it.
pub(crate) fn fewer(count: usize) -> usize {
    if is_brief() { count / 4 } else { count }
}

/// What a keyspace without keys may hold: nothing but warm pages.
pub(crate) fn assert_empty(keyspace: &Keyspace) {
    let memory = keyspace.memory();
    assert_eq!(memory.entries_bytes, 0);
    assert_eq!(memory.large_bytes, 0);
    assert!(memory.table_bytes < 1000, "{memory:?}");
    assert!(memory.entries_wasted_bytes <= 16 * 65536, "{memory:?}");
}
