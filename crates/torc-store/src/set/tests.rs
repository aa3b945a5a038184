//! Sets against a model made of `BTreeSet`, through the keyspace.

use std::collections::BTreeSet;

use super::*;
use crate::{BigFrom, Keyspace, KeyspaceOptions};

const LIMITS: Limits = Limits { integers_max: 8, pack_len_max: 6, pack_member_len_max: 10 };

fn keyspace() -> Keyspace {
    let mut keyspace = Keyspace::new(KeyspaceOptions { databases: 1, hash_seed: [1, 2, 3, 4] });
    // Tables of these tests lie in either heap.
    keyspace.set_big_from(BigFrom { len: 40, bytes: 8 << 10 });
    keyspace
}

fn add_to(keyspace: &mut Keyspace, member: &[u8]) -> bool {
    match keyspace.entry(0, b"set", 0) {
        Entry::Occupied(mut set) => add(&mut set, member, &LIMITS),
        Entry::Vacant(vacant) => create(vacant, &mut std::iter::once(member), 1, &LIMITS) == 1,
    }
}

fn remove_from(keyspace: &mut Keyspace, member: &[u8]) -> bool {
    let Entry::Occupied(mut set) = keyspace.entry(0, b"set", 0) else { return false };
    let removed = remove(&mut set, member);
    if SetRef::of(set.value()).is_empty() {
        set.remove();
    }
    removed
}

fn members(keyspace: &mut Keyspace) -> BTreeSet<Vec<u8>> {
    let Some(value) = keyspace.read(0, b"set", 0, false) else { return BTreeSet::new() };
    let set = SetRef::of(value);
    let found: Vec<Vec<u8>> = set.iter().map(Packed::to_vec).collect();
    assert_eq!(found.len(), set.len());
    found.into_iter().collect()
}

fn encoding(keyspace: &mut Keyspace) -> &'static str {
    keyspace.read(0, b"set", 0, false).expect("the set is there").encoding()
}

#[test]
fn forms_give_way_in_order() {
    let mut keyspace = keyspace();
    for value in 0..8 {
        assert!(add_to(&mut keyspace, value.to_string().as_bytes()));
    }
    assert_eq!(encoding(&mut keyspace), "intset");
    assert!(!add_to(&mut keyspace, b"7"));
    assert!(add_to(&mut keyspace, b"100000"));
    assert_eq!(encoding(&mut keyspace), "hashtable", "one integer too many");
    keyspace.remove(0, b"set", 0);
    assert!(add_to(&mut keyspace, b"1") && add_to(&mut keyspace, b"-70000"));
    assert!(add_to(&mut keyspace, b"word"));
    assert_eq!(encoding(&mut keyspace), "listpack");
    assert!(add_to(&mut keyspace, b"a longer member"));
    assert_eq!(encoding(&mut keyspace), "hashtable", "a member is too long");
    assert_eq!(members(&mut keyspace).len(), 4);
}

#[test]
fn behaves_as_a_set() {
    let mut keyspace = keyspace();
    let mut model = BTreeSet::new();
    let mut state = 7u64;
    let mut random = |limit: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % limit
    };
    for step in 0..if cfg!(miri) { 300 } else { 60_000 } {
        let spread = if step / 1000 % 3 == 0 { 1 << 40 } else { 30 };
        let member = match random(4) {
            0 => format!("member {}", random(40)),
            _ => (random(spread) as i64 - 5).to_string(),
        };
        let member = member.as_bytes();
        if random(100) < 52 {
            assert_eq!(add_to(&mut keyspace, member), model.insert(member.to_vec()));
        } else {
            assert_eq!(remove_from(&mut keyspace, member), model.remove(member));
        }
        if step % 97 == 0 {
            assert_eq!(members(&mut keyspace), model);
        }
        if step % 5000 == 4999 {
            keyspace.remove(0, b"set", 0);
            model.clear();
        }
    }
}

