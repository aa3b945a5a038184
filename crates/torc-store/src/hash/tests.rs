//! Hashes against a model made of `BTreeMap`, through the keyspace, over renames, swaps, flushes and time.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::pack::Packed;
use crate::{BigFrom, Entry, Keyspace, KeyspaceOptions, Object, UnixMillis};

const LIMITS: Limits = Limits { pack_len_max: 6, pack_text_len_max: 10 };
const FAR: UnixMillis = 1 << 40;

type Fields = BTreeMap<Vec<u8>, (Vec<u8>, Option<UnixMillis>)>;

fn keyspace() -> Keyspace {
    let mut keyspace = Keyspace::new(KeyspaceOptions { databases: 3, hash_seed: [1, 2, 3, 4] });
    // Tables of these tests lie in either heap.
    keyspace.set_big_from(BigFrom { len: 40, bytes: 8 << 10 });
    keyspace
}

fn set(keyspace: &mut Keyspace, at: (u16, &[u8]), field: &[u8], value: &[u8], ttl: Ttl, now: UnixMillis) -> bool {
    match keyspace.entry(at.0, at.1, now) {
        Entry::Occupied(occupied) => HashMut::of(occupied, LIMITS).set(field, value, ttl),
        Entry::Vacant(vacant) => {
            let expire_at = if let Ttl::At(expire_at) = ttl { Some(expire_at) } else { None };
            build(Entry::Vacant(vacant), std::iter::once((field, value, expire_at)), None, LIMITS) == 1
        }
    }
}

fn remove(keyspace: &mut Keyspace, at: (u16, &[u8]), field: &[u8], now: UnixMillis) -> bool {
    let Entry::Occupied(occupied) = keyspace.entry(at.0, at.1, now) else { return false };
    let mut hash = HashMut::of(occupied, LIMITS);
    let removed = hash.remove(field);
    hash.finish();
    removed
}

fn fields(keyspace: &mut Keyspace, at: (u16, &[u8]), now: UnixMillis) -> Fields {
    let Some(value) = keyspace.read(at.0, at.1, now, false) else { return Fields::new() };
    let hash = HashRef::of(value, now);
    let found: Vec<HashField<'_>> = hash.iter().collect();
    assert_eq!(found.len(), hash.live_len());
    assert!(hash.len() >= found.len());
    let mut shown = Vec::new();
    hash.for_each(|name, value| shown.push((name, value)));
    assert_eq!(shown, found.iter().map(|field| (field.name, field.value)).collect::<Vec<_>>());
    found.iter().map(|field| (field.name.to_vec(), (field.value.to_vec(), field.expire_at))).collect()
}

fn encoding(keyspace: &mut Keyspace, key: &[u8]) -> &'static str {
    keyspace.read(0, key, 0, false).expect("the hash is there").encoding()
}

/// Hashes with expiring fields, by walking over everything.
fn expiring(keyspace: &Keyspace, now: UnixMillis) -> usize {
    let mut count = 0;
    for db in 0..keyspace.databases() {
        keyspace.for_each(db, now, &mut |value| {
            let expires = matches!(value.object(), Some(Object::Hash(hash)) if hash.fields.expires_len() > 0);
            count += usize::from(expires);
        });
    }
    count
}

struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = crate::segment::mix(self.0);
        (self.0 % limit as u64) as usize
    }
}

