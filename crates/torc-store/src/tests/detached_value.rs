//! Big values that go from keyspace to keyspace: whole, over threads, with all that is counted and registered for them.

use std::collections::BTreeMap;

use super::{Random, assert_empty, keyspace, occupied, set};
use crate::hash::{self, HashMut, HashRef, Ttl};
use crate::list::{End, ListLimits, ListMut, ListRef};
use crate::sorted_set::{self, PackLimits, SortedSetRef};
use crate::{BigFrom, DetachedValue, Entry, Keyspace, KeyspaceOptions, Kind, NodeLimits, Object, Stream, StreamId};

const HASH_LIMITS: hash::Limits = hash::Limits { pack_len_max: 4, pack_text_len_max: 10 };
const PACK_LIMITS: PackLimits = PackLimits { entries: 4, value_bytes: 10 };
const NODE_LIMITS: NodeLimits = NodeLimits { entries_max: 10, bytes_max: 4096 };

/// A keyspace in which little is big.
fn small_world() -> Keyspace {
    let mut keyspace = keyspace(2);
    keyspace.set_big_from(BigFrom { len: 50, bytes: 64 << 10 });
    keyspace
}

/// Name of an element: at times too long for a slot of a heap.
fn name(number: usize) -> Vec<u8> {
    let len = if number.is_multiple_of(17) { 700 } else { 10 };
    format!("{number:0len$}").into_bytes()
}

/// Value of an element: at times in a buffer, once in a region.
fn value(number: usize) -> Vec<u8> {
    let len = match number {
        33 => 1 << 20,
        _ if number.is_multiple_of(13) => 3000,
        _ => 8,
    };
    vec![b'a' + (number % 20) as u8; len]
}

/// Sets fields of the hash `key`; odd ones expire far away.
fn fill_hash(keyspace: &mut Keyspace, key: &[u8], numbers: std::ops::Range<usize>) {
    for number in numbers {
        let (name, value) = (name(number), value(number));
        match keyspace.entry(0, key, 0) {
            Entry::Occupied(occupied) => {
                let ttl = if number % 2 == 1 { Ttl::At(5000) } else { Ttl::Clear };
                HashMut::of(occupied, HASH_LIMITS).set(&name, &value, ttl);
            }
            vacant => _ = hash::build(vacant, std::iter::once((&name[..], &value[..], None)), None, HASH_LIMITS),
        }
    }
}

fn fields(keyspace: &mut Keyspace, key: &[u8]) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let hash = HashRef::of(keyspace.read(0, key, 0, false).expect("it is there"), 0);
    let mut fields = BTreeMap::new();
    hash.for_each(|name, value| _ = fields.insert(name.to_vec(), value.to_vec()));
    fields
}

fn expected_fields(numbers: std::ops::Range<usize>) -> BTreeMap<Vec<u8>, Vec<u8>> {
    numbers.map(|number| (name(number), value(number))).collect()
}

fn fill_sorted_set(keyspace: &mut Keyspace, key: &[u8], numbers: std::ops::Range<usize>) {
    for number in numbers {
        let (member, score) = (name(number), (number * 7 % 31) as f64);
        match keyspace.entry(0, key, 0) {
            Entry::Occupied(mut occupied) => {
                sorted_set::update(&mut occupied, PACK_LIMITS, &member, |_| Some(score));
            }
            Entry::Vacant(vacant) => _ = sorted_set::create(vacant, PACK_LIMITS, &member, score),
        }
    }
}

fn members(keyspace: &mut Keyspace, key: &[u8]) -> Vec<(Vec<u8>, f64)> {
    let set = SortedSetRef::of(keyspace.read(0, key, 0, false).expect("it is there"));
    set.iter().map(|(member, score)| (member.to_vec(), score)).collect()
}

fn expected_members(numbers: std::ops::Range<usize>) -> Vec<(Vec<u8>, f64)> {
    let mut members: Vec<_> = numbers.map(|number| (name(number), (number * 7 % 31) as f64)).collect();
    members.sort_by(|a, b| a.1.total_cmp(&b.1).then_with(|| a.0.cmp(&b.0)));
    members
}

/// Hands a value over and takes it over on a thread of its own, where `work` goes on with the keyspace.
fn on_another_thread(detached_value: DetachedValue, work: impl FnOnce(&mut Keyspace) + Send) {
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut keyspace = small_world();
            // The shard has entries of its own before.
            (0..500).for_each(|number| set(&mut keyspace, &name(number), b"of the shard", None));
            keyspace.take_over(0, b"there", detached_value, 0);
            work(&mut keyspace);
            keyspace.flush_all(true);
            while keyspace.background(0, 1000).more {}
            assert_empty(&keyspace);
        });
    });
}

