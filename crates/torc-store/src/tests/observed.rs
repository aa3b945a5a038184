//! Watched and awaited keys: every real change is noted, nothing else is.

use crate::{Entry, Keyspace, KeyspaceOptions, StringForm};

fn keyspace() -> Keyspace {
    Keyspace::new(KeyspaceOptions { databases: 3, hash_seed: [1, 2, 3, 4] })
}

fn set(keyspace: &mut Keyspace, key: &[u8], expire_at: Option<i64>) {
    match keyspace.entry(0, key, 0) {
        Entry::Occupied(mut occupied) => occupied.replace(b"value", expire_at, StringForm::Auto),
        Entry::Vacant(vacant) => vacant.insert_string(b"value", expire_at, StringForm::Auto),
    }
}

/// Whether `work` changes the watched key `a`, which is there before.
fn changes(work: impl FnOnce(&mut Keyspace)) -> bool {
    let mut keyspace = keyspace();
    set(&mut keyspace, b"a", Some(100));
    let version = keyspace.watch(0, b"a", 0);
    work(&mut keyspace);
    let changed = keyspace.has_changed(0, b"a", version, 50);
    keyspace.unwatch(0, b"a");
    assert_eq!(keyspace.observed_len(), 0);
    changed
}

fn occupied(keyspace: &mut Keyspace, work: impl FnOnce(crate::Occupied<'_>)) {
    let Entry::Occupied(occupied) = keyspace.entry(0, b"a", 0) else { panic!("the key is there") };
    work(occupied);
}

#[test]
fn every_kind_of_change_is_noted() {
    assert!(changes(|keyspace| set(keyspace, b"a", Some(100))));
    assert!(changes(|keyspace| occupied(keyspace, |mut it| it.set_string(b"x", StringForm::Auto))));
    assert!(changes(|keyspace| occupied(keyspace, |mut it| it.set_expire_at(None))));
    assert!(changes(|keyspace| occupied(keyspace, |mut it| _ = it.append(b"x"))));
    assert!(changes(|keyspace| occupied(keyspace, |mut it| _ = it.write_at(0, b"x"))));
    assert!(changes(|keyspace| occupied(keyspace, |mut it| it.bytes_mut().expect("a string")[0] = b'x')));
    assert!(changes(|keyspace| occupied(keyspace, |it| it.remove())));
    assert!(changes(|keyspace| assert!(keyspace.remove(0, b"a", 0))));
    assert!(changes(|keyspace| keyspace.flush(0, true)));
    assert!(changes(|keyspace| keyspace.flush_all(false)));
    assert!(changes(|keyspace| keyspace.swap(0, 1, 0)));
    assert!(changes(|keyspace| assert!(keyspace.read(0, b"a", 101, true).is_none())));
    assert!(changes(|keyspace| while keyspace.background(101, 1000).more {}));
    assert!(changes(|keyspace| _ = keyspace.scan(0, 0, 100, 101, &mut |_| panic!("it has expired"))));
}

#[test]
fn what_changes_nothing_is_not() {
    assert!(!changes(|_| {}));
    assert!(!changes(|keyspace| assert!(keyspace.read(0, b"a", 10, true).is_some())));
    assert!(!changes(|keyspace| occupied(keyspace, |mut it| it.touch(20))));
    assert!(!changes(|keyspace| set(keyspace, b"b", None)));
    assert!(!changes(|keyspace| assert!(!keyspace.remove(0, b"b", 0))));
    assert!(!changes(|keyspace| keyspace.flush(1, true)));
    assert!(!changes(|keyspace| keyspace.swap(1, 2, 0)));
    assert!(!changes(|keyspace| keyspace.swap(0, 0, 0)));
}

#[test]
fn a_hidden_key_counts_as_changed_and_stays() {
    let mut keyspace = keyspace();
    set(&mut keyspace, b"a", Some(100));
    let version = keyspace.watch(0, b"a", 0);
    keyspace.set_expiry_floor(90);
    assert!(keyspace.read(0, b"a", 150, true).is_none());
    while keyspace.background(150, 1000).more {}
    assert!(keyspace.has_changed(0, b"a", version, 150));
    assert!(!keyspace.has_changed(0, b"a", version, 95), "it is still there for who reads at that time");
    assert!(keyspace.read(0, b"a", 95, true).is_some());
    keyspace.set_expiry_floor(i64::MAX);
    assert!(keyspace.read(0, b"a", 150, true).is_none());
    assert!(keyspace.is_empty(0));
    keyspace.unwatch(0, b"a");
}

#[test]
fn a_key_that_arrives_expired_is_no_change() {
    let mut keyspace = keyspace();
    set(&mut keyspace, b"a", Some(100));
    let version = keyspace.watch(1, b"a", 150);
    keyspace.swap(0, 1, 150);
    assert!(!keyspace.has_changed(1, b"a", version, 150));
    keyspace.unwatch(1, b"a");
}

#[test]
fn awaited_keys_are_listed_once_and_in_order() {
    let mut keyspace = keyspace();
    for key in [b"a", b"b", b"c"] {
        keyspace.await_key(0, key);
    }
    keyspace.await_key(0, b"a");
    assert_eq!((keyspace.awaited_len(), keyspace.has_changes()), (3, false));
    for key in [b"c", b"a", b"c", b"x"] {
        set(&mut keyspace, key, None);
    }
    let changed: Vec<_> = keyspace.take_changes().into_iter().map(|(_, key)| key).collect();
    assert_eq!(changed, [b"c".as_slice().into(), b"a".as_slice().into()] as [Box<[u8]>; 2]);
    assert!(!keyspace.has_changes() && keyspace.is_awaited(0, b"b") && !keyspace.is_awaited(1, b"b"));
    for key in [b"a", b"a", b"b", b"c"] {
        keyspace.unawait_key(0, key);
    }
    assert_eq!((keyspace.awaited_len(), keyspace.observed_len()), (0, 0));
}

#[test]
fn a_change_is_forgotten_with_the_last_who_waited() {
    let mut keyspace = keyspace();
    keyspace.watch(0, b"a", 0);
    for _ in 0..2 {
        keyspace.await_key(0, b"a");
        assert!(!keyspace.has_changes(), "what was before is no change for who waits now");
        set(&mut keyspace, b"a", None);
        assert!(keyspace.has_changes());
        keyspace.unawait_key(0, b"a");
        assert!(!keyspace.has_changes() && keyspace.take_changes().is_empty());
    }
    keyspace.unwatch(0, b"a");
    assert_eq!(keyspace.observed_len(), 0);
}

#[test]
fn a_swap_is_told_of_where_the_key_was_and_where_it_has_come() {
    let mut keyspace = keyspace();
    set(&mut keyspace, b"a", None);
    for db in 0..2 {
        keyspace.await_key(db, b"a");
    }
    keyspace.swap(0, 1, 0);
    let both = [(0, b"a".as_slice().into()), (1, b"a".as_slice().into())];
    assert_eq!(keyspace.take_changes(), both);
    keyspace.swap(0, 1, 0);
    assert_eq!(keyspace.take_changes(), both);
    keyspace.swap(1, 2, 0);
    assert!(keyspace.take_changes().is_empty(), "it is in neither");
}

#[test]
fn choosing_a_key_at_random_notes_what_has_expired() {
    assert!(changes(|keyspace| assert!(keyspace.random(0, 7, 101).is_none())));
    assert!(!changes(|keyspace| assert!(keyspace.random(0, 7, 100).is_some())));
}