#[test]
fn forms_give_way_in_order() {
    let mut keyspace = keyspace();
    for number in 0..6 {
        assert!(set(&mut keyspace, (0, b"h"), number.to_string().as_bytes(), b"v", Ttl::Clear, 0));
    }
    assert_eq!(encoding(&mut keyspace, b"h"), "listpack");
    assert!(!set(&mut keyspace, (0, b"h"), b"5", b"w", Ttl::Clear, 0));
    assert_eq!(encoding(&mut keyspace, b"h"), "listpack");
    assert!(set(&mut keyspace, (0, b"h"), b"6", b"v", Ttl::Clear, 0));
    assert_eq!(encoding(&mut keyspace, b"h"), "hashtable", "one field too many");
    set(&mut keyspace, (0, b"long"), b"f", b"v", Ttl::Clear, 0);
    set(&mut keyspace, (0, b"long"), b"f", b"more than ten", Ttl::Clear, 0);
    assert_eq!(encoding(&mut keyspace, b"long"), "hashtable", "a value is too long");
    set(&mut keyspace, (0, b"ttl"), b"f", b"v", Ttl::At(FAR), 0);
    assert_eq!(encoding(&mut keyspace, b"ttl"), "listpackex", "small but for its expiry");
    set(&mut keyspace, (0, b"ttl"), b"f", b"more than ten", Ttl::Keep, 0);
    assert_eq!(encoding(&mut keyspace, b"ttl"), "hashtable");
    assert_eq!(fields(&mut keyspace, (0, b"ttl"), 0)[&b"f"[..]].1, Some(FAR));
}

#[test]
fn a_new_hash_takes_the_last_value_of_a_field() {
    let mut keyspace = keyspace();
    let pairs: [(&[u8], &[u8]); 4] = [(b"a", b"1"), (b"b", b"2"), (b"a", b"a longer"), (b"7", b"-7")];
    for key in [&b"pack"[..], b"table"] {
        let limits = Limits { pack_len_max: if key == b"pack" { 6 } else { 1 }, ..LIMITS };
        let Entry::Vacant(vacant) = keyspace.entry(0, key, 0) else { panic!("nothing is there") };
        assert_eq!(create(vacant, pairs.into_iter(), limits), 3);
        let found = fields(&mut keyspace, (0, key), 0);
        assert_eq!(found[&b"a"[..]].0, b"a longer");
        assert_eq!(found[&b"7"[..]].0, b"-7");
        assert_eq!(found.len(), 3);
    }
    assert_eq!(encoding(&mut keyspace, b"pack"), "listpack");
    assert_eq!(encoding(&mut keyspace, b"table"), "hashtable");
}

#[test]
fn what_expired_is_hidden_then_gone() {
    let mut keyspace = keyspace();
    set(&mut keyspace, (0, b"h"), b"stays", b"1", Ttl::Clear, 0);
    set(&mut keyspace, (0, b"h"), b"goes", b"2", Ttl::At(100), 0);
    assert_eq!(keyspace.expiring_hashes_len(0), 1);
    assert_eq!(fields(&mut keyspace, (0, b"h"), 100).len(), 2);
    assert_eq!(fields(&mut keyspace, (0, b"h"), 101).len(), 1);
    assert!(set(&mut keyspace, (0, b"h"), b"goes", b"again", Ttl::Keep, 101), "new, without its old expiry");
    assert_eq!(keyspace.expiring_hashes_len(0), 0);
    set(&mut keyspace, (0, b"h"), b"goes", b"2", Ttl::At(200), 101);
    assert!(!remove(&mut keyspace, (0, b"h"), b"goes", 201), "it was not there any more");
    set(&mut keyspace, (0, b"h"), b"goes", b"2", Ttl::At(300), 201);
    set(&mut keyspace, (0, b"only"), b"goes", b"2", Ttl::At(300), 201);
    // Somebody may still read at 250.
    keyspace.set_expiry_floor(250);
    keyspace.background(400, 1000);
    assert_eq!(fields(&mut keyspace, (0, b"h"), 250).len(), 2);
    let mut hash = HashMut::of(keyspace.tidy_entry(0, b"h", 400).expect("there"), LIMITS);
    hash.reclaim(std::iter::once(&b"goes"[..]));
    hash.reclaim_some(10);
    assert_eq!(hash.as_ref().len(), 2);
    keyspace.set_expiry_floor(UnixMillis::MAX);
    let done = keyspace.background(400, 1000);
    assert!(!done.more);
    assert_eq!(fields(&mut keyspace, (0, b"h"), 250).len(), 1);
    assert!(!keyspace.contains(0, b"only", 250), "it lost its last field");
    assert_eq!(keyspace.stats().expired_fields, 4);
    assert_eq!((keyspace.len(0), keyspace.storage.field_expiry.records_len()), (1, 0));
}