#[test]
fn a_hash_goes_to_another_thread_and_works_on() {
    for len in [4, 49, 50, 51, 300] {
        let mut keyspace = small_world();
        fill_hash(&mut keyspace, b"here", 0..len);
        occupied(&mut keyspace, b"here").set_expire_at(Some(9000));
        let detached_value = keyspace.hand_over(0, b"here", 0);
        assert!(!keyspace.contains(0, b"here", 0));
        assert_eq!(keyspace.expiring_hashes_len(0), 0, "its record has gone with it");
        assert_empty(&keyspace);
        on_another_thread(detached_value, |keyspace| {
            assert_eq!(fields(keyspace, b"there"), expected_fields(0..len));
            assert_eq!(keyspace.read(0, b"there", 0, false).and_then(|value| value.expire_at()), Some(9000));
            assert_eq!(keyspace.expiring_hashes_len(0), 1);
            fill_hash(keyspace, b"there", 0..len + 100);
            assert_eq!(fields(keyspace, b"there"), expected_fields(0..len + 100));
            // Odd fields expire in the background of the new shard.
            while keyspace.background(5001, 1000).more {}
            let left = HashRef::of(keyspace.read(0, b"there", 5001, false).expect("it is there"), 5001).len();
            assert_eq!(left, (0..len + 100).filter(|number| number % 2 == 0).count());
            assert_eq!(keyspace.expiring_hashes_len(0), 0);
        });
    }
}

#[test]
fn numbers_of_hashes_do_not_travel() {
    // Both keyspaces have given the number 1 to a hash.
    let (mut one, mut other) = (small_world(), small_world());
    fill_hash(&mut one, b"moves", 0..60);
    fill_hash(&mut other, b"stays", 0..60);
    let detached_value = one.hand_over(0, b"moves", 0);
    other.take_over(0, b"moved", detached_value, 0);
    assert_eq!(other.expiring_hashes_len(0), 2);
    while other.background(5001, 1000).more {}
    for key in [b"moved", b"stays"] {
        assert_eq!(HashRef::of(other.read(0, key, 5001, false).expect("it is there"), 5001).len(), 30);
    }
}

#[test]
fn a_sorted_set_goes_with_its_order() {
    for len in [5, 49, 50, 51, 400] {
        let mut keyspace = small_world();
        fill_sorted_set(&mut keyspace, b"here", 0..len);
        assert_eq!(members(&mut keyspace, b"here"), expected_members(0..len));
        let detached_value = keyspace.hand_over(0, b"here", 0);
        assert_empty(&keyspace);
        on_another_thread(detached_value, |keyspace| {
            assert_eq!(members(keyspace, b"there"), expected_members(0..len));
            fill_sorted_set(keyspace, b"there", 0..len + 100);
            let Entry::Occupied(mut occupied) = keyspace.entry(0, b"there", 0) else { panic!("it is there") };
            for number in 0..len {
                assert!(sorted_set::remove(&mut occupied, &name(number)));
            }
            assert_eq!(members(keyspace, b"there"), expected_members(len..len + 100));
        });
    }
}

#[test]
fn lists_streams_and_strings_go_as_they_are() {
    let mut keyspace = small_world();
    let Entry::Vacant(vacant) = keyspace.entry(0, b"list", 0) else { panic!("it is not there") };
    crate::create_list(vacant, End::Back, std::iter::once(&b"first"[..]), ListLimits::of(-2));
    for number in 0..2000 {
        let Entry::Occupied(mut occupied) = keyspace.entry(0, b"list", 0) else { panic!("it is there") };
        ListMut::of(&mut occupied, ListLimits::of(-2)).push(End::Back, std::iter::once(&name(number)[..]));
    }
    let mut stream = Stream::default();
    for number in 0..500 {
        let (name, value) = (name(number), value(number));
        stream.append(
            StreamId { ms: number as u64 + 1, seq: 0 },
            std::iter::once((&name[..], &value[..])),
            NODE_LIMITS,
        );
    }
    let Entry::Vacant(vacant) = keyspace.entry(0, b"stream", 0) else { panic!("it is not there") };
    vacant.insert_object(Object::Stream(stream), None);
    for (key, len) in [(&b"buffer"[..], 100_000), (&b"region"[..], 3 << 20)] {
        set(&mut keyspace, key, &vec![b'x'; len], Some(7000));
    }
    for key in [&b"list"[..], b"stream", b"buffer", b"region"] {
        assert!(keyspace.read(0, key, 0, false).expect("it is there").is_big());
        let len = keyspace.read(0, key, 0, false).and_then(|value| value.as_string().map(<[u8]>::len));
        let detached_value = keyspace.hand_over(0, key, 0);
        on_another_thread(detached_value, |keyspace| {
            let value = keyspace.read(0, b"there", 0, false).expect("it is there");
            match value.kind() {
                Kind::List => assert_eq!(ListRef::of(value).len(), 2001),
                Kind::Stream => assert_eq!(value.as_stream().expect("it is one").len(), 500),
                _ => {
                    assert_eq!(value.as_string().map(<[u8]>::len), len);
                    assert_eq!(value.expire_at(), Some(7000));
                }
            }
        });
    }
    assert_empty(&keyspace);
}

