//! Eviction: the right keys go, all policies, and nothing else changes.

use crate::{AccessClock, Entry, Evicted, Eviction, EvictionOrder, Keyspace, StringForm, UnixMillis};

const LRU: Eviction = Eviction { order: EvictionOrder::Lru, expiring_only: false, samples: 5 };

fn keyspace() -> Keyspace {
    super::keyspace(5)
}

/// SET at a time.
fn set(keyspace: &mut Keyspace, db: u16, key: &[u8], value: &[u8], expire_at: Option<UnixMillis>, now: UnixMillis) {
    match keyspace.entry(db, key, now) {
        Entry::Occupied(mut occupied) => occupied.replace(value, expire_at, StringForm::Auto),
        Entry::Vacant(vacant) => vacant.insert_string(value, expire_at, StringForm::Auto),
    }
}

fn key(number: usize) -> Vec<u8> {
    format!("key:{number:08}").into_bytes()
}

/// Evicts until so many keys are gone; gives how many looks found nothing.
fn evict(keyspace: &mut Keyspace, eviction: Eviction, now: UnixMillis, count: usize) -> usize {
    let (mut gone, mut spent_ns, mut looks) = (0, 0, 0);
    while gone < count {
        match keyspace.evict(eviction, now, &mut |_| true, &mut spent_ns) {
            Evicted::Key { .. } | Evicted::Expired => gone += 1,
            Evicted::Looking => looks += 1,
            Evicted::None => panic!("{gone} of {count} keys are gone, and no more are found"),
        }
    }
    assert!(spent_ns > 0);
    looks
}

#[test]
fn least_recently_used_keys_go_first() {
    let mut keyspace = keyspace();
    let count = 20_000;
    for number in 0..count {
        set(&mut keyspace, 0, &key(number), b"value", None, number as i64 * 1000);
    }
    let now = count as i64 * 1000;
    // Those of the first half are used once more.
    for number in 0..count / 2 {
        assert!(keyspace.read(0, &key(number), now, true).is_some());
    }
    evict(&mut keyspace, LRU, now, count / 4);
    let left = |keyspace: &Keyspace, range: std::ops::Range<usize>| {
        range.filter(|&number| keyspace.peek(0, &key(number), now).is_some()).count()
    };
    assert_eq!(left(&keyspace, 0..count / 2), count / 2, "what was used stays");
    // Of the others the older half is gone, but for a few.
    let (older, newer) = (left(&keyspace, count / 2..count / 4 * 3), left(&keyspace, count / 4 * 3..count));
    assert!(older < count / 4 / 5 && older + newer == count / 4, "{older} {newer}");
}

#[test]
fn least_frequently_used_keys_go_first() {
    let mut keyspace = keyspace();
    keyspace.set_access_clock(AccessClock::Lfu { log_factor: 10, decay_minutes: 1 });
    for number in 0..2000 {
        set(&mut keyspace, 0, &key(number), b"value", None, 0);
    }
    for number in 0..1000 {
        for _ in 0..20 {
            keyspace.read(0, &key(number), 0, true).expect("it is there");
        }
    }
    evict(&mut keyspace, Eviction { order: EvictionOrder::Lfu, ..LRU }, 0, 950);
    let left = (0..1000).filter(|&number| keyspace.peek(0, &key(number), 0).is_some()).count();
    assert!(left >= 980, "{left}");
    assert_eq!(keyspace.len(0), 1050);
}

