//! How the table grows and shrinks: how much a single operation moves, and that memory returns.

use super::{Random, assert_empty, get, keyspace, set, steps};
use crate::segment::SEGMENT_KEYS_MAX;
use crate::{Entry, Keyspace, StringForm};

#[test]
fn no_insertion_moves_more_than_a_segment() {
    let mut keyspace = keyspace(1);
    let keys = steps(400_000);
    for number in 0..keys {
        set(&mut keyspace, format!("{number:016}").as_bytes(), &[b'v'; 32], None);
    }
    let stats = keyspace.stats();
    assert!(stats.keys_moved_max <= SEGMENT_KEYS_MAX, "{stats:?}");
    assert!(stats.cells_moved_max <= 4096, "{stats:?}");
    assert!(cfg!(miri) || stats.splits > 300);
    assert_eq!(keyspace.len(0), keys);
}

#[test]
fn a_small_key_takes_66_bytes() {
    if cfg!(miri) {
        return;
    }
    let mut keyspace = keyspace(1);
    let mut number = 0;
    let mut worst = 0.0f64;
    for keys in [250_000, 300_000, 350_000, 400_000, 450_000, 500_000] {
        while number < keys {
            set(&mut keyspace, format!("{number:016}").as_bytes(), &[b'v'; 32], None);
            number += 1;
        }
        worst = worst.max(keyspace.memory().total_bytes as f64 / keys as f64);
    }
    assert!(worst < 66.5, "{worst} bytes per key");
}

#[test]
fn deleting_everything_returns_all_memory() {
    let mut keyspace = keyspace(1);
    let mut random = Random(3);
    for _ in 0..2 {
        let mut keys: Vec<Vec<u8>> = (0..steps(200_000)).map(|number| format!("{number:010}").into_bytes()).collect();
        for key in &keys {
            let limit = if random.one_in(100) { 5_000 } else { 60 };
            let len = random.below(limit);
            set(&mut keyspace, key, &vec![7; len], random.one_in(2).then_some(99));
        }
        assert_eq!(keyspace.stats().lazyfree_pending_objects, 0);
        for at in (1..keys.len()).rev() {
            keys.swap(at, random.below(at + 1));
        }
        let full = keyspace.memory().table_bytes;
        let half = keys.len() / 2;
        for key in keys.drain(..half * 9 / 5) {
            assert!(keyspace.remove(0, &key, 0));
        }
        let sparse = keyspace.memory().table_bytes;
        assert!(cfg!(miri) || sparse < full / 4, "{sparse} of {full} with a tenth of the keys");
        for key in &keys {
            assert!(get(&mut keyspace, key, 0).is_some());
            assert!(keyspace.remove(0, key, 0));
        }
        assert_eq!((keyspace.len(0), keyspace.expires_len(0)), (0, 0));
        assert_empty(&keyspace);
    }
}

#[test]
fn segments_split_rehash_and_merge_with_every_key_in_place() {
    let keys = if cfg!(miri) { 1_500 } else { 80_000 };
    let mut keyspace = keyspace(1);
    let key = |number: usize| format!("key:{number}").into_bytes();
    (0..keys).for_each(|number| set(&mut keyspace, &key(number), &key(number), None));
    (0..keys).for_each(|number| assert!(get(&mut keyspace, &key(number), 0).is_some()));
    let stats = keyspace.stats();
    assert!(stats.splits > 6 && stats.rehashes > 2, "{stats:?}");
    for number in 0..keys {
        assert!(keyspace.remove(0, &key(number), 0));
        let other = number + (keys - number) / 2;
        assert_eq!(get(&mut keyspace, &key(other), 0).is_some(), other != number);
    }
    let stats = keyspace.stats();
    assert_eq!(stats.splits, stats.merges);
    assert_empty(&keyspace);
}

#[test]
fn keys_may_come_in_the_order_of_their_hashes() {
    let mut keyspace = keyspace(2);
    let count = steps(400_000);
    (0..count).for_each(|number| set(&mut keyspace, format!("{number}").as_bytes(), b"", None));
    let mut keys: Vec<Vec<u8>> = Vec::with_capacity(count);
    keyspace.for_each(0, 0, &mut |value| keys.push(value.key().to_vec()));
    // Each segment that gets full splits many times before its keys are apart.
    for key in &keys {
        match keyspace.entry(1, key, 0) {
            Entry::Vacant(vacant) => vacant.insert_string(b"", None, StringForm::Auto),
            Entry::Occupied(_) => panic!("every key comes once"),
        }
    }
    assert!(cfg!(miri) || keyspace.stats().rehashes > 0);
    for key in keys.iter().rev() {
        assert!(keyspace.remove(1, key, 0));
        assert!(keyspace.remove(0, key, 0));
    }
    assert_empty(&keyspace);
}

