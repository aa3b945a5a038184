//! SCAN's guarantee: what is there all the time is returned, whatever happens meanwhile.

use std::collections::HashSet;

use super::{Random, keyspace, set, steps};
use crate::Keyspace;

fn key(number: usize) -> Vec<u8> {
    format!("key:{number}").into_bytes()
}

/// Scans to the end, calling `meanwhile` between the calls; returns the keys and the calls.
fn scan_all(
    keyspace: &mut Keyspace,
    count: usize,
    mut meanwhile: impl FnMut(&mut Keyspace),
) -> (HashSet<Vec<u8>>, usize) {
    let (mut seen, mut cursor, mut calls) = (HashSet::new(), 0, 0);
    loop {
        let visit = &mut |value: crate::ValueRef<'_>| {
            seen.insert(value.key().to_vec());
        };
        cursor = keyspace.scan(0, cursor, count, 0, visit);
        assert!(cursor < 1 << 43);
        calls += 1;
        if cursor == 0 {
            return (seen, calls);
        }
        meanwhile(keyspace);
    }
}

#[test]
fn a_quiet_scan_returns_everything_in_about_the_expected_calls() {
    for keys in [0, 1, 5, 100, 1_000, 20_000] {
        let keys = if cfg!(miri) { keys.min(200) } else { keys };
        let mut keyspace = keyspace(1);
        (0..keys).for_each(|number| set(&mut keyspace, &key(number), b"v", None));
        for count in [1, 10, 100, 100_000] {
            let (seen, calls) = scan_all(&mut keyspace, count, |_| {});
            assert_eq!(seen.len(), keys);
            assert!(calls <= 3 * keys / count + 2, "{calls} calls of {count} for {keys} keys");
            assert!(calls > keys / count / 3, "{calls} calls of {count} for {keys} keys");
        }
    }
}

#[test]
fn growth_and_shrinking_during_a_scan_lose_nothing() {
    for seed in 0..3 {
        let mut random = Random(seed);
        let mut keyspace = keyspace(1);
        let stable = steps(3_000);
        (0..stable).for_each(|number| set(&mut keyspace, &key(number), b"v", None));
        let (mut added, mut growing) = (stable, true);
        let (seen, _) = scan_all(&mut keyspace, 30, |keyspace| {
            for _ in 0..random.below(steps(1_500).max(2)) {
                if growing {
                    set(keyspace, &key(added), b"v", None);
                    added += 1;
                } else if added > stable {
                    added -= 1;
                    assert!(keyspace.remove(0, &key(added), 0));
                }
            }
            if random.one_in(4) {
                growing = !growing;
            }
        });
        assert!((0..stable).all(|number| seen.contains(&key(number))));
        let stats = keyspace.stats();
        assert!(cfg!(miri) || (stats.splits > 10 && stats.merges > 3), "{stats:?}");
    }
}

#[test]
fn deleting_what_a_scan_returns_empties_the_database() {
    let mut keyspace = keyspace(1);
    let keys = steps(30_000);
    (0..keys).for_each(|number| set(&mut keyspace, &key(number), b"v", None));
    let mut cursor = 0;
    loop {
        let mut found = Vec::new();
        cursor = keyspace.scan(0, cursor, 50, 0, &mut |value| found.push(value.key().to_vec()));
        found.iter().for_each(|key| assert!(keyspace.remove(0, key, 0)));
        if cursor == 0 {
            break;
        }
    }
    assert_eq!(keyspace.len(0), 0);
}

#[test]
fn strange_cursors_are_harmless() {
    let mut keyspace = keyspace(1);
    (0..steps(5_000)).for_each(|number| set(&mut keyspace, &key(number), b"v", None));
    let mut random = Random(9);
    for _ in 0..100 {
        let cursor = random.next() >> random.below(64);
        assert!(keyspace.scan(0, cursor, 10, 0, &mut |_| {}) < 1 << 43);
    }
    assert_eq!(keyspace.scan(0, u64::MAX, 10, 0, &mut |_| panic!("nothing there")), 0);
}

#[test]
fn scanning_removes_what_has_expired() {
    let mut keyspace = keyspace(1);
    let half = if cfg!(miri) { 50 } else { 1_000 };
    for number in 0..2 * half {
        set(&mut keyspace, &key(number), b"v", (number % 2 == 0).then_some(50));
    }
    let (mut cursor, mut seen) = (0, 0);
    loop {
        cursor = keyspace.scan(0, cursor, 10, 51, &mut |_| seen += 1);
        if cursor == 0 {
            break;
        }
    }
    assert!(seen >= half);
    assert_eq!((keyspace.len(0), keyspace.expires_len(0)), (half, 0));
    assert_eq!(keyspace.stats().expired_keys as usize, half);
}