#[test]
fn expiry_wakes_those_who_watch() {
    let mut keyspace = keyspace();
    set(&mut keyspace, (0, b"h"), b"a", b"1", Ttl::Clear, 0);
    set(&mut keyspace, (0, b"h"), b"b", b"1", Ttl::At(10), 0);
    let version = keyspace.watch(0, b"h", 0);
    assert!(!remove(&mut keyspace, (0, b"h"), b"no such field", 0));
    assert!(!keyspace.has_changed(0, b"h", version, 0));
    keyspace.background(11, 1000);
    assert!(keyspace.has_changed(0, b"h", version, 11));
    keyspace.unwatch(0, b"h");
}

#[test]
fn many_fields_expire_in_slices() {
    let mut keyspace = keyspace();
    let count = if cfg!(miri) { 200 } else { 20_000 };
    for number in 0..count {
        let ttl = if number % 2 == 0 { Ttl::At(1000) } else { Ttl::Clear };
        set(&mut keyspace, (0, b"h"), number.to_string().as_bytes(), b"v", ttl, 0);
    }
    let mut rounds = 0;
    while keyspace.background(5000, 100).more {
        rounds += 1;
    }
    assert!(cfg!(miri) || rounds > 5, "{rounds} rounds");
    let value = keyspace.read(0, b"h", 5000, false).expect("half of it stays");
    assert_eq!(HashRef::of(value, 5000).len(), count / 2);
    assert_eq!(keyspace.storage.field_expiry.records_len(), 0);
}

#[test]
fn scan_finds_what_stays() {
    let mut keyspace = keyspace();
    let mut added = 0;
    let mut grow = |keyspace: &mut Keyspace, count: usize| {
        for _ in 0..count {
            set(keyspace, (0, b"h"), format!("field{added}").as_bytes(), b"v", Ttl::Clear, 0);
            added += 1;
        }
    };
    grow(&mut keyspace, if cfg!(miri) { 50 } else { 3000 });
    let wanted = fields(&mut keyspace, (0, b"h"), 0).into_keys().collect::<BTreeSet<_>>();
    let (mut seen, mut cursor) = (BTreeSet::new(), 0);
    loop {
        let occupied = keyspace.tidy_entry(0, b"h", 0).expect("it is there");
        cursor = HashMut::of(occupied, LIMITS).scan(cursor, 10, &mut |name, _| {
            seen.insert(name.to_vec());
        });
        if cursor == 0 {
            break;
        }
        grow(&mut keyspace, 20);
    }
    assert!(seen.is_superset(&wanted));
}

