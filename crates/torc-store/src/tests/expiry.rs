//! Keys with a time to live: never seen after it, and removed soon by the background sweep.

use super::{Random, get, keyspace, occupied, set, steps};

#[test]
fn a_key_lives_to_the_millisecond_of_its_expiry_and_no_longer() {
    let mut keyspace = keyspace(1);
    set(&mut keyspace, b"k", b"v", Some(100));
    assert!(get(&mut keyspace, b"k", 100).is_some());
    assert!(get(&mut keyspace, b"k", 101).is_none());
    assert_eq!(keyspace.len(0), 0);
    assert_eq!(keyspace.stats().expired_keys, 1);
}

#[test]
fn the_sweep_removes_what_has_expired_and_nothing_else() {
    let mut keyspace = keyspace(2);
    let keys = steps(50_000);
    for number in 0..keys {
        let expire_at = match number % 3 {
            0 => None,
            1 => Some(500 + (number % 100) as i64),
            _ => Some(1_000_000),
        };
        set(&mut keyspace, format!("{number}").as_bytes(), b"v", expire_at);
    }
    assert_eq!(keyspace.background(400, 1_000_000).expired, 0);
    assert!(!keyspace.background(401, 1_000).more, "nothing is due");
    let mut now = 500;
    while now < 2_000 {
        keyspace.background(now, 3_000);
        now += 1;
    }
    assert_eq!(keyspace.stats().expired_keys as usize, keys.div_ceil(3) - usize::from(keys % 3 == 1));
    assert_eq!(keyspace.expires_len(0), keys / 3);
    assert!(keyspace.stats().expiry_lag_ms_max < 1_200, "{:?}", keyspace.stats());
}

#[test]
fn few_expiring_keys_go_at_once() {
    let mut keyspace = keyspace(1);
    for number in 0..10 {
        set(&mut keyspace, &[number], b"v", Some(100 * i64::from(number)));
    }
    for now in 0..1_000 {
        keyspace.background(now, 10);
    }
    assert_eq!(keyspace.len(0), 0);
    assert!(keyspace.stats().expiry_lag_ms_max <= 12, "{:?}", keyspace.stats());
}

#[test]
fn the_sweep_keeps_to_its_units() {
    let mut keyspace = keyspace(1);
    for number in 0..steps(100_000) {
        set(&mut keyspace, format!("{number}").as_bytes(), b"v", Some(10));
    }
    loop {
        let done = keyspace.background(20, 50);
        assert!(done.units_used <= 50 + 800, "{done:?}");
        assert!(done.expired <= 1_300);
        if !done.more {
            break;
        }
    }
    assert_eq!(keyspace.len(0), 0);
}

#[test]
fn switched_off_it_does_nothing() {
    let mut keyspace = keyspace(1);
    set(&mut keyspace, b"k", b"v", Some(1));
    keyspace.set_active_expire(false);
    assert_eq!(keyspace.background(50, 1_000).expired, 0);
    assert_eq!(keyspace.len(0), 1);
    keyspace.set_active_expire(true);
    assert_eq!(keyspace.background(50, 1_000).expired, 1);
}

#[test]
fn changed_expiries_are_followed() {
    let mut keyspace = keyspace(1);
    set(&mut keyspace, b"sooner", b"v", Some(9_000));
    set(&mut keyspace, b"later", b"v", Some(10));
    set(&mut keyspace, b"never", b"v", Some(10));
    occupied(&mut keyspace, b"sooner").set_expire_at(Some(10));
    occupied(&mut keyspace, b"later").set_expire_at(Some(9_000));
    occupied(&mut keyspace, b"never").set_expire_at(None);
    assert_eq!(keyspace.average_ttl_ms(0, 0), (10 + 9_000) / 2);
    for now in 11..100 {
        keyspace.background(now, 100);
    }
    assert_eq!((keyspace.len(0), keyspace.expires_len(0)), (2, 1));
    assert!(get(&mut keyspace, b"sooner", 11).is_none());
}

#[test]
fn a_sweep_of_everything_ends_even_with_a_tiny_budget() {
    let mut keyspace = keyspace(3);
    let mut random = Random(4);
    for number in 0..steps(20_000) {
        let expire_at = 100 + random.below(1_000) as i64;
        set(&mut keyspace, format!("{number}").as_bytes(), b"v", Some(expire_at));
    }
    let mut now = 0;
    while keyspace.len(0) > 0 {
        assert!(now < 30_000, "{} keys left", keyspace.len(0));
        keyspace.background(now, 1);
        now += 1;
    }
}

#[test]
fn random_gives_up_when_all_have_expired() {
    let mut keyspace = keyspace(1);
    for number in 0..steps(3_000) {
        set(&mut keyspace, format!("{number}").as_bytes(), b"v", Some(10));
    }
    for round in 0..4 {
        assert!(keyspace.random(0, round, 11).is_none());
    }
    assert_eq!(keyspace.len(0), 0);
}