#[test]
fn built_sets_hold_what_they_were_built_of() {
    let mut keyspace = keyspace();
    let cases: [(usize, &str, &str); 4] =
        [(8, "", "intset"), (6, "x", "listpack"), (9, "", "hashtable"), (700, "x", "hashtable")];
    for (len, prefix, wanted) in cases {
        let texts: Vec<String> = (0..len).map(|number| format!("{prefix}{}", number * 1000)).collect();
        let slices: Vec<&[u8]> = texts.iter().map(String::as_bytes).collect();
        build(keyspace.entry(0, b"set", 0), &slices, Some(50), &LIMITS);
        assert_eq!(encoding(&mut keyspace), wanted);
        assert_eq!(members(&mut keyspace), slices.iter().map(|slice| slice.to_vec()).collect());
        assert_eq!(keyspace.read(0, b"set", 0, false).and_then(|value| value.expire_at()), Some(50));
        let mut asked = slices.iter().map(|slice| Packed::Bytes(slice)).chain([Packed::Bytes(b"absent")]);
        let mut found = 0;
        let set = SetRef::of(keyspace.read(0, b"set", 0, false).expect("just built"));
        set.probe(&mut asked, &mut |_, is_member| {
            found += usize::from(is_member);
            true
        });
        assert_eq!(found, len);
    }
}

#[test]
fn a_scan_of_a_growing_table_misses_nothing() {
    let mut keyspace = keyspace();
    let stable: Vec<String> = (0..3000).map(|number| format!("stable {number}")).collect();
    stable.iter().for_each(|member| assert!(add_to(&mut keyspace, member.as_bytes())));
    let (mut seen, mut cursor, mut added) = (BTreeSet::new(), 0, 0);
    loop {
        let Entry::Occupied(mut set) = keyspace.entry(0, b"set", 0) else { panic!("the set is there") };
        cursor = scan(&mut set, cursor, 10, &mut |member| {
            seen.insert(member.to_vec());
        });
        if cursor == 0 {
            break;
        }
        for _ in 0..40 {
            added += 1;
            add_to(&mut keyspace, format!("new {added}").as_bytes());
        }
    }
    assert!(stable.iter().all(|member| seen.contains(member.as_bytes())));
}

#[test]
fn memory_of_a_big_set_is_counted_and_freed_in_slices() {
    let mut keyspace = keyspace();
    let before = keyspace.memory();
    for number in 0..if cfg!(miri) { 300 } else { 50_000 } {
        add_to(&mut keyspace, format!("member {number}").as_bytes());
    }
    let held = keyspace.read(0, b"set", 0, false).expect("the set is there").memory_bytes();
    let full = keyspace.memory();
    assert!(held > full.entries_bytes / 2 && held < 2 * full.total_bytes, "{held} {full:?}");
    keyspace.remove(0, b"set", 0);
    assert_eq!(keyspace.stats().lazyfree_pending_objects, 1);
    while keyspace.background(0, 10).more {}
    let after = keyspace.memory();
    assert_eq!((after.entries_bytes, after.large_bytes), (before.entries_bytes, before.large_bytes));
    assert_eq!(keyspace.stats().lazyfreed_objects, 1);
}

#[test]
fn a_random_member_can_be_any() {
    let mut keyspace = keyspace();
    for (len, prefix) in [(5, ""), (5, "x"), (40, "x")] {
        keyspace.remove(0, b"set", 0);
        (0..len).for_each(|number| assert!(add_to(&mut keyspace, format!("{prefix}{number}").as_bytes())));
        let set = SetRef::of(keyspace.read(0, b"set", 0, false).expect("the set is there"));
        let drawn: BTreeSet<Vec<u8>> =
            (0..4000u64).map(|seed| set.random(crate::segment::mix(seed)).to_vec()).collect();
        assert_eq!(drawn.len(), len);
    }
}