/// Only the first of them, so that one half of the directory is deep and the other a single segment that no key ever reaches.
#[test]
fn the_lower_half_of_the_hashes_may_come_and_go_alone() {
    let mut keyspace = keyspace(2);
    let count = steps(50_000);
    (0..count).for_each(|number| set(&mut keyspace, format!("{number}").as_bytes(), b"", None));
    let mut keys: Vec<Vec<u8>> = Vec::with_capacity(count);
    keyspace.for_each(0, 0, &mut |value| keys.push(value.key().to_vec()));
    let insert = |keyspace: &mut Keyspace, key: &[u8]| match keyspace.entry(1, key, 0) {
        Entry::Vacant(vacant) => vacant.insert_string(b"", None, StringForm::Auto),
        Entry::Occupied(_) => panic!("every key comes once"),
    };
    for first in [1_500, 5_000, 20_000].map(steps) {
        for order in [false, true] {
            let keys = &keys[..first];
            keys.iter().for_each(|key| insert(&mut keyspace, key));
            if order {
                keys.iter().for_each(|key| assert!(keyspace.remove(1, key, 0)));
            } else {
                keys.iter().rev().for_each(|key| assert!(keyspace.remove(1, key, 0)));
            }
            assert_eq!(keyspace.len(1), 0);
        }
    }
    keys.iter().for_each(|key| assert!(keyspace.remove(0, key, 0)));
    assert_empty(&keyspace);
}

#[test]
fn an_empty_database_costs_little() {
    let empty = keyspace(1000);
    assert_eq!(empty.memory().total_bytes, 0);
    assert_eq!(size_of_val(&empty.databases[0]), 8);
}

#[test]
fn random_keys_are_drawn_about_evenly() {
    let mut keyspace = keyspace(1);
    let keys = steps(5_000);
    (0..keys).for_each(|number| set(&mut keyspace, format!("{number}").as_bytes(), b"", None));
    let mut random = Random(1);
    let mut drawn = vec![0u32; keys];
    for _ in 0..keys * 50 {
        let value = keyspace.random(0, random.next(), 0).expect("there are keys");
        let number: usize = str::from_utf8(value.key()).expect("digits").parse().expect("digits");
        drawn[number] += 1;
    }
    let (least, most) = (drawn.iter().min(), drawn.iter().max());
    assert!(cfg!(miri) || least > Some(&10), "{least:?}");
    assert!(cfg!(miri) || most < Some(&120), "{most:?}");
}

#[test]
fn a_table_that_knows_how_many_keys_come_moves_each_about_once() {
    let keys = steps(200_000);
    let fill = |keyspace: &mut Keyspace, expected: Option<u64>| {
        keyspace.expect_keys(0, expected);
        for number in 0..keys {
            set(keyspace, format!("{number:016}").as_bytes(), &[b'v'; 32], None);
        }
        keyspace.expect_keys(0, None);
        (0..keys).for_each(|number| assert!(get(keyspace, format!("{number:016}").as_bytes(), 0).is_some()));
        keyspace.memory().table_bytes
    };
    let mut unknown = keyspace(1);
    let grown = fill(&mut unknown, None);
    let mut known = keyspace(1);
    let planned = fill(&mut known, Some(keys as u64));
    assert!(planned < grown * 5 / 4, "{planned} bytes, and {grown} by growth");
    assert!(cfg!(miri) || known.stats().keys_moved_max < SEGMENT_KEYS_MAX / 4, "{:?}", known.stats());
    // It shrinks as any other.
    (0..keys).for_each(|number| assert!(known.remove(0, format!("{number:016}").as_bytes(), 0)));
    assert_empty(&known);
}

#[test]
fn wrong_numbers_of_keys_cost_no_more_than_half_empty_tables() {
    let keys = steps(100_000);
    for expected in [0, 1, 1000, 10_000_000, 1 << 40, u64::MAX] {
        let mut keyspace = keyspace(1);
        keyspace.expect_keys(0, Some(expected));
        for number in 0..keys {
            set(&mut keyspace, format!("{number:016}").as_bytes(), &[b'v'; 32], None);
        }
        (0..keys).for_each(|number| assert!(get(&mut keyspace, format!("{number:016}").as_bytes(), 0).is_some()));
        let table = keyspace.memory().table_bytes as f64 / keys as f64;
        assert!(cfg!(miri) || table < 40.0, "{table} bytes a key where {expected} were expected");
    }
}