/// One step: an operation on both, with their answers compared.
fn step(keyspace: &mut Keyspace, model: &mut BTreeMap<(u16, u8), Fields>, random: &mut Random, now: UnixMillis) {
    let place = (random.below(3) as u16, b'a' + random.below(3) as u8);
    let key = [place.1];
    let at = (place.0, &key[..]);
    let field = match random.below(12) {
        0 => Vec::new(),
        number @ 1..6 => (number as i64 * 700 - 1500).to_string().into_bytes(),
        number => format!("f{number}").into_bytes(),
    };
    let live = |fields: &Fields| fields.get(&field).is_some_and(|(_, expire_at)| expire_at.is_none_or(|at| at >= now));
    let had = model.get(&place).is_some_and(live);
    match random.below(20) {
        0..=8 => {
            let lens = [1, 3, 9, 9, 3, 1, 2, 4, 5, 40];
            let value = vec![b'v'; lens[random.below(lens.len())]];
            let ttl = [Ttl::Clear, Ttl::Keep, Ttl::At(now + 1 + random.below(400) as i64)][random.below(3)];
            assert_eq!(set(keyspace, at, &field, &value, ttl, now), !had);
            let fields = model.entry(place).or_default();
            let kept = if had { fields[&field].1 } else { None };
            fields.insert(field, (value, ttl.or(kept)));
        }
        9..=11 => {
            assert_eq!(remove(keyspace, at, &field, now), had);
            model.entry(place).or_default().remove(&field);
        }
        12 if had => {
            let expire_at = [None, Some(now + random.below(400) as i64)][random.below(2)];
            let Entry::Occupied(occupied) = keyspace.entry(at.0, at.1, now) else { panic!("it has a field") };
            HashMut::of(occupied, LIMITS).set_expiry(&field, expire_at);
            model.get_mut(&place).expect("it has a field").get_mut(&field).expect("had").1 = expire_at;
        }
        13 if keyspace.contains(at.0, at.1, now) => {
            let to = (random.below(3) as u16, b'a' + random.below(3) as u8);
            if to != place {
                keyspace.relocate(at, (to.0, &[to.1]), now);
                let fields = model.remove(&place).unwrap_or_default();
                model.insert(to, fields);
            }
        }
        14 if random.below(4) == 0 => {
            keyspace.swap(0, at.0, now);
            let swapped = std::mem::take(model).into_iter().map(|((db, key), fields)| {
                let db = if db == 0 {
                    at.0
                } else if db == at.0 {
                    0
                } else {
                    db
                };
                ((db, key), fields)
            });
            *model = swapped.collect();
        }
        15 if random.below(20) == 0 => {
            keyspace.flush(at.0, random.below(2) == 0);
            model.retain(|place, _| place.0 != at.0);
        }
        16 => {
            keyspace.remove(at.0, at.1, now);
            model.remove(&place);
        }
        17 => {
            keyspace.background(now, 100_000);
        }
        _ => {}
    }
}

#[test]
fn behaves_as_a_map_through_moves_and_time() {
    let (mut keyspace, mut model, mut random) = (keyspace(), BTreeMap::new(), Random(99));
    let mut now = 0;
    for _ in 0..if cfg!(miri) { 300 } else { 60_000 } {
        step(&mut keyspace, &mut model, &mut random, now);
        now += random.below(4) as i64;
        let (place, fields_wanted) = {
            let place = (random.below(3) as u16, b'a' + random.below(3) as u8);
            let mut wanted: Fields = model.get(&place).cloned().unwrap_or_default();
            wanted.retain(|_, (_, expire_at)| expire_at.is_none_or(|at| at >= now));
            (place, wanted)
        };
        assert_eq!(fields(&mut keyspace, (place.0, &[place.1]), now), fields_wanted);
        let registered: usize = (0..3).map(|db| keyspace.expiring_hashes_len(db)).sum();
        assert_eq!(registered, expiring(&keyspace, now));
    }
    now += 100_000;
    while keyspace.background(now, 1000).more {}
    for (place, fields) in &mut model {
        fields.retain(|_, (_, expire_at)| expire_at.is_none());
        assert_eq!(keyspace.contains(place.0, &[place.1], now), !fields.is_empty());
    }
    keyspace.flush_all(false);
    assert_eq!(keyspace.storage.field_expiry.records_len(), 0);
    let memory = keyspace.memory();
    assert_eq!((memory.entries_bytes, memory.large_bytes), (0, 0));
}

#[test]
fn fields_of_packs_have_positions() {
    let mut keyspace = keyspace();
    for (field, value) in [(&b"a"[..], &b"1"[..]), (b"2", b"b"), (b"c", b"3")] {
        set(&mut keyspace, (0, b"h"), field, value, Ttl::Clear, 0);
    }
    let hash = HashRef::of(keyspace.read(0, b"h", 0, false).expect("there"), 0);
    assert_eq!(hash.at(1), HashField { name: Packed::Integer(2), value: Packed::Bytes(b"b"), expire_at: None });
    assert_eq!(hash.find(b"c").map(|found| found.value), Some(Packed::Integer(3)));
}