#[test]
fn the_next_to_expire_go_first_and_only_those_that_expire() {
    let mut keyspace = keyspace();
    for number in 0..3000 {
        let expire_at = (number % 3 != 0).then_some(1_000_000 + number as i64);
        set(&mut keyspace, 3, &key(number), b"value", expire_at, 0);
    }
    let ttl = Eviction { order: EvictionOrder::Ttl, expiring_only: true, samples: 10 };
    evict(&mut keyspace, ttl, 0, 1000);
    let left = |range: std::ops::Range<usize>| {
        range.filter(|&number| keyspace.peek(3, &key(number), 0).is_some() && number % 3 != 0).count()
    };
    let (sooner, later) = (left(0..1500), left(1500..3000));
    assert!(sooner < 100 && later > 900, "{sooner} {later}");
    for order in [EvictionOrder::Lru, EvictionOrder::Random, EvictionOrder::Lfu, EvictionOrder::Ttl] {
        let count = keyspace.expires_len(3).min(250);
        evict(&mut keyspace, Eviction { order, ..ttl }, 0, count);
    }
    assert_eq!((keyspace.len(3), keyspace.expires_len(3)), (1000, 0), "those that do not expire stay");
    assert_eq!(keyspace.evictable_bytes(true), 0);
    assert!(keyspace.evictable_bytes(false) > 0);
    let mut spent_ns = 0;
    let mut tries = 0;
    while keyspace.evict(ttl, 0, &mut |_| true, &mut spent_ns) != Evicted::None {
        tries += 1;
        assert!(tries < 100, "it ends");
    }
}

#[test]
fn any_keys_of_all_databases_go() {
    let mut keyspace = keyspace();
    for number in 0..4000 {
        set(&mut keyspace, (number % 4) as u16, &key(number), b"value", None, 0);
    }
    evict(&mut keyspace, Eviction { order: EvictionOrder::Random, ..LRU }, 0, 2000);
    for db in 0..4 {
        assert!((350..650).contains(&keyspace.len(db)), "{db}: {}", keyspace.len(db));
    }
    evict(&mut keyspace, LRU, 0, 2000);
    assert_eq!((0..4).map(|db| keyspace.len(db)).sum::<usize>(), 0);
    assert_eq!(keyspace.quick_bytes(), 0);
}

#[test]
fn a_key_that_must_stay_stays_and_one_alone_is_found() {
    let mut keyspace = keyspace();
    for number in 0..1000 {
        set(&mut keyspace, 0, &key(number), b"value", None, number as i64);
    }
    let mut spent_ns = 0;
    loop {
        match keyspace.evict(LRU, 1_000_000, &mut |name| name != key(77), &mut spent_ns) {
            Evicted::None => break,
            Evicted::Expired => panic!("nothing expires"),
            Evicted::Key { .. } | Evicted::Looking => {}
        }
    }
    assert_eq!(keyspace.len(0), 1);
    assert!(keyspace.peek(0, &key(77), 0).is_some());
    evict(&mut keyspace, LRU, 1_000_000, 1);
    assert_eq!(keyspace.len(0), 0);
}

#[test]
fn what_was_used_since_it_was_looked_at_stays() {
    let mut keyspace = keyspace();
    for number in 0..32 {
        set(&mut keyspace, 0, &key(number), b"value", None, 0);
    }
    evict(&mut keyspace, LRU, 100_000, 1);
    let left: Vec<Vec<u8>> = (0..32).map(key).filter(|name| keyspace.peek(0, name, 0).is_some()).collect();
    assert_eq!(left.len(), 31);
    for name in &left[..20] {
        keyspace.read(0, name, 200_000, true).expect("it is there");
    }
    evict(&mut keyspace, LRU, 200_000, 11);
    assert!(left[..20].iter().all(|name| keyspace.peek(0, name, 0).is_some()));
}

#[test]
fn what_has_expired_goes_first_and_as_such() {
    let mut keyspace = keyspace();
    for number in 0..500 {
        let expire_at = (number % 5 == 0).then_some(10);
        set(&mut keyspace, 0, &key(number), b"value", expire_at, 0);
    }
    evict(&mut keyspace, LRU, 20, 100);
    let expired = keyspace.stats().expired_keys;
    // A fifth has expired, so that one is met nearly always among those looked at, up to the last few.
    assert!((80..=100).contains(&expired), "{expired} of 100 had expired");
    assert_eq!((keyspace.len(0), keyspace.expires_len(0) as u64), (400, 100 - expired));
}