#[test]
fn what_is_lost_on_its_way_is_freed() {
    // A heap that is given up with anything in it panics.
    let mut keyspace = small_world();
    fill_hash(&mut keyspace, b"hash", 0..300);
    fill_sorted_set(&mut keyspace, b"sorted set", 0..3000);
    set(&mut keyspace, b"region", &vec![b'x'; 3 << 20], None);
    for key in [&b"hash"[..], b"sorted set", b"region"] {
        drop(keyspace.hand_over(0, key, 0));
    }
    assert_empty(&keyspace);
}

#[test]
fn an_observed_key_changes_and_a_value_in_the_way_goes() {
    let (mut one, mut other) = (small_world(), small_world());
    fill_hash(&mut one, b"hash", 0..300);
    let version = one.watch(0, b"hash", 0);
    other.await_key(0, b"name");
    fill_hash(&mut other, b"name", 500..900);
    let _ = other.take_changes();
    let detached_value = one.hand_over(0, b"hash", 0);
    assert!(one.has_changed(0, b"hash", version, 0));
    other.take_over(0, b"name", detached_value, 0);
    assert_eq!(other.take_changes().len(), 1);
    assert_eq!(fields(&mut other, b"name"), expected_fields(0..300));
    assert!(other.stats().lazyfree_pending_objects > 0, "what was there is freed in slices");
}

#[test]
fn a_key_of_any_length_gives_its_value_and_takes_one() {
    let long = vec![b'k'; 2000];
    let (mut one, mut other) = (small_world(), small_world());
    fill_hash(&mut one, &long, 0..100);
    set(&mut one, &[&long[..], b"2"].concat(), &vec![b'v'; 100_000], None);
    for key in [long.clone(), [&long[..], b"2"].concat()] {
        let detached_value = one.hand_over(0, &key, 0);
        other.take_over(0, &key, detached_value, 0);
        let detached_value = other.hand_over(0, &key, 0);
        other.take_over(1, b"short", detached_value, 0);
    }
    assert_empty(&one);
    other.flush_all(false);
    while other.background(0, 1000).more {}
    assert_empty(&other);
}

#[test]
#[should_panic(expected = "keyspaces of one process hash alike")]
fn a_keyspace_that_hashes_otherwise_takes_nothing() {
    let mut one = small_world();
    fill_hash(&mut one, b"hash", 0..100);
    let detached_value = one.hand_over(0, b"hash", 0);
    Keyspace::new(KeyspaceOptions { databases: 1, hash_seed: [4, 3, 2, 1] }).take_over(0, b"hash", detached_value, 0);
}

#[test]
fn a_table_that_moves_out_is_the_same_for_who_scans_it() {
    let mut random = Random(5);
    for _ in 0..20 {
        let mut keyspace = keyspace(1);
        let len = 200 + random.below(2000);
        keyspace.set_big_from(BigFrom { len, bytes: usize::MAX });
        fill_hash(&mut keyspace, b"hash", 100..len);
        let mut seen = std::collections::BTreeSet::new();
        let mut cursor = 0;
        loop {
            // It grows beyond the border while it is scanned.
            let Entry::Occupied(occupied) = keyspace.entry(0, b"hash", 0) else { panic!("it is there") };
            cursor = HashMut::of(occupied, HASH_LIMITS).scan(cursor, 10, &mut |name, _| _ = seen.insert(name.to_vec()));
            if cursor == 0 {
                break;
            }
            let from = len + seen.len();
            fill_hash(&mut keyspace, b"hash", from..from + 5);
        }
        assert!((100..len).all(|number| seen.contains(&name(number))));
        keyspace.flush(0, false);
        while keyspace.background(0, 1000).more {}
        assert_empty(&keyspace);
    }
}
